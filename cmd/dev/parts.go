package main

import (
	"context"
	"errors"
	"fmt"
)

// part is something that runs until it is stopped.
type part struct {
	name string
	done <-chan struct{} // closed when it ended, asked or not
	stop func() error    // returns when it has ended
}

// parts are what runs, in the order of starting. Only one goroutine uses it.
type parts struct{ running []part }

func (p *parts) add(started part) { p.running = append(p.running, started) }

// wait returns when a stop is asked for, or with an error when a part ends by itself.
func (p *parts) wait(ctx context.Context) error {
	ended := make(chan string, len(p.running))
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, part := range p.running {
		go func() {
			select {
			case <-part.done:
				ended <- part.name
			case <-watching.Done():
			}
		}()
	}
	select {
	case name := <-ended:
		return fmt.Errorf("%s ended by itself; the logs say why", name)
	case <-ctx.Done():
		return nil
	}
}

// stop ends the parts, the last started first.
func (p *parts) stop() error {
	var failed error
	for i := len(p.running) - 1; i >= 0; i-- {
		if err := p.running[i].stop(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("stop %s: %w", p.running[i].name, err))
		}
	}
	p.running = nil
	return failed
}

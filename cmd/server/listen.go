package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sottochat/sotto/web"
)

// listening is the one line on standard output.
type listening struct {
	Listening string `json:"listening"`
	Metrics   string `json:"metrics,omitempty"`
}

// listen serves until ctx ends, then drains and stops within the drain time.
func (p program) listen(ctx context.Context, c config, log *slog.Logger, handler, private http.Handler, drain func(context.Context)) error {
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("%w LISTEN: %w", errSetting, err)
	}
	line := listening{Listening: listener.Addr().String()}
	servers := []*http.Server{web.HTTPServer(handler, log)}
	listeners := []net.Listener{listener}
	if c.metrics != "" {
		extra, err := network.Listen(ctx, "tcp", c.metrics)
		if err != nil {
			listener.Close()
			return fmt.Errorf("%w METRICS_LISTEN: %w", errSetting, err)
		}
		line.Metrics = extra.Addr().String()
		servers = append(servers, &http.Server{Handler: private, ReadHeaderTimeout: privateHeaderTime})
		listeners = append(listeners, extra)
	}
	ended := make(chan error, len(servers))
	var serving sync.WaitGroup
	for i, s := range servers {
		serving.Go(func() { ended <- s.Serve(listeners[i]) })
	}
	if err = json.NewEncoder(p.stdout).Encode(line); err == nil {
		select {
		case err = <-ended:
		case <-ctx.Done():
			log.Info("draining", "seconds", c.drain.Seconds())
		}
	}
	err = errors.Join(err, shutDown(ctx, c.drain, drain, servers))
	serving.Wait()
	return err
}

// privateHeaderTime bounds a header on the private listener; profiles take as
// long as they are asked to.
const privateHeaderTime = 5 * time.Second

// shutDown lets sockets go while requests finish; what is not done in time is
// cut off.
func shutDown(ctx context.Context, wait time.Duration, drain func(context.Context), servers []*http.Server) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	var sockets sync.WaitGroup
	sockets.Go(func() { drain(ctx) })
	for _, s := range servers {
		if s.Shutdown(ctx) != nil {
			err = errors.Join(err, s.Close())
		}
	}
	sockets.Wait()
	return err
}

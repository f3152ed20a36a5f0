package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/sottochat/sotto/cmd/term/member"
	"github.com/sottochat/sotto/cmd/term/qrtext"
	"github.com/sottochat/sotto/messaging/client/content/display"
	"github.com/sottochat/sotto/messaging/client/native"
)

// wizard leads a member on a terminal from an empty folder to a device that is in
// its account, in plain lines that stay readable in the scrollback until it clears
// what is secret.
type wizard struct {
	options
	member  *member.Member
	in, out *os.File
	lines   *bufio.Reader
}

// settleTime bounds the wait for the first word of a server.
const settleTime = 30 * time.Second

func (w *wizard) run(ctx context.Context) error {
	w.lines = bufio.NewReader(w.in)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if n := w.member.Recovered(); n > 0 {
		w.say("The last change before a crash was not complete and was dropped (%d bytes).", n)
	}
	// Somebody has to take in the news while nothing else does.
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		for {
			if _, err := w.member.Next(ctx); err != nil {
				return
			}
		}
	}()
	defer func() { cancel(); <-pumped }()
	if err := w.signIn(ctx); err != nil {
		return err
	}
	return w.join(ctx)
}

func (w *wizard) say(format string, args ...any) {
	fmt.Fprintln(w.out, display.SafeText(fmt.Sprintf(format, args...)))
}

// ask reads a line. The terminal echoes it.
func (w *wizard) ask(prompt string) (string, error) {
	fmt.Fprint(w.out, prompt)
	line, err := w.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && line == "" {
		return "", errors.New("stopped: the input has ended")
	}
	return strings.TrimSpace(line), nil
}

func (w *wizard) signIn(ctx context.Context) error {
	now := w.member.Now()
	if now.Standing != member.SignedOut && !w.login {
		return nil
	}
	address := w.address
	for {
		if address == "" && now.Origin != "" {
			address = now.Origin
		}
		if address == "" {
			var err error
			if address, err = w.ask("Address of the chat, or an invite link: "); err != nil {
				return err
			}
		}
		origin, invite, err := native.ParseAddress(address)
		if err == nil {
			w.follow(invite)
			return w.member.SignIn(ctx, origin, w.showSignIn)
		}
		w.say("Expected an address such as https://chat.example, or an invite link.")
		address = ""
	}
}

// follow reminds of the invite that brought the member here.
func (w *wizard) follow(invite *native.Invite) {
	if invite != nil {
		w.say("Signing in first. Afterwards open the invite with /open and the link.")
	}
}

func (w *wizard) showSignIn(in *native.SignIn) {
	w.say("\nOpen this page in a browser:\n\n  %s\n\nand enter this code there:\n\n  %s\n\nWaiting …", in.Page, in.Code)
}

// settled waits until it is known how this device stands.
func (w *wizard) settled(ctx context.Context) (member.Now, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		now := w.member.Now()
		if now.Standing > member.Joining || now.Over != nil {
			return now, nil
		}
		select {
		case <-now.Changed:
		case <-ctx.Done():
			return now, fmt.Errorf("the server does not answer: %w", ctx.Err())
		}
	}
}

// join makes this device one of the account.
func (w *wizard) join(ctx context.Context) error {
	now, err := w.settled(ctx)
	switch {
	case err != nil:
		return err
	case now.Standing == member.Ready:
		return nil
	case now.Standing == member.Removed:
		return errors.New("this device was removed from the account; sign in with another folder (--dir)")
	case now.Over != nil:
		return fmt.Errorf("the server ended the session, sign in again with term login: %w", now.Over)
	case now.Standing == member.Unfounded:
		return w.found(ctx)
	}
	return w.link(ctx)
}

// found shows the recovery code until the member proves to have it.
func (w *wizard) found(ctx context.Context) error {
	w.say("This is the first device of your account. Making its keys …")
	code, err := w.member.Found(ctx)
	if err != nil {
		return err
	}
	// The alternate screen keeps the code out of the scrollback.
	fmt.Fprint(w.out, "\x1b[?1049h\x1b[2J\x1b[H")
	defer fmt.Fprint(w.out, "\x1b[2J\x1b[H\x1b[?1049l")
	w.say("Your recovery code:\n\n  %s\n", code)
	w.say("Write it down and keep it safe. It is shown this once, and it alone\nbrings your account back when all your devices are lost.\n")
	groups := strings.Split(code, "-")
	last := groups[len(groups)-1]
	for {
		typed, err := w.ask("Type its last four characters to go on: ")
		if err != nil {
			return err
		}
		if strings.EqualFold(typed, last) {
			return nil
		}
		w.say("These are not the last four.")
	}
}

// link gets this device into an account that has others.
func (w *wizard) link(ctx context.Context) error {
	w.say("Your account has other devices. One of them has to let this one in.")
	for {
		answer, err := w.ask("Enter: show the code for it. R: use the recovery code instead. ")
		if err != nil {
			return err
		}
		if strings.EqualFold(answer, "r") {
			err = w.recover(ctx)
		} else {
			err = w.showLink(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		w.say("That did not work: %v.", err)
	}
}

func (w *wizard) recover(ctx context.Context) error {
	fmt.Fprint(w.out, "Recovery code: ")
	code, err := term.ReadPassword(int(w.in.Fd()))
	fmt.Fprintln(w.out)
	if err != nil {
		return err
	}
	defer clear(code)
	return w.member.Core().Recover(ctx, string(code))
}

func (w *wizard) showLink(ctx context.Context) error {
	code, wait, err := w.member.RequestLink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(w.out, "\x1b[?1049h\x1b[2J\x1b[H") // the code is a secret for five minutes
	defer fmt.Fprint(w.out, "\x1b[2J\x1b[H\x1b[?1049l")
	w.drawCode(code)
	w.say("On the other device choose \"let a device in\" (here: /approve) within 5 minutes,\nand scan this or enter:\n\n%s\n", code)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := make(chan struct{})
	go func() { defer close(told); w.showDigits(ctx) }()
	err = wait(ctx)
	cancel()
	<-told
	return err
}

// drawCode draws the QR code where there is room for it and the lines below.
func (w *wizard) drawCode(code string) {
	lines, err := qrtext.Lines(code)
	wide, high, sizeErr := term.GetSize(int(w.out.Fd()))
	const below = 9
	if err != nil || sizeErr != nil || len([]rune(lines[0])) > wide || len(lines)+below > high {
		return
	}
	for _, l := range lines {
		fmt.Fprintf(w.out, "\x1b[30;47m%s\x1b[0m\n", l)
	}
}

func (w *wizard) showDigits(ctx context.Context) {
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for {
		digits, err := w.member.Core().LinkDigits(ctx)
		if err != nil {
			return
		}
		if digits != "" {
			w.say("Compare these digits with the other device, and confirm there:\n\n  %s %s\n\nWaiting …", digits[:3], digits[3:])
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

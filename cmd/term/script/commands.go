package script

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sottochat/sotto/messaging"
)

// handler runs one command. The line is the whole command; the answer is printed.
type handler func(ctx context.Context, s *Script, line []byte) (any, error)

// commands is every command that there is. docs/terminal.md describes each, and a
// test compares the two.
var commands = map[string]handler{
	"status":        plain(statusOf),
	"login":         with(login),
	"found":         plain(found),
	"recovery-code": plain(recoveryCode),
	"recover":       with(recoverBy),
	"link":          with(linkThis),
	"approve":       with(approve),
	"confirm":       with(confirm),
	"devices":       plain(devices),
	"revoke":        with(revoke),
	"invite":        plain(invite),
	"invites":       plain(invites),
	"invite-create": with(inviteCreate),
	"invite-set":    with(inviteSet),
	"open":          with(open),
	"chats":         plain(chats),
	"chat-set":      with(chatSet),
	"accept-keys":   with(acceptKeys),
	"verify":        with(verify),
	"send":          with(send),
	"edit":          with(edit),
	"delete":        with(remove),
	"react":         with(react),
	"typing":        with(typing),
	"timer":         with(timer),
	"profile":       with(profile),
	"file":          with(file),
	"save":          with(save),
	"recv":          with(recv),
	"history":       with(history),
	"wait":          with(wait),
	"settings":      with(settings),
	"state-hash":    plain(stateHash),
	"chat-hash":     with(chatHash),
	"counts":        plain(counts),
	"listen":        with(listen),
	"quit":          plain(quit),
}

// base are the fields that every command may have.
type base struct {
	Do  string          `json:"do"`
	Ref json.RawMessage `json:"ref"`
}

// plain is a command without fields of its own.
func plain(run func(context.Context, *Script) (any, error)) handler {
	return func(ctx context.Context, s *Script, line []byte) (any, error) {
		if err := decode(line, new(base)); err != nil {
			return nil, err
		}
		return run(ctx, s)
	}
}

// with is a command whose fields are those of T.
func with[T any](run func(context.Context, *Script, T) (any, error)) handler {
	return func(ctx context.Context, s *Script, line []byte) (any, error) {
		var in T
		if err := decode(line, &in); err != nil {
			return nil, err
		}
		return run(ctx, s, in)
	}
}

// inChat are the fields of a command about a chat, atMessage those of one about a
// message of it.
type inChat struct {
	base
	Chat messaging.ChatID `json:"chat"`
}

type atMessage struct {
	inChat
	Message messaging.MessageID `json:"message"`
}

func (in inChat) check() error {
	if in.Chat == (messaging.ChatID{}) {
		return field("chat", "chat_…", "")
	}
	return nil
}

func (in atMessage) check() error {
	if err := in.inChat.check(); err != nil {
		return err
	}
	if in.Message == (messaging.MessageID{}) {
		return field("message", "msg_…", "")
	}
	return nil
}

// Waits, in seconds: what a member takes to sign in, and what a server takes to
// answer.
const (
	waitMember = 10 * 60
	waitServer = 30
	waitMost   = 24 * 60 * 60
)

// patience turns a command's timeout_s into a duration.
func patience(seconds, otherwise int) (time.Duration, error) {
	switch {
	case seconds == 0:
		seconds = otherwise
	case seconds < 0 || seconds > waitMost:
		return 0, field("timeout_s", "seconds from 1 to 86400", "")
	}
	return time.Duration(seconds) * time.Second, nil
}

func quit(context.Context, *Script) (any, error) { return nil, nil }

func listen(_ context.Context, s *Script, in struct {
	base
	On *bool `json:"on"`
}) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listen = in.On == nil || *in.On
	return nil, nil
}

package script

import (
	"context"
	"fmt"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
)

// said is the answer of every command that writes a message.
type said struct {
	Message messaging.MessageID `json:"message"`
}

type sendIn struct {
	inChat
	Text    string              `json:"text"`
	ReplyTo messaging.MessageID `json:"reply_to"`
	ID      messaging.MessageID `json:"id"`
}

func send(ctx context.Context, s *Script, in sendIn) (any, error) {
	if in.Text == "" {
		return nil, field("text", "1 to 16384 bytes", "")
	}
	return s.say(ctx, in.inChat, in.ID, content.Text{Text: in.Text, ReplyTo: in.ReplyTo})
}

func (s *Script) say(ctx context.Context, in inChat, id messaging.MessageID, body content.Body) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	id, err := s.Member.Say(ctx, in.Chat, id, body)
	if err != nil {
		return nil, err
	}
	return said{id}, nil
}

func edit(ctx context.Context, s *Script, in struct {
	atMessage
	Text string `json:"text"`
}) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return s.say(ctx, in.inChat, messaging.MessageID{}, content.Edit{Target: in.Message, Text: in.Text})
}

func remove(ctx context.Context, s *Script, in atMessage) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return s.say(ctx, in.inChat, messaging.MessageID{}, content.Delete{Target: in.Message})
}

func react(ctx context.Context, s *Script, in struct {
	atMessage
	Emoji string `json:"emoji"`
}) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if len(in.Emoji) > content.MaxReaction {
		return nil, field("emoji", fmt.Sprintf("at most %d bytes", content.MaxReaction), in.Emoji)
	}
	return s.say(ctx, in.inChat, messaging.MessageID{}, content.Reaction{Target: in.Message, Emoji: in.Emoji})
}

func typing(ctx context.Context, s *Script, in struct {
	inChat
	Active bool `json:"active"`
}) (any, error) {
	return nil, s.Member.Core().Typing(ctx, in.Chat, in.Active)
}

func timer(ctx context.Context, s *Script, in struct {
	inChat
	Seconds uint32 `json:"seconds"`
}) (any, error) {
	if in.Seconds > content.MaxTimer {
		return nil, field("seconds", fmt.Sprintf("at most %d", content.MaxTimer), fmt.Sprint(in.Seconds))
	}
	return s.say(ctx, in.inChat, messaging.MessageID{}, content.Timer{Seconds: in.Seconds})
}

func profile(ctx context.Context, s *Script, in struct {
	inChat
	Name string `json:"name"`
}) (any, error) {
	if len(in.Name) > content.MaxName {
		return nil, field("name", fmt.Sprintf("at most %d bytes", content.MaxName), in.Name)
	}
	return s.say(ctx, in.inChat, messaging.MessageID{}, content.Profile{Name: in.Name})
}

func file(ctx context.Context, s *Script, in struct {
	inChat
	Path    string              `json:"path"`
	Caption string              `json:"caption"`
	ID      messaging.MessageID `json:"id"`
}) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	sent, err := s.Member.SendFile(ctx, in.Chat, in.ID, in.Path, in.Caption)
	if err != nil {
		return nil, err
	}
	return map[string]any{"message": sent.Message, "name": sent.Name, "type": sent.Type, "cleaned": sent.Cleaned}, nil
}

func save(ctx context.Context, s *Script, in struct {
	atMessage
	Folder string `json:"folder"`
}) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Folder == "" {
		return nil, field("folder", "where to put the file", "")
	}
	path, err := s.Member.SaveFile(ctx, in.Chat, in.Message, in.Folder)
	if err != nil {
		return nil, err
	}
	return map[string]string{"path": path}, nil
}

package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sottochat/sotto/cmd/term/member"
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/native"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/devicelog/link"
	"github.com/sottochat/sotto/messaging/wire"
)

// fault is a refused command as a program sees it: the field, what was expected
// and what was received where these say more than the code.
type fault struct {
	Code     string `json:"code"`
	Field    string `json:"field,omitempty"`
	Expected string `json:"expected,omitempty"`
	Received string `json:"received,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

func (f fault) Error() string { return "script: " + f.Code + " " + f.Field }

// maxReceived bounds what of a value is repeated.
const maxReceived = 64

func field(name, expected, received string) fault {
	if len(received) > maxReceived {
		received = received[:maxReceived] + "…"
	}
	return fault{Code: "invalid_field", Field: name, Expected: expected, Received: strings.ToValidUTF8(received, "�")}
}

// codes gives each error that a command can meet its code and, where it is about
// one, its field.
var codes = []struct {
	err         error
	code, field string
}{
	{member.ErrSignedOut, "signed_out", ""},
	{native.ErrSignedOut, "signed_out", ""},
	{member.ErrSignedIn, "other_address", "address"},
	{member.ErrOtherChat, "other_address", "link"},
	{member.ErrPrice, "has_price", ""},
	{member.ErrNoMessage, "unknown_message", "message"},
	{member.ErrNoFile, "no_file", "message"},
	{member.ErrGone, "file_gone", "message"},
	{member.ErrFile, "bad_file", "path"},
	{member.ErrTooLarge, "too_large", "path"},
	{member.ErrHasDevices, "has_devices", ""},
	{member.ErrNoDevices, "no_devices", ""},
	{member.ErrNoInvite, "no_invite", ""},
	{native.ErrAddress, "bad_link", "link"},
	{client.ErrUnknownChat, "unknown_chat", "chat"},
	{client.ErrUnknownAccount, "unknown_account", ""},
	{client.ErrMismatch, "invite_mismatch", "link"},
	{client.ErrKeysNew, "keys_new", "chat"},
	{client.ErrOffline, "offline", ""},
	{client.ErrNotReady, "not_ready", ""},
	{client.ErrBusy, "busy", ""},
	{client.ErrTooLong, "too_long", "text"},
	{client.ErrKind, "bad_kind", ""},
	{client.ErrNoLink, "no_link", ""},
	{client.ErrLinkEnded, "link_ended", ""},
	{client.ErrClosed, "closed", ""},
	{client.ErrOtherAccount, "other_account", ""},
	{client.ErrNoHistory, "no_history", ""},
	{devicelog.ErrCode, "bad_code", "code"},
	{devicelog.ErrDevice, "unknown_device", "device"},
	{link.ErrKind, "no_link_code", "code"},
	{link.ErrCode, "damaged_code", "code"},
	{link.ErrVersion, "other_version", "code"},
	{link.ErrAccount, "other_account", "code"},
	{link.ErrExpired, "expired_code", "code"},
	{link.ErrUsed, "used_code", "code"},
	{content.ErrTooLarge, "too_long", "text"},
	{content.ErrUTF8, "not_utf8", "text"},
	{content.ErrMissing, "missing", "text"},
	{context.DeadlineExceeded, "timeout", ""},
	{context.Canceled, "canceled", ""},
	{messaging.ErrInvalid, "refused", ""},
}

func faultOf(err error) fault {
	var f fault
	if errors.As(err, &f) {
		return f
	}
	if code, ok := member.Refusal(err); ok {
		return fault{Code: serverCode(code)}
	}
	var r native.Refused
	if errors.As(err, &r) {
		return fault{Code: "server", Field: r.Field, Detail: fmt.Sprintf("%d %s", r.Status, r.Code)}
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return fault{Code: c.code, Field: c.field}
		}
	}
	return fault{Code: "failed", Detail: err.Error()}
}

// serverCode names a wire.Code as docs/protocol.md section 13.7 does.
func serverCode(c wire.Code) string {
	names := map[wire.Code]string{
		wire.CodeInvalid: "invalid", wire.CodeStale: "stale", wire.CodeNotOpen: "not_open", wire.CodeNotFound: "not_found",
		wire.CodeLimited: "limited", wire.CodeFull: "full", wire.CodeConflict: "conflict", wire.CodeNotLinked: "not_linked",
		wire.CodePrice: "price", wire.CodePayment: "payment", wire.CodeUnavailable: "unavailable", wire.CodeUnsupported: "unsupported",
	}
	if name, ok := names[c]; ok {
		return "server_" + name
	}
	return fmt.Sprintf("server_%d", c)
}

// decode reads a command's fields into in. An unknown field is refused: it would
// be a typo that does nothing.
func decode(line []byte, in any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	err := d.Decode(in)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		if _, err := d.Token(); err != io.EOF {
			return fault{Code: "not_json", Field: "line", Expected: "one object"}
		}
		return nil
	case errors.As(err, &wrong):
		return field(wrong.Field, wrong.Type.String(), wrong.Value)
	case errors.Is(err, messaging.ErrID):
		return wrongID(line)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fault{Code: "unknown_field", Field: strings.Trim(name, `"`)}
	}
	return fault{Code: "not_json", Field: "line"}
}

// wrongID finds the identifier that is none: the decoder does not say which.
func wrongID(line []byte) fault {
	var raw map[string]any
	if json.Unmarshal(line, &raw) != nil {
		return fault{Code: "not_json", Field: "line"}
	}
	if text, ok := raw["chat"].(string); ok && new(messaging.ChatID).UnmarshalText([]byte(text)) != nil {
		return field("chat", "an identifier such as chat_…", text)
	}
	for _, name := range []string{"message", "reply_to", "id"} {
		if text, ok := raw[name].(string); ok && new(messaging.MessageID).UnmarshalText([]byte(text)) != nil {
			return field(name, "an identifier such as msg_…", text)
		}
	}
	return fault{Code: "invalid_field", Expected: "identifiers as they were given out"}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sottochat/sotto/cmd/term/member"
	"github.com/sottochat/sotto/cmd/term/qrtext"
	"github.com/sottochat/sotto/cmd/term/screen"
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/content/display"
	"github.com/sottochat/sotto/messaging/client/native"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// start does what came out of the screen, and reports whether to leave. What needs
// the server runs beside the screen.
func (d *desk) start(actions []screen.Action) (leave bool) {
	for _, a := range actions {
		switch a.Do {
		case screen.DoQuit:
			return true
		case screen.DoRedraw:
			d.tty.Sync()
		case screen.DoLook:
			d.shown = firstRead
			d.refresh()
		case screen.DoMore:
			d.shown += firstRead
			d.refresh()
		case screen.DoSend, screen.DoEdit, screen.DoDelete, screen.DoReact, screen.DoTyping, screen.DoName, screen.DoTimer:
			d.write(a)
		default:
			d.beside(a)
		}
	}
	return false
}

// write puts what the member says into the outbox, which is one commit: when it
// returns, the text is safe.
func (d *desk) write(a screen.Action) {
	var body content.Body
	switch a.Do {
	case screen.DoTyping:
		_ = d.member.Core().Typing(d.ctx, a.Chat, a.Number == 1)
		return
	case screen.DoSend:
		body = content.Text{Text: a.Text, ReplyTo: a.Message}
	case screen.DoEdit:
		body = content.Edit{Target: a.Message, Text: a.Text}
	case screen.DoDelete:
		body = content.Delete{Target: a.Message}
	case screen.DoReact:
		body = content.Reaction{Target: a.Message, Emoji: a.Text}
	case screen.DoName:
		body = content.Profile{Name: a.Text}
	case screen.DoTimer:
		body = content.Timer{Seconds: uint32(a.Number)}
	}
	if _, err := d.member.Say(d.ctx, a.Chat, messaging.MessageID{}, body); err != nil {
		d.model.Say(words(err))
		if a.Do == screen.DoSend {
			d.model.Draft(a.Chat, a.Text)
		}
	}
	d.refresh()
}

// beside runs an action on a goroutine of its own and shows how it ended.
func (d *desk) beside(a screen.Action) {
	d.model.Say("…")
	d.tasks.Go(func() {
		show, err := d.act(a)
		d.post(func() {
			d.model.Say("")
			switch {
			case err != nil:
				d.model.Say(words(err))
			case show != nil:
				show()
			}
			d.refresh()
		})
	})
}

// act returns what to do with the screen afterwards.
func (d *desk) act(a screen.Action) (show func(), err error) {
	core := d.member.Core()
	ctx, cancel := context.WithTimeout(d.ctx, actTime)
	defer cancel()
	switch a.Do {
	case screen.DoFile:
		return d.sendFile(a)
	case screen.DoSave:
		return d.saveFile(a)
	case screen.DoOpen:
		id, _, err := d.member.OpenChat(ctx, a.Text)
		return func() { d.start(d.model.OpenChat(id)) }, err
	case screen.DoInvite:
		return d.invite(ctx)
	case screen.DoSafety:
		return d.safety(ctx, a.Chat)
	case screen.DoVerified, screen.DoAccept:
		return d.trust(ctx, a)
	case screen.DoDevices:
		return d.devices(ctx)
	case screen.DoApprove:
		return d.approve(ctx, a.Text)
	case screen.DoConfirm:
		return d.confirm()
	case screen.DoRemove:
		return d.tell(fmt.Sprintf("Device %d is removed.", a.Number)), core.RemoveDevice(ctx, messaging.DeviceID(a.Number))
	case screen.DoBlock:
		action := wire.ChatUnblock
		if a.Number == 1 {
			action = wire.ChatBlock
		}
		return nil, core.SetChat(ctx, a.Chat, action)
	case screen.DoCode:
		return d.newCode(ctx)
	}
	return nil, nil
}

// actTime bounds what is no transfer.
const actTime = 30 * time.Second

func (d *desk) tell(text string) func() { return func() { d.model.Say(text) } }

func (d *desk) sendFile(a screen.Action) (func(), error) {
	sent, err := d.member.SendFile(d.ctx, a.Chat, messaging.MessageID{}, homePath(a.Path), a.Text)
	if err != nil {
		return nil, err
	}
	text := "Sent " + display.SafeName(sent.Name) + "."
	if !sent.Cleaned && strings.HasPrefix(sent.Type, "image/") || strings.HasPrefix(sent.Type, "video/") {
		text = "Sent " + display.SafeName(sent.Name) + " as it is: place and camera are taken out of JPEG and PNG only."
	}
	return d.tell(text), nil
}

func (d *desk) saveFile(a screen.Action) (func(), error) {
	folder := d.files
	if a.Path != "" {
		folder = homePath(a.Path)
	}
	path, err := d.member.SaveFile(d.ctx, a.Chat, a.Message, folder)
	return d.tell("Saved as " + path), err
}

// homePath reads a leading ~ as shells do.
func homePath(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

func (d *desk) invite(ctx context.Context) (func(), error) {
	link, err := d.member.Invite(ctx)
	if err != nil {
		return nil, err
	}
	code, err := qrtext.Lines(link)
	if err != nil {
		return nil, err
	}
	p := &screen.Page{Title: "Your invite", Code: code, Lines: []string{link, "",
		"Whoever has this link can write to you. What you write to each other, nobody else can read."}}
	return func() { d.model.Show(p) }, nil
}

func (d *desk) safety(ctx context.Context, chat messaging.ChatID) (func(), error) {
	n, c, err := d.member.SafetyNumber(ctx, chat)
	if err != nil {
		return nil, err
	}
	code, err := qrtext.Lines(n.QR())
	if err != nil {
		return nil, err
	}
	g := n.Groups()
	p := &screen.Page{Title: "Safety number with " + screen.Title(c), Code: code}
	for i := 0; i < len(g); i += 4 {
		p.Lines = append(p.Lines, strings.Join(g[i:i+4], "  "))
	}
	p.Lines = append(p.Lines, "", "Compare it with the one on the other person's screen, side by side or by voice. When they are the same, nobody stands between you.")
	p.Keys = []screen.PageKey{{Rune: 'v', Help: "they are the same", Do: screen.Action{Do: screen.DoVerified, Chat: chat, Number: 1}}}
	if c.Verified {
		p.Keys = []screen.PageKey{{Rune: 'u', Help: "take the check mark back", Do: screen.Action{Do: screen.DoVerified, Chat: chat}}}
	}
	return func() { d.model.Show(p) }, nil
}

func (d *desk) trust(ctx context.Context, a screen.Action) (func(), error) {
	c, err := d.member.Chat(ctx, a.Chat)
	if err != nil {
		return nil, err
	}
	if a.Do == screen.DoAccept {
		return d.tell("New keys accepted."), d.member.Core().AcceptKeys(ctx, c.Peer)
	}
	return nil, d.member.Core().SetVerified(ctx, c.Peer, a.Number == 1)
}

func (d *desk) devices(ctx context.Context) (func(), error) {
	own, all, err := d.member.Devices(ctx)
	if err != nil {
		return nil, err
	}
	p := &screen.Page{Title: "Your devices"}
	for _, x := range all {
		line := fmt.Sprintf("%3d   since %s", x.ID, x.Since.Local().Format("2 January 2006, 15:04"))
		if x.ID == own {
			line += "   this one"
		}
		p.Lines = append(p.Lines, line)
	}
	p.Lines = append(p.Lines, "", "Each of them reads what you read. /approve CODE lets one in, /remove NUMBER takes one out.")
	return func() { d.model.Show(p) }, nil
}

func (d *desk) approve(ctx context.Context, code string) (func(), error) {
	digits, err := d.member.Core().ApproveLink(ctx, code)
	if err != nil {
		return nil, err
	}
	p := &screen.Page{Title: "Let a device in", Lines: []string{
		"Are these the digits on the screen of your new device?", "", "      " + digits[:3] + " " + digits[3:], "",
		"It will read everything that you read, and get your history. If the digits differ, or the device is not in your hands, go back.",
	}, Keys: []screen.PageKey{{Rune: 'y', Help: "the same, let it in", Do: screen.Action{Do: screen.DoConfirm}}}}
	return func() { d.model.Show(p) }, nil
}

func (d *desk) confirm() (func(), error) {
	ctx, cancel := context.WithTimeout(d.ctx, settleTime)
	defer cancel()
	id, offered, err := d.member.ConfirmLink(ctx)
	if err != nil {
		return nil, err
	}
	d.post(func() { d.model.Say(fmt.Sprintf("Device %d is in. Handing over the history …", id)) })
	if err := offered(d.ctx); err != nil {
		return nil, fmt.Errorf("device %d is in, but its history is not: %w", id, err)
	}
	return d.tell(fmt.Sprintf("Device %d is in, and its history lies ready.", id)), nil
}

func (d *desk) newCode(ctx context.Context) (func(), error) {
	code, err := d.member.NewRecoveryCode(ctx)
	if err != nil {
		return nil, err
	}
	p := &screen.Page{Title: "Your new recovery code", Lines: []string{code, "",
		"Write it down and keep it safe. It is shown this once; the one before opens nothing any more."}}
	return func() { d.model.Show(p) }, nil
}

// closeCode finds the code with which a connection ended for good.
func closeCode(err error) (wire.CloseCode, bool) {
	var c client.Closed
	ok := errors.As(err, &c)
	return c.Code, ok
}

var overTexts = map[wire.CloseCode]string{
	wire.CloseReplaced:        "another program uses this device now",
	wire.CloseSessionEnded:    "signed out; leave and use: term login",
	wire.CloseUnauthenticated: "signed out; leave and use: term login",
	wire.CloseDeviceRemoved:   "this device was removed",
	wire.CloseSuspended:       "suspended",
	wire.CloseVersion:         "a newer version is needed",
}

// errorWords says what a member can do about an error.
var errorWords = []struct {
	err  error
	text string
}{
	{client.ErrOffline, "Not connected. Please try again in a moment."},
	{client.ErrTooLong, "Too long: 16384 bytes fit in a message."},
	{content.ErrTooLarge, "Too long: 16384 bytes fit in a message."},
	{client.ErrKeysNew, "This person's keys are new. Compare /safety numbers, then /accept."},
	{client.ErrMismatch, "The account behind this invite is not the one that it names. Nothing was opened."},
	{client.ErrNoLink, "No device waits to be let in."},
	{client.ErrLinkEnded, "The code has expired, or the new device did not answer."},
	{devicelog.ErrDevice, "You have no such device; see /devices."},
	{native.ErrAddress, "Expected an invite link."},
	{messaging.ErrInvalid, "That is not valid here."},
	{context.DeadlineExceeded, "The server did not answer in time."},
}

func words(err error) string {
	if code, ok := member.Refusal(err); ok {
		switch code {
		case wire.CodeNotFound:
			return "There is nothing behind this (any more)."
		case wire.CodeLimited:
			return "Too much in too short a time. Please wait a little."
		}
		return fmt.Sprintf("The server refused (%d).", code)
	}
	for _, w := range errorWords {
		if errors.Is(err, w.err) {
			return w.text
		}
	}
	return err.Error()
}

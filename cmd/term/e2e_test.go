package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"
)

// Shapes of answers.
type (
	gotChat    struct{ Chat string }
	gotMessage struct {
		Message, Chat, Text, From, Status string
		File                              *struct {
			Name, Type string
			Size       uint64
		}
	}
	gotMessages struct{ Messages []gotMessage }
	gotHash     struct{ Hash string }
	gotLink     struct{ Link string }
)

// TestTwoMembersAndAThirdDevice is what a newcomer sees, through the real
// binaries: two members exchange messages and a photo, and a device that is linked
// later has all of it.
func TestTwoMembersAndAThirdDevice(t *testing.T) {
	t.Parallel()
	w := needWorld(t)
	mira, tomas := w.device(t, "mira"), w.device(t, "tomas")
	for name, d := range map[string]*device{"mira": mira, "tomas": tomas} {
		d.login(name)
		var code struct {
			Code string `json:"recovery_code"`
		}
		d.do("found", nil, &code)
		if len(code.Code) != 39 {
			t.Errorf("%s: a recovery code of %d characters", name, len(code.Code))
		}
	}

	var link gotLink
	tomas.do("invite", nil, &link)
	var chat gotChat
	mira.do("open", fields{"link": link.Link}, &chat)

	var first gotMessage
	mira.do("send", fields{"chat": chat.Chat, "text": "Does the wheel still wobble?"}, &first)
	var got gotMessage
	tomas.do("recv", nil, &got)
	if got.Text != "Does the wheel still wobble?" || got.From != "peer" || got.Chat != chat.Chat {
		t.Fatalf("tomas received %+v", got)
	}
	mira.do("wait", fields{"for": "status", "chat": chat.Chat, "message": first.Message, "status": "read"}, nil)
	tomas.do("send", fields{"chat": chat.Chat, "text": "Not any more. Look:", "reply_to": got.Message}, nil)

	photo := photoWithPlace(t)
	path := filepath.Join(t.TempDir(), "wheel.jpg")
	if err := os.WriteFile(path, photo, 0o600); err != nil {
		t.Fatal(err)
	}
	var sent gotMessage
	tomas.do("file", fields{"chat": chat.Chat, "path": path, "caption": "true to a hair"}, &sent)
	mira.do("recv", nil, &got)
	mira.do("recv", nil, &got)
	if got.File == nil || got.File.Name != "wheel.jpg" || got.File.Type != "image/jpeg" || got.Text != "true to a hair" {
		t.Fatalf("mira received %+v", got)
	}
	photoMessage := got

	// A third device: Tomas's laptop.
	laptop := w.device(t, "laptop")
	laptop.login("tomas")
	linkTo(t, tomas, laptop)
	var want, have gotHash
	tomas.do("chat-hash", fields{"chat": chat.Chat}, &want)
	laptop.do("wait", fields{"for": "chat-hash", "chat": chat.Chat, "hash": want.Hash}, nil)
	var all gotMessages
	laptop.do("history", fields{"chat": chat.Chat}, &all)
	if len(all.Messages) != 3 || all.Messages[0].File == nil || all.Messages[2].Text != "Does the wheel still wobble?" || all.Messages[2].From != "peer" {
		t.Fatalf("the laptop has %+v", all.Messages)
	}
	save(t, laptop, all.Messages[0])
	if saved := save(t, mira, photoMessage); bytes.Contains(saved, []byte("Exif")) || bytes.Contains(saved, []byte("52.5200 N")) {
		t.Error("the photo still tells where it was taken")
	} else if _, err := jpeg.Decode(bytes.NewReader(saved)); err != nil {
		t.Errorf("the photo is no picture any more: %v", err)
	}

	// What is said now reaches all three, from each.
	laptop.do("send", fields{"chat": chat.Chat, "text": "from the laptop"}, nil)
	mira.do("recv", nil, &got)
	if got.Text != "from the laptop" {
		t.Fatalf("mira received %+v", got)
	}
	mira.do("send", fields{"chat": chat.Chat, "text": "to both of you"}, nil)
	laptop.do("recv", nil, &got)
	if got.Text != "to both of you" {
		t.Fatalf("the laptop received %+v", got)
	}
	mira.do("chat-hash", fields{"chat": chat.Chat}, &want)
	for _, d := range []*device{tomas, laptop} {
		d.do("wait", fields{"for": "chat-hash", "chat": chat.Chat, "hash": want.Hash}, nil)
		d.do("chat-hash", fields{"chat": chat.Chat}, &have)
		if have != want {
			t.Errorf("%s has another history", d.name)
		}
	}

	// Both sides read the same safety number, from either device.
	var number, theirs struct{ Number, QR string }
	mira.do("verify", fields{"chat": chat.Chat}, &number)
	laptop.do("verify", fields{"chat": chat.Chat}, &theirs)
	if number.Number != theirs.Number || len(number.Number) != 60 {
		t.Errorf("safety numbers %q and %q", number.Number, theirs.Number)
	}
	mira.do("verify", fields{"chat": chat.Chat, "scanned": theirs.QR, "verified": true}, nil)

	// The laptop is taken out, and is told so.
	tomas.do("revoke", fields{"device": 2}, nil)
	laptop.do("wait", fields{"for": "removed"}, nil)

	// Nothing is lost by a stop: Mira comes back as who she was.
	mira.quit()
	mira.start()
	mira.do("wait", fields{"for": "online"}, nil)
	tomas.do("send", fields{"chat": chat.Chat, "text": "welcome back"}, nil)
	mira.do("recv", nil, &got)
	if got.Text != "welcome back" {
		t.Fatalf("mira received %+v", got)
	}
	mira.quit()
	tomas.quit()
	laptop.quit()
}

// linkTo lets a new device in, as two people at two screens do.
func linkTo(t *testing.T, old, fresh *device) {
	t.Helper()
	fresh.tell("link", nil)
	code := fresh.event("link_code").Code
	var shown struct{ Digits string }
	old.do("approve", fields{"code": code}, &shown)
	if digits := fresh.event("link_digits").Digits; digits != shown.Digits || len(digits) != 6 {
		t.Fatalf("digits %q and %q", digits, shown.Digits)
	}
	old.do("confirm", fields{"digits": shown.Digits}, nil)
	fresh.answer("link", nil)
}

func save(t *testing.T, d *device, m gotMessage) []byte {
	t.Helper()
	var saved struct{ Path string }
	d.do("save", fields{"chat": m.Chat, "message": m.Message, "folder": t.TempDir()}, &saved)
	b, err := os.ReadFile(saved.Path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// photoWithPlace is a JPEG with an Exif block that names a place.
func photoWithPlace(t *testing.T) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 320, 200))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	m.Set(1, 1, color.White)
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, m, nil); err != nil {
		t.Fatal(err)
	}
	exif := append([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"), "52.5200 N 13.4050 E"...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2))
	return append(append(append([]byte{0xff, 0xd8}, segment...), exif...), plain.Bytes()[2:]...)
}

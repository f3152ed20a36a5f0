package client

import (
	"errors"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging/devicelog"
)

// linkByCode lets a new device in as two members' screens would.
func (w *world) linkByCode(old *node) *node {
	n := w.add(old.account)
	n.connect()
	w.run()
	var in, out error = errUnfinished, errUnfinished
	code, err := n.dev.requestLink(func(err error) { in = err })
	if err != nil {
		w.fatalf("request: %v", err)
	}
	n.flush()
	w.run()
	digits, err := old.dev.approveLink(code)
	if err != nil {
		w.fatalf("approve: %v", err)
	}
	old.flush()
	w.run()
	if n.dev.linking == nil || n.dev.linking.digits != digits || n.seen[EventLinkDigits] == 0 {
		w.fatalf("digits differ: %+v, %s; ended with %v", n.dev.linking, digits, in)
	}
	if n.dev.ready() {
		w.fatalf("in before the member confirmed")
	}
	if err := old.dev.confirmLink(func(err error) { out = err }); err != nil {
		w.fatalf("confirm: %v", err)
	}
	old.flush()
	w.run()
	if in != nil || out != nil || !n.dev.ready() {
		w.fatalf("link ended with %v and %v, ready %v", in, out, n.dev.ready())
	}
	return n
}

var errUnfinished = errors.New("not finished")

func TestLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, knobs{})
	alice, bob := w.founded(0), w.founded(1)
	chat := w.chatBetween(alice, bob)
	phone := w.linkByCode(alice)
	w.say(bob, chat)
	w.say(alice, chat)
	w.say(phone, chat)
	w.settle()
	for _, n := range []*node{alice, phone, bob} {
		if got := n.messages(chat); len(got) != 3 {
			w.fatalf("%s has %d messages", n.name, len(got))
		}
	}
	a, _ := alice.dev.chatHash(chat)
	p, _ := phone.dev.chatHash(chat)
	if a != p {
		w.fatalf("the devices of one account differ")
	}
}

// TestLinkLogGrows: another device leaves between offer and confirmation; the
// link goes on with the next attempt.
func TestLinkLogGrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, knobs{})
	alice := w.founded(0)
	tablet := w.linkByCode(alice)
	n := w.add(alice.account)
	n.connect()
	w.run()
	var in, out error = errUnfinished, errUnfinished
	code, err := n.dev.requestLink(func(err error) { in = err })
	if err != nil {
		t.Fatal(err)
	}
	n.flush()
	w.run()
	if _, err := alice.dev.approveLink(code); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	w.run()
	tablet.check(tablet.dev.change(&intent{action: devicelog.ActionRemove, device: tablet.dev.self.device}))
	w.run()
	if err := alice.dev.confirmLink(func(err error) { out = err }); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	w.run()
	if in != nil || out != nil || !n.dev.ready() || alice.dev.linking != nil {
		t.Fatalf("link ended with %v and %v", in, out)
	}
	if tablet.dev.self.stage != stageRemoved {
		t.Fatal("the tablet does not know that it was removed")
	}
}

// TestLinkRefusals: a used code, an expired one, one of another account.
func TestLinkRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, knobs{})
	alice, bob := w.founded(0), w.founded(1)
	n := w.add(alice.account)
	n.connect()
	w.run()
	code, err := n.dev.requestLink(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.dev.approveLink(code); err == nil {
		t.Error("another account takes the code")
	}
	w.clock = w.clock.Add(6 * time.Minute)
	if _, err := alice.dev.approveLink(code); err == nil {
		t.Error("an expired code is taken")
	}
	if alice.dev.linking != nil || len(alice.dev.out) > 0 {
		t.Error("a refused code has an effect")
	}
	if err := alice.dev.confirmLink(nil); !errors.Is(err, ErrNoLink) {
		t.Errorf("confirm without a link: %v", err)
	}
}

package client

import (
	"testing"
)

func TestTwoDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, knobs{})
	alice, bob := w.founded(0), w.founded(1)
	chat := w.chatBetween(alice, bob)
	w.say(alice, chat)
	w.run()
	w.settle()
	got := bob.messages(chat)
	if len(got) != 1 || textOf(got[0]) == "" || got[0].Status != StatusReceived {
		w.fatalf("bob has %v, events %v", got, bob.seen)
	}
	w.say(bob, chat)
	w.settle()
	if got := alice.messages(chat); len(got) != 2 || got[0].Status != StatusDelivered {
		w.fatalf("alice has %+v", got)
	}
	if len(w.server.faults) > 0 {
		w.fatalf("server: %v", w.server.faults)
	}
}

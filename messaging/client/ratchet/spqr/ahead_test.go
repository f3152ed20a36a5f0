package spqr

import (
	"math/rand/v2"
	"testing"
)

func TestAhead(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{42})
	for _, cfg := range []Config{{}, {AllowFallback: true}} {
		auth := [keySize]byte{1}
		alice, err := New(&auth, Initiator, Config{})
		if err != nil {
			t.Fatal(err)
		}
		bob, err := New(&auth, Responder, cfg)
		if err != nil {
			t.Fatal(err)
		}
		var headers [][]byte
		for range 10 {
			step, err := alice.Send(random)
			if err != nil {
				t.Fatal(err)
			}
			step.Commit()
			headers = append(headers, step.Header())
		}
		expect := func(header []byte, want int) {
			t.Helper()
			if got := bob.Ahead(header); got != want {
				t.Errorf("received %d for %x, expected %d", got, header, want)
			}
		}
		expect(headers[0], 1)
		expect(headers[9], 10)
		step, err := bob.Receive(headers[4])
		if err != nil {
			t.Fatal(err)
		}
		step.Commit()
		expect(headers[4], 0)
		expect(headers[3], 0)
		expect(headers[9], 5)
		for _, nothing := range [][]byte{nil, {0}, {2}, {1}, {1, 9, 1, 0}, {1, 1, 0xff, 0xff, 0xff, 0x0f, 0}} {
			expect(nothing, 0)
		}
	}
	off, err := New(nil, Initiator, Config{Disabled: true})
	if err != nil || off.Ahead([]byte{1, 1, 9, 0}) != 0 {
		t.Errorf("a state that is off would work: %v", err)
	}
}

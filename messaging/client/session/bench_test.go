package session_test

import (
	"bytes"
	"testing"

	"github.com/sottochat/sotto/messaging/client/session"
)

// text is the plaintext of a typical padded content.
var text = bytes.Repeat([]byte("x"), 1024)

func BenchmarkHandshake(b *testing.B) {
	alice, bob := pair(b, 1)
	verified := bob.bundle(b, offer{oneTime: true})
	rec := must(alice.Start(alice.rand, nil, bob.peer(), verified, epoch))(b)
	m, _, err := alice.Encrypt(alice.rand, rec, bob.peer(), text, epoch)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("initiator", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rec, err := alice.Start(alice.rand, nil, bob.peer(), verified, epoch)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err = alice.Encrypt(alice.rand, rec, bob.peer(), text, epoch); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("responder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := bob.Decrypt(bob.rand, nil, alice.peer(), m, bob.keys); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		unverified := bob.unverified(b, offer{oneTime: true})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := unverified.Verify(bob.Address.Device, bob.Identity.Public()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	alice, bob := settled(b, 2)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := alice.Encrypt(alice.rand, alice.rec, bob.peer(), text, epoch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	alice, bob := settled(b, 3)
	m := alice.send(b, bob, string(text))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bob.Decrypt(bob.rand, bob.rec, alice.peer(), m, bob.keys); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoundTrip is two encrypts and two decrypts, each of which turns the
// ratchet, with the steps of the post-quantum ratchet as they come.
func BenchmarkRoundTrip(b *testing.B) {
	alice, bob := talk(b, 4)
	said := string(text)
	b.ReportAllocs()
	for b.Loop() {
		bob.read(b, alice, alice.send(b, bob, said))
		alice.read(b, bob, bob.send(b, alice, said))
	}
}

// BenchmarkJump is the most that one forged message costs in one session.
func BenchmarkJump(b *testing.B) {
	alice, bob := talk(b, 5)
	var m session.Message
	for range 24_999 {
		m = alice.send(b, bob, "")
	}
	m.Body = bytes.Clone(m.Body)
	m.Body[len(m.Body)-1] ^= 1
	for b.Loop() {
		if _, err := bob.Decrypt(bob.rand, bob.rec, alice.peer(), m, bob.keys); err == nil {
			b.Fatal("a forged message was accepted")
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	alice, bob := talk(b, 6)
	for range 100 {
		bob.read(b, alice, alice.send(b, bob, "a"))
		alice.read(b, bob, bob.send(b, alice, "b"))
	}
	raw := encode(b, alice.rec)
	b.Run("append", func(b *testing.B) {
		buf := make([]byte, 0, 2*len(raw))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := alice.rec.AppendBinary(buf); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(raw)), "record-bytes")
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := session.ParseRecord(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

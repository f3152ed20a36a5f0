package ratchet

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/ratchet/spqr"
	"github.com/sottochat/sotto/messaging/key"
)

// counting counts what is drawn from a reader.
type counting struct {
	io.Reader
	draws []int
}

func (c *counting) Read(p []byte) (int, error) {
	c.draws = append(c.draws, len(p))
	return c.Reader.Read(p)
}

func (c *counting) expect(t *testing.T, what string, draws ...int) {
	t.Helper()
	if fmt.Sprint(c.draws) != fmt.Sprint(draws) {
		t.Fatalf("%s drew %v bytes, expected %v", what, c.draws, draws)
	}
	c.draws = nil
}

func TestDraws(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, spqr.Config{}, spqr.Config{})
	a, b := &counting{Reader: alice.rand}, &counting{Reader: bob.rand}
	alice.rand, bob.rand = a, b
	first, second := alice.send(t, "1"), alice.send(t, "2")
	a.expect(t, "the first message, which makes a KEM key,", 64)
	forged := bytes.Clone(first)
	forged[len(forged)-1] ^= 1
	bob.refuse(t, forged, ErrMAC)
	b.expect(t, "a forged message")
	bob.expect(t, first, "1")
	b.expect(t, "a message with a new ratchet key", 32)
	bob.expect(t, second, "2")
	b.expect(t, "a message with a known ratchet key")
	bob.send(t, "3")
	b.expect(t, "an ordinary message")
}

// Steps foretells the work of a message without doing it.
func TestSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg                     spqr.Config
		first, tenth, afterward int
	}{{off, 1, 10, 5}, {spqr.Config{}, 2, 20, 10}} {
		alice, bob := pair(t, c.cfg, c.cfg)
		m := skip(t, alice, 10, 0, 4, 9)
		expect := func(body []byte, want int) {
			t.Helper()
			parsed := must(Parse(body))(t)
			if got := bob.Steps(&parsed); got != want {
				t.Errorf("received %d steps, expected %d", got, want)
			}
		}
		expect(m[0], c.first)
		expect(m[9], c.tenth)
		bob.expect(t, m[4], "x")
		expect(m[9], c.afterward)
		expect(m[0], 0)
		far := must(Parse(m[9]))(t)
		far.Counter, far.PQ = math.MaxUint32, nil
		if got := bob.Steps(&far); got != 0 {
			t.Errorf("received %d steps for a message that is refused at once", got)
		}
	}
}

type broken struct{}

var errBroken = errors.New("no random bytes")

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestWithoutRandomBytes(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, spqr.Config{}, spqr.Config{})
	if _, _, err := alice.Encrypt(broken{}, nil, nil); !errors.Is(err, errBroken) {
		t.Fatalf("encrypt: received %v", err)
	}
	m := must(Parse(alice.send(t, "x")))(t)
	before := must(bob.AppendBinary(nil))(t)
	if _, _, err := bob.Decrypt(broken{}, &m); !errors.Is(err, errBroken) || errors.Is(err, messaging.ErrInvalid) {
		t.Fatalf("decrypt: received %v", err)
	}
	if !bytes.Equal(before, must(bob.AppendBinary(nil))(t)) {
		t.Fatal("the state changed")
	}
}

// A State stays what it was, whatever is done with it: encrypting twice from the
// same gives the same message.
func TestStatesDoNotChange(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, spqr.Config{}, spqr.Config{})
	var history []*State
	var stored [][]byte
	for i := range 200 {
		if i%3 == 0 {
			alice.send(t, "lost")
		}
		bob.expect(t, alice.send(t, "x"), "x")
		alice.expect(t, bob.send(t, "y"), "y")
		history = append(history, alice.State, bob.State)
		stored = append(stored, must(alice.AppendBinary(nil))(t), must(bob.AppendBinary(nil))(t))
	}
	for i, s := range history {
		if !bytes.Equal(stored[i], must(s.AppendBinary(nil))(t)) {
			t.Fatalf("state %d is no longer what it was", i)
		}
		one, _, err := s.Encrypt(seeded(7), []byte("x"), nil)
		two, _, err2 := s.Encrypt(seeded(7), []byte("x"), nil)
		three, _, err3 := must(Unmarshal(stored[i]))(t).Encrypt(seeded(7), []byte("x"), nil)
		if err != nil || err2 != nil || err3 != nil || !bytes.Equal(one, two) || !bytes.Equal(one, three) {
			t.Fatalf("state %d encrypts the same differently", i)
		}
	}
}

// Each way to pad wrongly, under a right MAC, is one and the same error.
func TestPadding(t *testing.T) {
	t.Parallel()
	k := keysOf(&[keySize]byte{1}, &[keySize]byte{2})
	seal := func(blocks []byte) []byte {
		// One block in front turns the ciphertext into that of our own choice.
		whole := k.encrypt(blocks)
		return whole[:len(blocks)]
	}
	pad := func(n int, v byte) []byte {
		return append(make([]byte, 32-n), bytes.Repeat([]byte{v}, n)...)
	}
	broken := pad(5, 5)
	broken[28] = 4
	for name, c := range map[string][]byte{
		"nothing":       {},
		"half a block":  make([]byte, 8),
		"block and one": make([]byte, 17),
		"zero":          seal(pad(1, 0)),
		"17":            seal(pad(17, 17)),
		"255":           seal(pad(1, 255)),
		"uneven":        seal(broken),
		"first differs": seal(append(make([]byte, 16), append([]byte{0}, bytes.Repeat([]byte{16}, 15)...)...)),
	} {
		if got, err := k.decrypt(c); got != nil || !errors.Is(err, ErrMAC) {
			t.Errorf("%s: received %x, %v", name, got, err)
		}
	}
	for n := range 49 {
		text := bytes.Repeat([]byte{byte(n)}, n)
		c := k.encrypt(text)
		if len(c) != n/16*16+16 {
			t.Errorf("%d bytes became %d", n, len(c))
		}
		if got, err := k.decrypt(c); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: received %x, %v", n, got, err)
		}
	}
}

func TestMessageKeys(t *testing.T) {
	t.Parallel()
	seed, salt := [keySize]byte{1, 2, 3}, [keySize]byte{4, 5, 6}
	for _, s := range [][]byte{salt[:], nil} {
		var fixed [keySize]byte
		copy(fixed[:], s)
		k := keysOf(&seed, &fixed)
		want := must(hkdf.Key(sha256.New, seed[:], s, labelMessages, 80))(t)
		if got := append(append(k.cipher[:], k.mac[:]...), k.iv[:]...); !bytes.Equal(got, want) {
			t.Fatalf("received %x, expected %x", got, want)
		}
	}
}

// Fallback to a peer without the post-quantum ratchet, before and after the
// first message.
func TestFallback(t *testing.T) {
	t.Parallel()
	open := spqr.Config{AllowFallback: true}

	t.Run("demanded", func(t *testing.T) {
		alice, bob := pair(t, off, spqr.Config{})
		body := alice.send(t, "x")
		bob.refuse(t, body, ErrPostQuantum)
		bob.refuse(t, body, spqr.ErrMinimumVersion)
	})
	t.Run("accepted", func(t *testing.T) {
		alice, bob := pair(t, off, open)
		bob.expect(t, alice.send(t, "x"), "x")
		body := bob.send(t, "y")
		if m := must(Parse(body))(t); m.PQ != nil {
			t.Fatalf("sent the header %x to a peer that has none", m.PQ)
		}
		alice.expect(t, body, "y")
	})
	t.Run("settled", func(t *testing.T) {
		alice, bob := pair(t, open, open)
		bob.expect(t, alice.send(t, "x"), "x")
		stripped := must(Parse(alice.send(t, "y")))(t)
		stripped.PQ = nil
		if _, _, err := bob.Decrypt(bob.rand, &stripped); !errors.Is(err, spqr.ErrVersion) {
			t.Fatalf("received %v when the header was cut out", err)
		}
	})
}

// A ratchet key of small order leads to a secret that everyone knows.
func TestSmallOrderRatchetKey(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, off, off)
	m := must(Parse(alice.send(t, "x")))(t)
	m.RatchetKey = must(key.ParsePublic[key.RoleRatchet](append([]byte{5}, make([]byte, 32)...)))(t)
	if _, _, err := bob.Decrypt(bob.rand, &m); !errors.Is(err, key.ErrPoint) || !errors.Is(err, messaging.ErrInvalid) {
		t.Fatalf("received %v", err)
	}
}

// samples are stored states of every shape.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	alice, bob := pair(t, spqr.Config{}, spqr.Config{})
	out := map[string][]byte{
		"initiator": must(alice.AppendBinary(nil))(t),
		"responder": must(bob.AppendBinary(nil))(t),
	}
	late := alice.send(t, "late")
	for range 3 {
		bob.expect(t, alice.send(t, "x"), "x")
		alice.expect(t, bob.send(t, "y"), "y")
	}
	out["skipped"] = must(bob.AppendBinary(nil))(t)
	bob.expect(t, late, "late")
	out["chains"] = must(bob.AppendBinary(nil))(t)
	plain, _ := pair(t, off, off)
	out["off"] = must(plain.AppendBinary(nil))(t)
	self, _ := pair(t, spqr.Config{SelfSession: true, AllowFallback: true}, off)
	out["self"] = must(self.AppendBinary(nil))(t)
	return out
}

func TestStoredStates(t *testing.T) {
	t.Parallel()
	for name, b := range samples(t) {
		if again := must(must(Unmarshal(b))(t).AppendBinary([]byte("prefix")))(t); string(again) != "prefix"+string(b) {
			t.Errorf("%s: stored again it differs", name)
		}
		for n := range b {
			if _, err := Unmarshal(b[:n]); !errors.Is(err, ErrState) {
				t.Fatalf("%s: %d of %d bytes: received %v", name, n, len(b), err)
			}
		}
		if _, err := Unmarshal(append(bytes.Clone(b), 0)); !errors.Is(err, ErrState) {
			t.Errorf("%s: with a byte more: received %v", name, err)
		}
		for i := range b {
			flipped := bytes.Clone(b)
			flipped[i] ^= 0x80
			canonical(t, flipped)
		}
	}
	if _, err := Unmarshal(make([]byte, MaxState+1)); !errors.Is(err, ErrState) {
		t.Errorf("over the ceiling: received %v", err)
	}
}

// canonical checks that b is refused or is exactly what would be stored.
func canonical(t testing.TB, b []byte) {
	t.Helper()
	s, err := Unmarshal(b)
	if err != nil {
		if !errors.Is(err, ErrState) {
			t.Fatalf("received %v", err)
		}
		return
	}
	if again := must(s.AppendBinary(nil))(t); !bytes.Equal(again, b) {
		t.Fatalf("accepted\n%x\nand stores\n%x", b, again)
	}
}

func TestStoredStatesRefuse(t *testing.T) {
	t.Parallel()
	good := samples(t)["skipped"]
	const chains = 2 + 2*key.PublicSize + 3*keySize + 8
	const first = chains + 1
	const skippedCount = first + key.PublicSize + keySize + 4
	twice := samples(t)["chains"] // no skipped seeds: each chain has one size
	const chainSize = key.PublicSize + keySize + 4 + 2
	copy(twice[first:first+key.PublicSize], twice[first+chainSize:])
	if _, err := Unmarshal(twice); !errors.Is(err, ErrState) {
		t.Errorf("one ratchet key twice: received %v", err)
	}
	for name, change := range map[string]func(b []byte){
		"version":               func(b []byte) { b[0] = 2 },
		"flag":                  func(b []byte) { b[1] = 2 },
		"identity type":         func(b []byte) { b[2] = 6 },
		"unclamped private key": func(b []byte) { b[2+2*key.PublicSize+keySize] |= 1 },
		"six chains":            func(b []byte) { b[chains] = MaxChains + 1 },
		"2001 skipped":          func(b []byte) { b[skippedCount], b[skippedCount+1] = 0x07, 0xd1 },
		"skipped at the index":  func(b []byte) { b[skippedCount+5] = 99 },
		"chain key type":        func(b []byte) { b[first] = 0 },
	} {
		b := bytes.Clone(good)
		change(b)
		if _, err := Unmarshal(b); !errors.Is(err, ErrState) {
			t.Errorf("%s: received %v", name, err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { canonical(t, b) })
}

func TestNothingIsPrinted(t *testing.T) {
	t.Parallel()
	alice, _ := pair(t, spqr.Config{}, spqr.Config{})
	secrets := Secrets{Root: [keySize]byte{1: 0xab}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, v := range []any{alice.State, *alice.State, secrets, &secrets, struct{ S *State }{alice.State}} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, "ab") || strings.Contains(got, "171") || len(got) > 64 {
				t.Errorf("%s prints %q", verb, got)
			}
		}
	}
}

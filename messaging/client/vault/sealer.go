package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/argon2"

	"github.com/sottochat/sotto/messaging"
)

// A Sealer wraps the 32-byte master key of a vault: under a passphrase, under
// a raw key, or in what the platform offers (a keychain, a WebCrypto key that
// cannot be exported). It is asked once when a vault is opened, outside any
// transaction, and may wait for the person or the platform.
type Sealer interface {
	// Wrap returns at most MaxWrapped bytes, the first naming the method.
	Wrap(ctx context.Context, master *[32]byte) ([]byte, error)
	// Unwrap refuses what it did not wrap with messaging.Invalid(ErrKey).
	Unwrap(ctx context.Context, wrapped []byte) (*[32]byte, error)
}

// MaxWrapped is the longest wrapped key in bytes: an RSA-4096 key of a keychain
// takes half of it.
const MaxWrapped = 1024

// First byte of a wrapped key. Numbers from 16 on are for Sealers outside this
// package.
const (
	methodPassphrase = 1
	methodRaw        = 2
)

// Labels of what is derived or bound here; each names product and version.
const (
	labelPassphrase = "Sotto vault v1 passphrase"
	labelRaw        = "Sotto vault v1 raw key"
)

const (
	saltSize = 32
	tagSize  = 16
	wrapSize = 32 + tagSize // the master key and its tag
)

// Cost is the price of trying one passphrase, stored beside the wrapped key.
type Cost struct {
	Time    uint32 // passes over the memory
	Memory  uint32 // KiB
	Threads uint8  // lanes
}

// DefaultCost is the cost for new vaults, the second choice of RFC 9106 section
// 4: 64 MiB, three passes, four lanes. It takes some tenths of a second on a
// phone.
func DefaultCost() Cost { return Cost{Time: 3, Memory: 64 << 10, Threads: 4} }

// Bounds of a cost that this program takes, made here or read from a file. An
// altered header can cost no more than the upper ones before it is refused;
// the lower one keeps a caller from a key that is cheap to guess.
const (
	maxTime    = 16
	minMemory  = 8 << 10   // KiB
	maxMemory  = 256 << 10 // KiB: what a small phone can spare
	maxThreads = 16
)

func (c Cost) check() error {
	if c.Time < 1 || c.Time > maxTime || c.Memory < minMemory || c.Memory > maxMemory ||
		c.Threads < 1 || c.Threads > maxThreads {
		return ErrCost
	}
	return nil
}

// passphrase holds its secret in a function, as hidden does.
type passphrase struct {
	secret func() []byte
	cost   Cost
}

// Passphrase returns a Sealer for a passphrase, which is copied. Different
// spellings of the same letters are different passphrases: normalise before.
func Passphrase(secret []byte, cost Cost) Sealer {
	s := clone(secret)
	return passphrase{func() []byte { return s }, cost}
}

// passphraseSize is method, time, memory, threads, salt and wrapped key.
const passphraseSize = 1 + 4 + 4 + 1 + saltSize + wrapSize

func (p passphrase) Wrap(_ context.Context, master *[32]byte) ([]byte, error) {
	if err := p.cost.check(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, passphraseSize)
	b = append(b, methodPassphrase)
	b = binary.BigEndian.AppendUint32(b, p.cost.Time)
	b = binary.BigEndian.AppendUint32(b, p.cost.Memory)
	b = append(b, p.cost.Threads)
	b = append(b, randomSalt()...)
	return wrap(p.derive(b, p.cost), b, labelPassphrase, master), nil
}

func (p passphrase) Unwrap(_ context.Context, wrapped []byte) (*[32]byte, error) {
	if len(wrapped) != passphraseSize || wrapped[0] != methodPassphrase {
		return nil, messaging.Invalid(ErrKey)
	}
	cost := Cost{
		Time:    binary.BigEndian.Uint32(wrapped[1:]),
		Memory:  binary.BigEndian.Uint32(wrapped[5:]),
		Threads: wrapped[9],
	}
	if err := cost.check(); err != nil {
		return nil, messaging.Invalid(err)
	}
	head := wrapped[:passphraseSize-wrapSize]
	return unwrap(p.derive(head, cost), wrapped, len(head), labelPassphrase)
}

// derive runs argon2id over the passphrase and the salt at the end of head.
func (p passphrase) derive(head []byte, c Cost) []byte {
	return argon2.IDKey(p.secret(), head[len(head)-saltSize:], c.Time, c.Memory, c.Threads, 32)
}

// A hidden key prints as the address of a function, whatever the verb. Methods
// would not do: fmt does not call them on unexported fields, and with a verb
// that does not fit a pointer it prints what is pointed to.
type hidden func() *[32]byte

func hide(key *[32]byte) hidden { return func() *[32]byte { return key } }

type rawKey struct{ secret hidden }

// RawKey returns a Sealer for a random 32-byte key that the platform keeps.
func RawKey(key [32]byte) Sealer { return rawKey{hide(&key)} }

// rawSize is method, salt and wrapped key.
const rawSize = 1 + saltSize + wrapSize

func (k rawKey) Wrap(_ context.Context, master *[32]byte) ([]byte, error) {
	head := append([]byte{methodRaw}, randomSalt()...)
	return wrap(k.derive(head), head, labelRaw, master), nil
}

func (k rawKey) Unwrap(_ context.Context, wrapped []byte) (*[32]byte, error) {
	if len(wrapped) != rawSize || wrapped[0] != methodRaw {
		return nil, messaging.Invalid(ErrKey)
	}
	head := wrapped[:1+saltSize]
	return unwrap(k.derive(head), wrapped, len(head), labelRaw)
}

func (k rawKey) derive(head []byte) []byte {
	return expand(k.secret()[:], head[1:], labelRaw)
}

// wrap seals the master key and appends it to head, which it binds. The nonce
// is zero: the key comes from a salt of 32 random bytes drawn for this one
// sealing, so it is used once unless two of 2^256 salts meet.
func wrap(key, head []byte, label string, master *[32]byte) []byte {
	defer clear(key)
	return newGCM(key).Seal(head, make([]byte, 12), master[:], append([]byte(label), head...))
}

func unwrap(key, wrapped []byte, head int, label string) (*[32]byte, error) {
	defer clear(key)
	ad := append([]byte(label), wrapped[:head]...)
	plain, err := newGCM(key).Open(nil, make([]byte, 12), wrapped[head:], ad)
	if err != nil {
		return nil, messaging.Invalid(ErrKey)
	}
	defer clear(plain)
	return (*[32]byte)(clone(plain)), nil
}

func randomSalt() []byte {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	return salt
}

// expand is HKDF-SHA-256 (RFC 5869) to 32 bytes.
func expand(secret, salt []byte, label string) []byte {
	key, err := hkdf.Key(sha256.New, secret, salt, label, 32)
	if err != nil {
		panic("vault: HKDF-SHA-256 refused 32 bytes: " + err.Error())
	}
	return key
}

// newGCM is AES-256-GCM for a 32-byte key.
func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("vault: AES refused a 32-byte key: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("vault: GCM refused AES: " + err.Error())
	}
	return aead
}

//go:build !js

package interop_test

import (
	"bytes"
	"errors"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/safety"
	"github.com/sottochat/sotto/messaging/key"
)

// keyPlays need no session and are played once with each build.
var keyPlays = []struct {
	name string
	run  func(*play)
}{
	{"signatures", (*play).signatures},
	{"damaged bundles", (*play).damagedBundles},
	{"kinds of KEM", (*play).kems},
	{"safety numbers", (*play).safetyNumbers},
}

// manySignatures makes both values of the sign bit and of every top bit of s
// sure to come.
const manySignatures = 64

// signatures: each end's XEdDSA signatures hold at the other, and not over
// another text, under another key or with a bit changed.
func (p *play) signatures() {
	for range manySignatures {
		us, them := p.meet()
		ours := us.bundle(offer{})
		p.expectVerdict(ours.IdentityKey, ours.SignedPreKeyPublic, ours.SignedPreKeySignature, true)
		p.expectVerdict(ours.IdentityKey, ours.KyberPreKeyPublic, ours.KyberPreKeySignature, true)
		p.expectVerdict(ours.IdentityKey, ours.KyberPreKeyPublic, ours.SignedPreKeySignature, false)
		p.expectVerdict(them.identity, ours.SignedPreKeyPublic, ours.SignedPreKeySignature, false)
		p.expectVerdict(ours.IdentityKey, ours.SignedPreKeyPublic, p.flip(ours.SignedPreKeySignature), false)

		theirs := them.bundle(offer{})
		if _, err := us.verify(theirs, signalKEMs); err != nil {
			p.Fatalf("we refuse the peer's signatures: %v", reason(err))
		}
		theirs.SignedPreKeySignature = p.flip(theirs.SignedPreKeySignature)
		if _, err := us.verify(theirs, signalKEMs); !errors.Is(err, key.ErrSignature) {
			p.Fatalf("a damaged signature of the peer: %v, expected ErrSignature", err)
		}
	}
}

func (p *play) expectVerdict(public, message, signature []byte, want bool) {
	p.Helper()
	var got struct{ Valid bool }
	p.them.do("verify", map[string][]byte{"public": public, "message": message, "signature": signature}, &got)
	if got.Valid != want {
		p.Fatalf("the peer finds signature %x over %x under %x valid: %v, expected %v", signature, message, public, got.Valid, want)
	}
}

// flip returns b with one bit changed.
func (p *play) flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[p.rng.IntN(len(b))] ^= 1 << p.rng.IntN(8)
	return b
}

// damagedBundles: no end starts a session with a bundle of which a signed part,
// a signature or the identity key was changed.
func (p *play) damagedBundles() {
	parts := func(b *bundle) []*[]byte {
		return []*[]byte{
			&b.SignedPreKeyPublic, &b.SignedPreKeySignature, &b.KyberPreKeyPublic, &b.KyberPreKeySignature, &b.IdentityKey,
		}
	}
	for _, e := range []end{p.us, p.them} {
		for i := range parts(new(bundle)) {
			for range 10 {
				b := p.other(e).bundle(offer{oneTime: true})
				at := parts(&b)[i]
				before := *at
				*at = p.flip(before)
				if at == &b.IdentityKey && e == end(p.them) && (*at)[32]^before[32] == 0x80 {
					continue // at first sight the peer takes both forms of a key (docs/protocol.md section 8.2)
				}
				if err := e.start(b); err == nil {
					p.Fatalf("%s starts a session with a bundle of which part %d was changed", e, i)
				}
				p.suite.tally.refused.Add(1)
			}
		}
		p.expectNoSession(e)
		p.start(e, offer{oneTime: true})
		p.tell(e, "with a good one")
		p.them.forget()
		p.us.forget()
	}
}

// kems: the peer parses our Kyber-1024 keys and no key of our product's
// ML-KEM-1024; the product parses nothing of the peer's.
func (p *play) kems() {
	ours := p.us.bundle(offer{})
	var got struct{ Public []byte }
	p.them.do("kemCheckPublic", map[string][]byte{"public": ours.KyberPreKeyPublic}, &got)
	if !bytes.Equal(got.Public, ours.KyberPreKeyPublic) {
		p.Errorf("the peer reads our KEM key %x as %x", ours.KyberPreKeyPublic, got.Public)
	}
	private, err := key.KEMs{}.Generate(p.us.rand)
	if err != nil {
		p.Fatal(err)
	}
	public, err := private.Public()
	if err != nil {
		p.Fatal(err)
	}
	if err := p.them.try("kemCheckPublic", map[string][]byte{"public": public.Bytes()}, nil); err == nil {
		p.Errorf("the peer takes a key of type %#x: the product can be tested without Kyber-1024", public.Bytes()[0])
	}
	if _, err := p.us.verify(p.them.bundle(offer{}), key.KEMs{}); !errors.Is(err, key.ErrType) {
		p.Errorf("the product, given the peer's bundle: %v, expected ErrType", err)
	}
}

// safetyNumbers: both ends show the same digits, each scans the other's code,
// and neither takes the code of somebody else.
func (p *play) safetyNumbers() {
	for range 5 {
		us, them := p.meet()
		number := safety.New(safety.Party{Account: us.Address.Account, Identity: us.Identity.Public()},
			safety.Party{Account: them.at.Account, Identity: us.peer.Identity})
		stranger := safety.New(safety.Party{Account: p.us.Address.Account, Identity: p.us.Identity.Public()},
			safety.Party{Account: them.at.Account, Identity: us.peer.Identity})

		question := fingerprint{
			LocalID: them.at.Account[:], LocalKey: them.identity,
			RemoteID: us.Address.Account[:], RemoteKey: us.Identity.Public().Bytes(), IDsBase64: true,
		}
		var shown struct {
			Display   string
			Scannable []byte
		}
		them.do("safetyNumber", question, &shown)
		if shown.Display != number.String() {
			p.Errorf("the peer shows %s, we show %s", shown.Display, number)
		}
		if err := number.Compare(shown.Scannable); err != nil {
			p.Errorf("we scan the peer's code: %v", reason(err))
		}
		if err := stranger.Compare(shown.Scannable); !errors.Is(err, safety.ErrMismatch) {
			p.Errorf("we scan the code of another chat: %v, expected ErrMismatch", err)
		}
		p.expectScan(them, question, number.Scannable(), true)
		p.expectScan(them, question, stranger.Scannable(), false)
		if err := number.Compare(number.Scannable()); !errors.Is(err, messaging.ErrInvalid) {
			p.Errorf("we scan our own code: %v, expected a refusal", err)
		}
		p.expectScan(them, question, shown.Scannable, false)
	}
}

// fingerprint holds the parameters of safetyNumber and compareScannable.
type fingerprint struct {
	LocalID   []byte `json:"localId"`
	LocalKey  []byte `json:"localKey"`
	RemoteID  []byte `json:"remoteId"`
	RemoteKey []byte `json:"remoteKey"`
	IDsBase64 bool   `json:"idsBase64"`
	Theirs    []byte `json:"theirs,omitempty"`
}

func (p *play) expectScan(them *theirs, question fingerprint, code []byte, want bool) {
	p.Helper()
	var got struct{ Same bool }
	question.Theirs = code
	them.do("compareScannable", question, &got)
	if got.Same != want {
		p.Errorf("the peer scans %x: %v, expected %v", code, got.Same, want)
	}
}

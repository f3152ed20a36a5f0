package key

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"

	"github.com/sottochat/sotto/messaging"
)

// Every verdict of Signal's library on 91 signatures, among them malleable
// ones, non-canonical keys and keys of small order.
func TestXEdDSAVerdicts(t *testing.T) {
	t.Parallel()
	var file struct {
		Vectors []struct {
			N                          int
			Note                       string
			Public, Message, Signature octets
			Valid                      bool
			Private, Random            octets
		}
	}
	readVectors(t, "xeddsa.json", &file)
	signed, valid, refused := 0, 0, 0
	for _, v := range file.Vectors {
		public, err := ParsePublic[identity](v.Public)
		if err != nil {
			t.Fatalf("vector %d (%s): %v", v.N, v.Note, err)
		}
		sig, err := ParseSignature(v.Signature)
		if err == nil {
			err = verify(public, v.Message, sig)
		}
		if (err == nil) != v.Valid {
			t.Errorf("vector %d (%s): valid is %t, got %v", v.N, v.Note, v.Valid, err)
		}
		if v.Valid {
			valid++
		} else {
			refused++
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Errorf("vector %d (%s): error %v is not of the outside's class", v.N, v.Note, err)
			}
		}
		if len(v.Private) == 0 {
			continue
		}
		signed++
		private, err := NewPrivate[identity](v.Private)
		if err != nil {
			t.Fatal(err)
		}
		if private.Public() != public {
			t.Errorf("vector %d: public key differs", v.N)
		}
		got, err := sign(private, v.Message, newReader(v.Random))
		if err != nil || !bytes.Equal(got[:], v.Signature) {
			t.Errorf("vector %d (%s): signature differs (%v)", v.N, v.Note, err)
		}
	}
	if signed == 0 || valid == 0 || refused == 0 || len(file.Vectors) < 90 {
		t.Fatalf("%d vectors, %d signed, %d valid, %d refused: the file is not the expected one", len(file.Vectors), signed, valid, refused)
	}
}

func TestSignNeedsItsRandomness(t *testing.T) {
	t.Parallel()
	private := generate[identity](t)
	if _, err := sign(private, nil, newReader(make([]byte, 63))); err == nil {
		t.Error("signed with 63 random bytes")
	}
}

// A second form of the same point, or one with a component of small order, must
// not pass for a base, identity or log key of its own.
func TestPointsAreUnique(t *testing.T) {
	t.Parallel()
	honest := generate[identity](t).Public()
	tests := []struct {
		name string
		u    [curveSize]byte
		good bool
	}{
		{"honest", honest.u, true},
		{"base point", [curveSize]byte{9}, true},
		{"bit 255 set", withTopBit(honest.u), false},
		{"component of order 8", montgomery(plusTorsion(honest.u, 1)), false},
		{"component of order 4", montgomery(plusTorsion(honest.u, 2)), false},
		{"component of order 2", montgomery(plusTorsion(honest.u, 4)), false},
		{"u = 0, order 2", [curveSize]byte{}, false},
		{"u = 1, order 4", [curveSize]byte{1}, false},
		{"u = -1, order 4 on the twist", fieldBytes(-1), false},
		{"u = 2, on the twist", [curveSize]byte{2}, false},
		{"u = p", fieldPlus(0), false},
		{"u = p + 9, second form of the base point", fieldPlus(9), false},
		{"u = 2^255 - 1", allOnes(), false},
	}
	for _, order8 := range pointsOfOrder8() {
		tests = append(tests, struct {
			name string
			u    [curveSize]byte
			good bool
		}{"order 8", order8, false})
	}
	for _, tt := range tests {
		for i, err := range []error{CheckBase(BasePublic{tt.u}), CheckIdentity(IdentityPublic{tt.u})} {
			if (err == nil) != tt.good {
				t.Errorf("%s, check %d: got %v", tt.name, i, err)
			}
			if err != nil && (!errors.Is(err, ErrPoint) || !errors.Is(err, messaging.ErrInvalid)) {
				t.Errorf("%s: unexpected error %v", tt.name, err)
			}
		}
	}
}

// The torsion vectors above must be what they claim: they agree with the honest
// key under X25519, whose clamping removes the component.
func TestTorsionIsInvisibleToAgree(t *testing.T) {
	t.Parallel()
	honest, mine := generate[identity](t).Public(), generate[base](t)
	want, err := Agree(mine, honest)
	if err != nil {
		t.Fatal(err)
	}
	for k := 1; k < 8; k++ {
		got, err := Agree(mine, IdentityPublic{montgomery(plusTorsion(honest.u, k))})
		if err != nil || got != want {
			t.Errorf("component %d: agreement differs (%v)", k, err)
		}
	}
}

func TestCheckLog(t *testing.T) {
	t.Parallel()
	log, err := GenerateLog(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	honest := log.Public()
	point, err := new(edwards25519.Point).SetBytes(honest[:])
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		p    LogPublic
		good bool
	}{
		{"honest", honest, true},
		{"not a point", LogPublic{2}, false},
		{"identity", LogPublic{1}, false},
		{"order 2", LogPublic(montgomeryToEdwards([32]byte{}).Bytes()), false},
		{"order 8", LogPublic(torsion(1).Bytes()), false},
		{"component of order 8", LogPublic(point.Add(point, torsion(1)).Bytes()), false},
		// y = p + 1 is the identity's second form.
		{"not canonical", LogPublic(fieldPlus(1)), false},
	}
	// All the points that have a second form, in both forms and with both signs.
	for y := range byte(19) {
		for _, form := range [][32]byte{{y}, fieldPlus(y)} {
			for _, p := range []LogPublic{form, withTopBit(form)} {
				tests = append(tests, struct {
					name string
					p    LogPublic
					good bool
				}{fmt.Sprintf("y = %d", y), p, false})
			}
		}
	}
	for _, tt := range tests {
		if err := CheckLog(tt.p); (err == nil) != tt.good || err != nil && !errors.Is(err, ErrPoint) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func generate[R role](t testing.TB) *Private[R] {
	t.Helper()
	p, err := Generate[R](rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// torsion returns k times a point of order 8, found by clearing the large-order
// part of a point: multiplying it by the group order.
func torsion(k int) *edwards25519.Point {
	// order - 1, so that order * P = (order - 1) * P + P.
	minusOne := edwards25519.NewScalar().Negate(scalar(1))
	for seed := byte(2); ; seed++ {
		p, err := new(edwards25519.Point).SetBytes(append([]byte{seed}, make([]byte, 31)...))
		if err != nil {
			continue
		}
		t := new(edwards25519.Point).ScalarMult(minusOne, p)
		t.Add(t, p)
		four := new(edwards25519.Point).Add(t, t)
		four.Add(four, four)
		if four.Equal(edwards25519.NewIdentityPoint()) == 1 {
			continue
		}
		out := edwards25519.NewIdentityPoint()
		for range k {
			out.Add(out, t)
		}
		return out
	}
}

func scalar(v byte) *edwards25519.Scalar {
	s, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{v}, make([]byte, 31)...))
	if err != nil {
		panic(err)
	}
	return s
}

func montgomeryToEdwards(u [curveSize]byte) *edwards25519.Point {
	p, ok := edwardsOf(u, 0)
	if !ok {
		panic("not on the curve")
	}
	return p
}

func plusTorsion(u [curveSize]byte, k int) *edwards25519.Point {
	p := montgomeryToEdwards(u)
	return p.Add(p, torsion(k))
}

func montgomery(p *edwards25519.Point) [curveSize]byte { return [curveSize]byte(p.BytesMontgomery()) }

func pointsOfOrder8() [][curveSize]byte {
	return [][curveSize]byte{montgomery(torsion(1)), montgomery(torsion(3))}
}

func withTopBit(u [curveSize]byte) [curveSize]byte {
	u[31] |= 0x80
	return u
}

func fieldBytes(v int) [curveSize]byte {
	e := new(field.Element).One()
	if v < 0 {
		e.Negate(e)
	}
	return [curveSize]byte(e.Bytes())
}

// fieldPlus returns p + v, which is below 2^255 for v < 19.
func fieldPlus(v byte) [curveSize]byte {
	out := allOnes()
	out[0] = 0xed + v
	return out
}

func allOnes() (out [curveSize]byte) {
	for i := range out {
		out[i] = 0xff
	}
	out[31] = 0x7f
	return out
}

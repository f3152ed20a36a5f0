package devicelog

import (
	"errors"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

func isReason(err, want error) bool {
	return errors.Is(err, want) && errors.Is(err, messaging.ErrInvalid)
}

// forked gives two histories of one account that part after the second entry,
// and the account founded anew.
func forked(t testing.TB) (left, right, anew *account) {
	left = found(t, 20)
	left.add(1)
	right = found(t, 20)
	right.add(1)
	if left.log.Head() != right.log.Head() {
		t.Fatal("the same seed made other logs")
	}
	left.remove(2, 1)
	right.recovery(1)
	right.remove(2, 1)
	anew = found(t, 21)
	return left, right, anew
}

func TestCompare(t *testing.T) {
	t.Parallel()
	left, right, anew := forked(t)
	prefix, err := Open(left.tenant, left.id, left.entries[:2])
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		served *Log
		known  Known
		want   Relation
		err    error
	}{
		{"same", left.log, left.log.Known(), Same, nil},
		{"extends", left.log, prefix.Known(), Extends, nil},
		{"extends by more", right.log, prefix.Known(), Extends, nil},
		{"rollback", prefix, left.log.Known(), Rollback, ErrRollback},
		{"fork at the head", right.log, left.log.Known(), Forked, ErrFork},
		{"shorter fork", left.log, right.log.Known(), Rollback, ErrRollback},
		{"founded anew", anew.log, left.log.Known(), Refounded, ErrRefounded},
		{"founded anew, served the old", left.log, anew.log.Known(), Refounded, ErrRefounded},
		{"nothing known", left.log, Known{}, Refounded, ErrRefounded},
		{"head above every log", left.log, Known{left.log.Fingerprint(), Head{Sequence: MaxEntries}}, Forked, ErrFork},
	}
	for _, tt := range tests {
		if got := tt.served.Compare(tt.known); got != tt.want {
			t.Errorf("%s: relation %d, want %d", tt.name, got, tt.want)
		}
		if err := tt.served.Accept(tt.known); tt.err == nil && err != nil || tt.err != nil && !isReason(err, tt.err) {
			t.Errorf("%s: got %v, want %v", tt.name, reason(err), tt.err)
		}
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	left, right, anew := forked(t)
	tests := []struct {
		name string
		head Head
		want Position
	}{
		{"our head", left.log.Head(), Equal},
		{"the founding", Head{0, left.log.hashes[0]}, Behind},
		{"the entry before", Head{1, left.log.hashes[1]}, Behind},
		{"one further", right.log.Head(), Ahead},
		{"the last there can be", Head{Sequence: MaxEntries - 1}, Ahead},
		{"beyond", Head{Sequence: MaxEntries}, Fork},
		{"far beyond", Head{Sequence: 1<<64 - 1}, Fork},
		{"other hash at our head", Head{2, right.log.hashes[2]}, Fork},
		{"other founding", anew.log.Head(), Fork},
		{"no hash", Head{1, [HashSize]byte{}}, Fork},
	}
	for _, tt := range tests {
		if got := left.log.Locate(tt.head); got != tt.want {
			t.Errorf("%s: position %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestFragment(t *testing.T) {
	t.Parallel()
	a, b := found(t, 22), found(t, 23)
	text := a.log.Fingerprint().Fragment().String()
	if len(text) != FragmentLength {
		t.Fatalf("%d characters", len(text))
	}
	f, err := ParseFragment(text)
	if err != nil || f.String() != text {
		t.Fatalf("parse then print: %v", err)
	}
	if err := f.Match(a.log); err != nil {
		t.Errorf("own log: %v", err)
	}
	if err := f.Match(b.log); !isReason(err, ErrMismatch) {
		t.Errorf("another log: %v", reason(err))
	}
	// It is the start of the hash of entry 0, and so binds all that stands there.
	if want := Hash(a.entries[0]); string(f[:]) != string(want[:16]) {
		t.Error("not the first 16 bytes of SHA-256 of entry 0")
	}
	for bit := range 8 * FragmentSize {
		off := f
		off[bit/8] ^= 1 << (bit % 8)
		if err := off.Match(a.log); !isReason(err, ErrMismatch) {
			t.Errorf("bit %d off: %v", bit, reason(err))
		}
	}
	a.add(1)
	if err := f.Match(a.log); err != nil {
		t.Errorf("grown log: %v", err)
	}
}

// INV-07: what a fragment suffers on its way.
func TestParseFragmentRefuses(t *testing.T) {
	t.Parallel()
	text := found(t, 22).log.Fingerprint().Fragment().String()
	// The last character has four bits that stand for nothing.
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, text[21])
	for name, in := range map[string]string{
		"empty": "", "cut": text[:21], "doubled": text + text, "one more": text + "A", "padded": text + "==",
		"with its #": "#" + text, "percent-encoded": "%" + text[:21], "fully percent-encoded": strings.Repeat("%41", 22),
		"space": text[:21] + " ", "line break": text[:10] + "\n" + text[10:], "line break in place": text[:21] + "\n",
		"standard alphabet": text[:21] + "+", "spare bits set": text[:21] + string(alphabet[last|1]),
		"hex": strings.Repeat("0f", 16), "version in front": "2." + text,
	} {
		if f, err := ParseFragment(in); !isReason(err, ErrFragment) || f != (Fragment{}) {
			t.Errorf("%s: got %v", name, reason(err))
		}
	}
	// Another case is another fragment: well formed, but of nobody.
	upper, err := ParseFragment(strings.ToUpper(text))
	if err == nil && upper.Match(found(t, 22).log) == nil {
		t.Error("the upper-cased fragment matches")
	}
}

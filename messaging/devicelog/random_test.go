package devicelog

import (
	"errors"
	"maps"
	mrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
)

// A log must agree with a model that knows nothing of keys and hashes: who is
// listed until when. Random members, among them removed and expired ones, try
// random things; exactly what the model allows is taken.
func TestRandomLives(t *testing.T) {
	t.Parallel()
	for seed := range byte(20) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			live(t, seed)
		})
	}
}

func live(t *testing.T, seed byte) {
	a, r := found(t, 100+seed), mrand.New(mrand.NewPCG(uint64(seed), 1))
	listed := map[messaging.DeviceID]time.Time{1: {}} // expiry, zero for none
	known := []Known{a.log.Known()}
	var code *RecoveryCode
	taken, refusedCount := 0, 0
	for range 150 {
		a.now = a.now.Add(time.Duration(r.IntN(20)) * time.Minute)
		maps.DeleteFunc(listed, func(_ messaging.DeviceID, until time.Time) bool {
			return !until.IsZero() && !a.now.Before(until)
		})
		// Now and then somebody tries who is not listed.
		by := a.devices[messaging.DeviceID(1+r.IntN(len(a.devices)))]
		_, may := listed[by.id]
		var raw []byte
		var err error
		var apply func()
		switch pick := r.IntN(10); {
		case pick < 5:
			d, expiry := newDevice(t, a.rand), time.Time{}
			if r.IntN(2) == 0 {
				expiry = a.now.Add(time.Duration(1+r.IntN(90)) * time.Minute)
			}
			may = may && len(listed) < messaging.MaxDevices
			raw, err = tryAdd(a, d, by, expiry)
			apply = func() {
				d.id = a.log.newest
				a.devices[d.id] = d
				listed[d.id] = expiry
			}
		case pick < 8:
			target := messaging.DeviceID(1 + r.IntN(len(a.devices)))
			_, there := listed[target]
			// The account must live on, so the last device stays.
			if len(listed) == 1 && there {
				continue
			}
			may = may && there
			raw, err = a.log.Remove(target, by.signer(), a.now)
			apply = func() { delete(listed, target) }
		case pick < 9:
			fresh, cerr := NewRecoveryCode(a.rand)
			if cerr != nil {
				t.Fatal(cerr)
			}
			raw, err = a.log.Recovery(fresh, by.signer(), a.now)
			apply = func() { code = fresh }
		default:
			if code == nil {
				continue
			}
			d := newDevice(t, a.rand)
			may = len(listed) < messaging.MaxDevices
			raw, err = a.log.Recover(code, d.new, d.log, a.now, time.Time{})
			apply = func() {
				d.id = a.log.newest
				a.devices[d.id] = d
				listed[d.id] = time.Time{}
			}
		}
		if (err == nil) != may {
			t.Fatalf("seed %d, entry %d: allowed is %t, got %v", seed, len(a.entries), may, reason(err))
		}
		if err != nil {
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			refusedCount++
			continue
		}
		if a.log, err = a.log.Extend(raw); err != nil {
			t.Fatal(err)
		}
		a.entries = append(a.entries, raw)
		known = append(known, a.log.Known())
		apply()
		taken++
		if got, want := a.ids(a.now), slices.Sorted(maps.Keys(listed)); !slices.Equal(got, want) {
			t.Fatalf("seed %d, entry %d: listed %v, the model has %v", seed, len(a.entries), got, want)
		}
		if len(listed) == 0 {
			break
		}
	}
	if taken < 10 || refusedCount < 5 {
		t.Errorf("seed %d: %d taken, %d refused: the schedule tries too little", seed, taken, refusedCount)
	}
	checkPrefixes(t, a, known)
}

func tryAdd(a *account, d *device, by *device, expiry time.Time) ([]byte, error) {
	text, err := a.log.Add(d.new, by.id, a.now, expiry)
	if err != nil {
		return nil, err
	}
	reverse, err := a.log.Join(text, d.new, by.new.Identity, d.log)
	if err != nil {
		return nil, err
	}
	return a.log.CompleteAdd(text, d.new, reverse, by.signer())
}

// Every beginning of a log relates to every head that was known of it.
func checkPrefixes(t *testing.T, a *account, known []Known) {
	t.Helper()
	for n := 1; n <= len(a.entries); n += 1 + len(a.entries)/8 {
		l, err := Open(a.tenant, a.id, a.entries[:n])
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range known {
			want := Rollback
			if i+1 == n {
				want = Same
			} else if i+1 < n {
				want = Extends
			}
			if got := l.Compare(k); got != want {
				t.Errorf("%d entries against head %d: relation %d, want %d", n, i, got, want)
			}
		}
	}
}

// Package storetest is the suite that every store of media's objects passes.
package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/tenant"
)

// Run tests what open returns: two handles on one store, empty at first.
func Run(t *testing.T, open func(t *testing.T) (first, second media.Objects)) {
	for name, test := range map[string]func(*testing.T, media.Objects, media.Objects){
		"ReadsBackWhatWasPut":   readsBack,
		"RangesOfAnObject":      ranges,
		"AFailedPutLeavesNone":  failedPut,
		"MissingAndDeleted":     missing,
		"WalkFindsEveryObject":  walk,
		"SameBytesAreTwo":       sameBytes,
		"CancelledWalkEnds":     cancelled,
		"AnotherHandleReadsAll": otherHandle,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := open(t)
			test(t, first, second)
		})
	}
}

// NewKey names an object of a tenant.
func NewKey(id tenant.ID) (key media.Key) {
	key.Tenant, key.Blob = id, messaging.NewBlobID()
	rand.Read(key.Object[:])
	return key
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func put(t *testing.T, store media.Objects, key media.Key, b []byte) {
	t.Helper()
	if n, err := store.Put(t.Context(), key, bytes.NewReader(b)); err != nil || n != int64(len(b)) {
		t.Fatalf("put %d bytes: %d, %v", len(b), n, err)
	}
}

func read(t *testing.T, store media.Objects, key media.Key, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := store.Open(t.Context(), key, offset, length)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func readsBack(t *testing.T, store, _ media.Objects) {
	for _, n := range []int{1, 1040, 1 << 16, 3<<20 + 7} {
		key, want := NewKey(tenant.NewID()), content(n)
		put(t, store, key, want)
		if got, err := read(t, store, key, 0, int64(n)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes come back as %d, %v", n, len(got), err)
		}
	}
}

func ranges(t *testing.T, store, _ media.Objects) {
	key, want := NewKey(tenant.NewID()), content(100_000)
	put(t, store, key, want)
	for _, r := range [][2]int64{{0, 1}, {99_999, 1}, {1, 99_999}, {50_000, 1000}, {65_535, 2}} {
		if got, err := read(t, store, key, r[0], r[1]); err != nil || !bytes.Equal(got, want[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes at %d: %d, %v", r[1], r[0], len(got), err)
		}
	}
}

var errCut = errors.New("cut off")

func failedPut(t *testing.T, store, _ media.Objects) {
	key := NewKey(tenant.NewID())
	r := io.MultiReader(bytes.NewReader(content(100_000)), failing{})
	if n, err := store.Put(t.Context(), key, r); err == nil {
		t.Fatalf("a reader that fails was taken: %d bytes", n)
	}
	if _, err := read(t, store, key, 0, 1); !errors.Is(err, media.ErrMissing) {
		t.Errorf("it can be opened: %v", err)
	}
	if found := list(t, store); len(found) != 0 {
		t.Errorf("it is listed: %v", found)
	}
	put(t, store, key, content(10)) // the same key is free
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }

func missing(t *testing.T, store, _ media.Objects) {
	id := tenant.NewID()
	key := NewKey(id)
	put(t, store, key, content(10))
	other := NewKey(id)
	other.Blob = key.Blob
	foreign := key
	foreign.Tenant = tenant.NewID()
	for _, absent := range []media.Key{other, foreign, NewKey(id)} {
		if _, err := read(t, store, absent, 0, 1); !errors.Is(err, media.ErrMissing) {
			t.Errorf("an absent object: %v", err)
		}
		if err := store.Delete(t.Context(), absent); err != nil {
			t.Errorf("deleting an absent object: %v", err)
		}
	}
	if _, err := read(t, store, key, 0, 10); err != nil {
		t.Errorf("the object went with another: %v", err)
	}
	if err := store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, store, key, 0, 1); !errors.Is(err, media.ErrMissing) {
		t.Errorf("after it was deleted: %v", err)
	}
}

func list(t *testing.T, store media.Objects) map[media.Key]time.Time {
	t.Helper()
	found := map[media.Key]time.Time{}
	if err := store.Walk(t.Context(), func(o media.Stored) error { found[o.Key] = o.Changed; return nil }); err != nil {
		t.Fatal(err)
	}
	return found
}

func walk(t *testing.T, store, _ media.Objects) {
	want := map[media.Key]bool{}
	for range 3 {
		id := tenant.NewID()
		for range 7 {
			key := NewKey(id)
			put(t, store, key, content(10))
			want[key] = true
		}
	}
	var order []tenant.ID
	err := store.Walk(t.Context(), func(o media.Stored) error {
		if !want[o.Key] || time.Since(o.Changed).Abs() > time.Hour {
			t.Errorf("found %v of %v", o.Key, o.Changed)
		}
		delete(want, o.Key)
		if len(order) == 0 || order[len(order)-1] != o.Tenant {
			order = append(order, o.Tenant)
		}
		return nil
	})
	if err != nil || len(want) != 0 {
		t.Errorf("%d objects were not visited, %v", len(want), err)
	}
	if len(order) != 3 {
		t.Errorf("three tenants are visited in %d runs", len(order))
	}
}

// MED-09: equal ciphertexts share nothing.
func sameBytes(t *testing.T, store, _ media.Objects) {
	a, b, same := NewKey(tenant.NewID()), NewKey(tenant.NewID()), content(5000)
	put(t, store, a, same)
	put(t, store, b, same)
	if found := list(t, store); len(found) != 2 {
		t.Fatalf("two objects are %d", len(found))
	}
	if err := store.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, store, b, 0, 5000); err != nil || !bytes.Equal(got, same) {
		t.Errorf("the other tenant's object: %d bytes, %v", len(got), err)
	}
}

func cancelled(t *testing.T, store, _ media.Objects) {
	put(t, store, NewKey(tenant.NewID()), content(10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Walk(ctx, func(media.Stored) error { return nil }); err == nil {
		t.Error("a walk goes on after its end")
	}
	if err := store.Walk(t.Context(), func(media.Stored) error { return errCut }); !errors.Is(err, errCut) {
		t.Errorf("the visitor's error is %v", err)
	}
}

func otherHandle(t *testing.T, first, second media.Objects) {
	key, want := NewKey(tenant.NewID()), content(9000)
	put(t, first, key, want)
	if got, err := read(t, second, key, 0, 9000); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

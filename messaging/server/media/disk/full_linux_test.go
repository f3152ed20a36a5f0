package disk_test

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/storetest"
	"github.com/sottochat/sotto/tenant"
)

// MED-10 on a file system that is really full: the object that does not fit
// leaves nothing, what was there stays, and what fits goes in.
func TestNoSpaceLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("mounting a small file system needs root:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	d := open(t, dir, 1)
	id := tenant.NewID()
	first := storetest.NewKey(id)
	if _, err := d.Put(t.Context(), first, bytes.NewReader(make([]byte, 100_000))); err != nil {
		t.Fatal(err)
	}
	large := storetest.NewKey(id)
	if _, err := d.Put(t.Context(), large, bytes.NewReader(make([]byte, 1<<20))); !errors.Is(err, media.ErrFull) {
		t.Errorf("a megabyte in 256 KiB: %v", err)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
	if _, err := d.Put(t.Context(), large, bytes.NewReader(make([]byte, 50_000))); err != nil {
		t.Errorf("what fits: %v", err)
	}
}

package disk_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/disk"
	"github.com/sottochat/sotto/messaging/server/media/storetest"
	"github.com/sottochat/sotto/tenant"
)

func open(t *testing.T, dir string, reserve uint64) *disk.Disk {
	t.Helper()
	d, err := disk.New(disk.Config{Dir: dir, Reserve: reserve})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) (first, second media.Objects) {
		dir := filepath.Join(t.TempDir(), "media")
		return open(t, dir, 1), open(t, dir, 1)
	})
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// MED-10, the part that leaves room for others on the same disk.
func TestReserve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full := open(t, dir, math.MaxUint64)
	if _, err := full.Put(t.Context(), storetest.NewKey(tenant.NewID()), strings.NewReader("x")); !errors.Is(err, media.ErrFull) {
		t.Errorf("below the reserve: %v", err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("it leaves %v", left)
	}
}

// A Put that the machine's end interrupts leaves a file that no Open finds, that
// Walk lists and that Delete removes.
func TestInterruptedPutIsFoundAndRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, key := open(t, dir, 1), storetest.NewKey(tenant.NewID())
	reader, writer := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Put(t.Context(), key, reader)
	}()
	writer.Write(bytes.Repeat([]byte{1}, 100_000)) // returns when it was read; the Put now waits for more
	left := files(t, dir)
	if len(left) != 1 {
		t.Fatalf("while it is written: %v", left)
	}
	content, err := os.ReadFile(left[0])
	if err != nil {
		t.Fatal(err)
	}
	writer.CloseWithError(errors.New("cut"))
	<-done
	if err := os.WriteFile(left[0], content, 0o600); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), key, 0, 1); !errors.Is(err, media.ErrMissing) {
		t.Errorf("half a file can be opened: %v", err)
	}
	found := 0
	if err := d.Walk(t.Context(), func(o media.Stored) error { found++; return d.Delete(t.Context(), o.Key) }); err != nil || found != 1 {
		t.Errorf("found %d, %v", found, err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestFilesArePrivateAndForeignOnesAreLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, dir, 1)
	for _, name := range []string{"README", "a/b/c/d", "00/00/00/00.00"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Walk(t.Context(), func(o media.Stored) error { return errors.New("visited") }); err != nil {
		t.Error(err)
	}
	if _, err := d.Put(t.Context(), storetest.NewKey(tenant.NewID()), strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if info, _ := entry.Info(); path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An error goes to logs; the directory's name is nobody's business there.
func TestErrorsNameNoPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "media")
	d := open(t, dir, 1)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // no directory any more
		t.Fatal(err)
	}
	_, err := d.Put(t.Context(), storetest.NewKey(tenant.NewID()), strings.NewReader("x"))
	if !errors.Is(err, media.ErrStore) || strings.Contains(err.Error(), dir) {
		t.Errorf("the error is %v", err)
	}
}

// A directory in which nothing can be written is refused at the start.
func TestNewTriesTheDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", file, filepath.Join(file, "below"), "/proc/sotto"} {
		if _, err := disk.New(disk.Config{Dir: dir}); err == nil {
			t.Errorf("%q is taken", dir)
		}
	}
	dir := t.TempDir()
	open(t, dir, 1)
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("the trial leaves %v", left)
	}
}

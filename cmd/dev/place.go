package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxSocket is the longest path of a Unix socket on the systems we run on
// (macOS: 104 bytes with the terminating zero).
const maxSocket = 103

// choosePlace returns the folder for database and Redis: in the home where that
// works, else another that belongs to this home. It says which and why.
func (h *home) choosePlace(say func(string)) (string, error) {
	candidates := h.places()
	for _, dir := range candidates { // an earlier run's choice stays
		if _, err := os.Stat(filepath.Join(dir, "data", "PG_VERSION")); err == nil {
			return dir, nil
		}
	}
	var why error
	for _, dir := range candidates {
		err := usable(dir)
		if err == nil {
			if why != nil {
				say(fmt.Sprintf("the database is kept in %s, because %v", dir, why))
			}
			return dir, nil
		}
		why = errors.Join(why, err)
	}
	return "", fmt.Errorf("found no folder for the database; name a short one with --dir: %w", why)
}

// places are the candidates, best first. Those outside carry a name made from
// the home's path, so that each checkout has its own.
func (h *home) places() []string {
	sum := sha256.Sum256([]byte(h.dir))
	key := hex.EncodeToString(sum[:6])
	places := []string{h.path("db")}
	if os.Getuid() == 0 {
		return append(places, "/var/lib/sotto/"+key, filepath.Join(os.TempDir(), "sotto-0-"+key))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "sotto", key))
	}
	return append(places, filepath.Join(os.TempDir(), "sotto-"+strconv.Itoa(os.Getuid())+"-"+key))
}

// usable makes dir and tries what the database will need there: a path that a
// socket may have, sockets and modes that the file system keeps, and, when we are
// root, a way in for the user that the database runs as.
func usable(dir string) error {
	if path := filepath.Join(dir, "socket", ".s.PGSQL.5432"); len(path) > maxSocket {
		return fmt.Errorf("a socket's path may have %d characters and %s would have %d", maxSocket, path, len(path))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := own(dir); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		if err := enterable(dir); err != nil {
			return err
		}
	}
	return probe(dir)
}

// own refuses a folder that somebody else prepared under a name which can be
// guessed: temporary folders are open to all.
func own(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("%s belongs to somebody else", dir)
	}
	return nil
}

// enterable asks whether any user may pass through every folder above dir: root
// starts the database as another user.
func enterable(dir string) error {
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("PostgreSQL does not run as root, and other users may not enter %s", at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// probe does once what shared folders of virtual machines and mounted Windows
// disks cannot.
func probe(dir string) error {
	trial := filepath.Join(dir, "trial")
	if err := os.MkdirAll(trial, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(trial)
	if os.Getuid() == 0 {
		if err := os.Chown(trial, nobody, nobody); err != nil {
			return fmt.Errorf("%s cannot give files to another user: %w", dir, err)
		}
	}
	if info, err := os.Stat(trial); err != nil || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s does not keep the modes of files", dir)
	}
	socket, err := net.Listen("unix", filepath.Join(trial, "s"))
	if err != nil {
		return fmt.Errorf("%s has no sockets: %w", dir, err)
	}
	return socket.Close()
}

// nobody is a number that is no administrator's anywhere.
const nobody = 65534

// removePlaces deletes the database in all places, for --reset.
func (h *home) removePlaces() error {
	var failed error
	for _, dir := range h.places() {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := own(dir); err == nil {
			failed = errors.Join(failed, os.RemoveAll(dir))
		}
	}
	return failed
}

package pglocal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"strconv"
	"syscall"
)

// user is whom the server runs as: ourselves, or, because PostgreSQL refuses
// root, an unprivileged user of the machine when we are root.
type user struct {
	self  string
	other *osuser.User // nil when the server runs as ourselves
}

func unprivileged() (*user, error) {
	self, err := osuser.Current()
	if err != nil {
		return nil, fmt.Errorf("find out which user this is: %w", err)
	}
	if self.Uid != "0" {
		return &user{self: self.Username}, nil
	}
	for _, name := range []string{"postgres", "nobody", "daemon"} {
		if other, err := osuser.Lookup(name); err == nil {
			return &user{self: self.Username, other: other}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root: expected a user postgres, nobody or daemon on this machine, found none")
}

func (u *user) ids() (uid, gid int) {
	uid, _ = strconv.Atoi(u.other.Uid)
	gid, _ = strconv.Atoi(u.other.Gid)
	return uid, gid
}

// run makes cmd start as the user.
func (u *user) run(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	cmd.Dir = os.TempDir() // ours may be closed to the user
	if u.other == nil {
		return
	}
	uid, gid := u.ids()
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// own gives a file to the user.
func (u *user) own(path string) error {
	if u.other == nil {
		return nil
	}
	uid, gid := u.ids()
	return os.Chown(path, uid, gid)
}

// share closes a directory to all but the user, and root.
func (u *user) share(dir string) error { return os.Chmod(dir, 0o700) }

// systemNames are the operating system's users that may log in.
func (u *user) systemNames() []string {
	if u.other == nil {
		return []string{u.self}
	}
	return []string{u.self, u.other.Username}
}

package pglocal

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// ErrMissing says that this machine has no PostgreSQL server programs.
var ErrMissing = errors.New("PostgreSQL is not installed: expected initdb and postgres on the PATH or in a usual place; " +
	"install it with `apt-get install postgresql` (Debian, Ubuntu), `dnf install postgresql-server` (Fedora) or `brew install postgresql@17` (macOS)")

// usualPlaces are where packages put the server programs without adding them to
// the PATH.
var usualPlaces = [...]string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // PGDG on Fedora, RHEL
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findBinaries returns the directory of initdb and postgres; of several
// versions, the newest.
func findBinaries() (string, error) {
	var found []string
	for _, pattern := range usualPlaces {
		dirs, _ := filepath.Glob(pattern)
		for _, dir := range dirs {
			if complete(dir) {
				found = append(found, dir)
			}
		}
	}
	if len(found) > 0 {
		sort.Slice(found, func(i, j int) bool { return version(found[i]) < version(found[j]) })
		return found[len(found)-1], nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil && complete(filepath.Dir(real)) {
			return filepath.Dir(real), nil
		}
	}
	if dir := filepath.Join(packageDir(), "package", "native", "bin"); complete(dir) {
		return dir, nil
	}
	return "", ErrMissing
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// version is the first number in a path such as /usr/lib/postgresql/15/bin.
func version(dir string) (n int) {
	i := strings.IndexAny(dir, "0123456789")
	for ; i >= 0 && i < len(dir) && dir[i] >= '0' && dir[i] <= '9'; i++ {
		n = n*10 + int(dir[i]-'0')
	}
	return n
}

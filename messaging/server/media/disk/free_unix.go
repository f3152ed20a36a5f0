//go:build linux || darwin

package disk

import "golang.org/x/sys/unix"

// freeBytes returns what an unprivileged process may still write to the file
// system of dir.
func freeBytes(dir string) (free uint64, known bool) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, false
	}
	return stat.Bavail * uint64(stat.Bsize), true
}

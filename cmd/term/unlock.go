package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/term"
	"golang.org/x/text/unicode/norm"

	"github.com/sottochat/sotto/messaging/client/vault"
)

// unlocker finds the passphrase or the key of the vault.
type unlocker struct {
	options
	in, out *os.File
}

const (
	// maxPassphrase bounds the first line of a passphrase file in bytes.
	maxPassphrase = 1024
	// minPassphrase is eight characters: below that Argon2id is no help.
	minPassphrase = 8
	keyBytes      = 32
)

func (u *unlocker) unlock(fresh bool) (vault.Sealer, error) {
	if u.key != "" {
		return keyFrom(u.key, fresh)
	}
	secret, err := u.passphraseOf(fresh)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	// The same letters can be typed as different bytes (docs/protocol.md section 14.4).
	return vault.Passphrase(norm.NFC.Bytes(secret), vault.DefaultCost()), nil
}

func (u *unlocker) passphraseOf(fresh bool) ([]byte, error) {
	if u.passphrase != "" {
		secret, err := passphraseFrom(u.passphrase)
		if err == nil && fresh && len(secret) < minPassphrase {
			err = usageError{fmt.Sprintf("--passphrase-file: expected at least %d characters", minPassphrase)}
		}
		return secret, err
	}
	if !u.onTerminal {
		return nil, usageError{"expected --passphrase-file or --key-file, since there is no terminal to ask for a passphrase"}
	}
	if fresh {
		return u.choose()
	}
	return u.ask("Passphrase: ")
}

// choose asks for a new passphrase twice.
func (u *unlocker) choose() ([]byte, error) {
	fmt.Fprintf(u.out, "Your keys and messages will be sealed in %s.\n", u.dir)
	for {
		first, err := u.ask("Choose a passphrase for it: ")
		if err != nil {
			return nil, err
		}
		if len(first) < minPassphrase {
			fmt.Fprintf(u.out, "At least %d characters, please.\n", minPassphrase)
			continue
		}
		second, err := u.ask("Once more: ")
		if err != nil {
			return nil, err
		}
		same := bytes.Equal(first, second)
		clear(second)
		if same {
			return first, nil
		}
		fmt.Fprintln(u.out, "These were two different ones.")
	}
}

func (u *unlocker) ask(prompt string) ([]byte, error) {
	fmt.Fprint(u.out, prompt)
	secret, err := term.ReadPassword(int(u.in.Fd()))
	fmt.Fprintln(u.out)
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	return secret, nil
}

func passphraseFrom(path string) ([]byte, error) {
	b, err := readSecret("--passphrase-file", path, maxPassphrase)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, usageError{"--passphrase-file: expected a passphrase in the first line, received an empty one"}
	}
	return line, nil
}

// keyFrom reads a key, or makes one for a vault that is being made.
func keyFrom(path string, fresh bool) (vault.Sealer, error) {
	b, err := readSecret("--key-file", path, 2*keyBytes+2)
	if errors.Is(err, fs.ErrNotExist) && fresh {
		b, err = makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	defer clear(b)
	var key [keyBytes]byte
	text := bytes.TrimSpace(b)
	if n, err := hex.Decode(key[:], text[:min(len(text), 2*keyBytes)]); err != nil || n != keyBytes || len(text) != 2*keyBytes {
		return nil, usageError{fmt.Sprintf("--key-file: expected %d hexadecimal digits, received something else", 2*keyBytes)}
	}
	return vault.RawKey(key), nil
}

func makeKey(path string) ([]byte, error) {
	key := make([]byte, keyBytes)
	rand.Read(key)
	text := append(hex.AppendEncode(nil, key), '\n')
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the key file: %w", err)
	}
	_, err = f.Write(text)
	return text, errors.Join(err, f.Sync(), f.Close())
}

// readSecret reads a small file that nobody else may read.
func readSecret(flag, path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, usageError{fmt.Sprintf("%s: expected a file that only you can read (mode 0600), received mode %04o", flag, mode)}
	}
	return io.ReadAll(io.LimitReader(f, most))
}

package vault

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"github.com/sottochat/sotto/messaging"
)

// Labels of the keys that come from the master key.
const (
	labelHeader = "Sotto vault v1 header"
	labelLog    = "Sotto vault v1 log"
	labelFrame  = "Sotto vault v1 frame"
)

const (
	magic   = "sotto-vault\n"
	version = 1
	idSize  = 16
	// headerFixed is magic, version, vault id, file id and wrapped length.
	headerFixed = len(magic) + 2 + idSize + idSize + 2
	macSize     = sha256.Size
	// maxHeader is the longest header in bytes.
	maxHeader = headerFixed + MaxWrapped + macSize
)

// A header opens a file: docs/protocol.md section 14.3.
type header struct {
	vault   [idSize]byte // the same for the life of the vault
	file    [idSize]byte // new with each compaction; begins every frame
	wrapped []byte
	mac     [macSize]byte
}

// parseHeader reads a header from the start of b and says how long it is.
func parseHeader(b []byte) (h header, size int, err error) {
	if len(b) < headerFixed || !bytes.HasPrefix(b, []byte(magic)) {
		return header{}, 0, messaging.Invalid(ErrHeader)
	}
	rest := b[len(magic):]
	if binary.BigEndian.Uint16(rest) != version {
		return header{}, 0, messaging.Invalid(ErrVersion)
	}
	rest = rest[2:]
	rest = rest[copy(h.vault[:], rest):]
	rest = rest[copy(h.file[:], rest):]
	wrapped := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	if wrapped == 0 || wrapped > MaxWrapped || len(rest) < wrapped+macSize {
		return header{}, 0, messaging.Invalid(ErrHeader)
	}
	h.wrapped = clone(rest[:wrapped])
	copy(h.mac[:], rest[wrapped:])
	return h, headerFixed + wrapped + macSize, nil
}

// append writes the header after b.
func (h *header) append(b []byte) []byte { return append(h.appendBody(b), h.mac[:]...) }

// appendBody writes what the MAC covers.
func (h *header) appendBody(b []byte) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = append(b, h.vault[:]...)
	b = append(b, h.file[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.wrapped)))
	return append(b, h.wrapped...)
}

func (h *header) sum(master *[32]byte) [macSize]byte {
	key := expand(master[:], h.vault[:], labelHeader)
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	mac.Write(h.appendBody(nil))
	return [macSize]byte(mac.Sum(nil))
}

// unseal asks the Sealer for the master key and proves the header with it.
func (h *header) unseal(ctx context.Context, s Sealer) (*[32]byte, error) {
	master, err := s.Unwrap(ctx, h.wrapped)
	if err != nil {
		return nil, err
	}
	if want := h.sum(master); !hmac.Equal(want[:], h.mac[:]) {
		return nil, messaging.Invalid(ErrHeader)
	}
	return master, nil
}

// next makes the header of another file of the same vault.
func (h header) next(master *[32]byte) header {
	rand.Read(h.file[:])
	h.mac = h.sum(master)
	return h
}

// newHeader makes a master key and wraps it.
func newHeader(ctx context.Context, vault [idSize]byte, s Sealer) (header, *[32]byte, error) {
	master := new([32]byte)
	rand.Read(master[:])
	wrapped, err := s.Wrap(ctx, master)
	if err != nil {
		return header{}, nil, err
	}
	if len(wrapped) == 0 || len(wrapped) > MaxWrapped {
		return header{}, nil, ErrLimit
	}
	h := header{vault: vault, wrapped: wrapped}
	return h.next(master), master, nil
}

// keys are what reads and writes the frames of one file.
type keys struct {
	vault, file [idSize]byte
	secret      hidden
}

func (h *header) keys(master *[32]byte) keys {
	salt := append(h.vault[:], h.file[:]...)
	return keys{h.vault, h.file, hide((*[32]byte)(expand(master[:], salt, labelLog)))}
}

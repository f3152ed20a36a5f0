package vault

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"slices"

	"github.com/sottochat/sotto/messaging"
)

// A frame is one commit, or in a compacted file a part of the first one:
//
//	prefix     file id (16) | salt (32) | directory length (4) | body length (4)
//	directory  sealed: commit (8) | last (1) | count (4) | entries | tag (16)
//	body       each value sealed, in the order of the entries
//
// with an entry: action (1) | name length (2) | name | value length (4, of a put).
//
// Nonces: a frame's key is HKDF over the file's key and 32 random bytes drawn
// for this frame, so two frames share a key only if two of 2^256 salts meet,
// also after a torn frame was cut and its commit number used again, and also
// when an older copy of the file is continued. Under that key the directory is
// sealed with nonce 0 and the value of entry i with nonce i+1, each once.
//
// Bound to the directory: vault id, the tag of the directory before it (so
// frames form a chain), its own prefix. Bound to a value: vault id, commit,
// entry number by the nonce, kind and key. A directory names each value by
// commit and number, and only one value was ever sealed for that pair, so the
// chain of directories proves the values too.
type frame struct {
	body   int64          // offset of the body in the file
	salt   [saltSize]byte // of the frame's key
	commit uint64
}

const (
	prefixSize = idSize + saltSize + 4 + 4
	dirFixed   = 8 + 1 + 4
	// maxPart bounds directory and body: recordCost covers what a record adds
	// to either, dirFixed and the tag are the directory's own.
	maxPart  = MaxBatch + dirFixed + tagSize
	maxFrame = prefixSize + maxPart + maxPart

	actionDelete = 0
	actionPut    = 1
)

// chain is the tag of the directory before, or for the first frame the start of
// the header's MAC.
type chain [tagSize]byte

// A prefix announces a frame. Nothing in it is proven before the directory is.
type prefix struct {
	raw       [prefixSize]byte
	salt      [saltSize]byte
	dir, body int
}

func (k *keys) parsePrefix(b []byte) (p prefix, err error) {
	if len(b) < prefixSize || !bytes.Equal(b[:idSize], k.file[:]) {
		return prefix{}, messaging.Invalid(ErrCorrupt)
	}
	copy(p.raw[:], b)
	copy(p.salt[:], b[idSize:])
	dir := binary.BigEndian.Uint32(b[idSize+saltSize:])
	body := binary.BigEndian.Uint32(b[idSize+saltSize+4:])
	if dir < dirFixed+tagSize || dir > maxPart || body > maxPart {
		return prefix{}, messaging.Invalid(ErrCorrupt)
	}
	p.dir, p.body = int(dir), int(body)
	return p, nil
}

func (p *prefix) size() int64 { return int64(prefixSize + p.dir + p.body) }

// An entry of a directory, and where its sealed value lies in the body.
type entry struct {
	name          string
	delete        bool
	offset, index uint32
	size          uint32 // of the value, unsealed
}

// A directory says what a frame changes.
type directory struct {
	commit  uint64
	last    bool // the commit ends with this frame
	entries []entry
}

// cipher is AES-256-GCM under the frame's own key.
func (k *keys) cipher(salt *[saltSize]byte) cipher.AEAD {
	key := expand(k.secret()[:], salt[:], labelFrame)
	defer clear(key)
	return newGCM(key)
}

func nonce(n uint64) []byte {
	b := make([]byte, 12)
	binary.BigEndian.PutUint64(b[4:], n)
	return b
}

func (k *keys) dirData(before *chain, rawPrefix []byte) []byte {
	b := make([]byte, 0, idSize+tagSize+prefixSize)
	b = append(b, k.vault[:]...)
	b = append(b, before[:]...)
	return append(b, rawPrefix...)
}

func (k *keys) valueData(commit uint64, name string) []byte {
	b := make([]byte, 0, idSize+8+len(name))
	b = append(b, k.vault[:]...)
	b = binary.BigEndian.AppendUint64(b, commit)
	return append(b, name...)
}

// named is one change with its name, as a frame is built from.
type named struct {
	name string
	change
}

// seal appends a frame to dst. The entries it returns are those that
// openDirectory would.
func (k *keys) seal(dst []byte, before chain, commit uint64, last bool, changes []named) ([]byte, directory, chain) {
	d := layout(commit, last, changes)
	plain := d.append(nil)
	dst = slices.Grow(dst, prefixSize+len(plain)+tagSize+int(d.body()))
	start := len(dst)
	dst = append(dst, k.file[:]...)
	dst = append(dst, randomSalt()...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(plain)+tagSize))
	dst = binary.BigEndian.AppendUint32(dst, d.body())
	raw := dst[start:]
	aead := k.cipher((*[saltSize]byte)(raw[idSize:]))
	dst = aead.Seal(dst, nonce(0), plain, k.dirData(&before, raw[:prefixSize]))
	tag := chain(dst[len(dst)-tagSize:])
	for i, c := range changes {
		if !c.delete {
			dst = aead.Seal(dst, nonce(uint64(i)+1), c.value, k.valueData(commit, c.name))
		}
	}
	return dst, d, tag
}

func layout(commit uint64, last bool, changes []named) directory {
	d := directory{commit: commit, last: last, entries: make([]entry, len(changes))}
	var offset uint32
	for i, c := range changes {
		e := entry{name: c.name, delete: c.delete, offset: offset, index: uint32(i)}
		if !c.delete {
			e.size = uint32(len(c.value))
			offset += e.size + tagSize
		}
		d.entries[i] = e
	}
	return d
}

// body is the length of the sealed values.
func (d *directory) body() (n uint32) {
	for _, e := range d.entries {
		if !e.delete {
			n += e.size + tagSize
		}
	}
	return n
}

func (d *directory) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, d.commit)
	b = append(b, bit(d.last))
	b = binary.BigEndian.AppendUint32(b, uint32(len(d.entries)))
	for _, e := range d.entries {
		b = append(b, bit(!e.delete))
		b = binary.BigEndian.AppendUint16(b, uint16(len(e.name)))
		b = append(b, e.name...)
		if !e.delete {
			b = binary.BigEndian.AppendUint32(b, e.size)
		}
	}
	return b
}

func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// openDirectory proves the directory against the chain and parses it.
func (k *keys) openDirectory(before chain, p *prefix, sealed []byte) (directory, chain, error) {
	aead := k.cipher(&p.salt)
	plain, err := aead.Open(nil, nonce(0), sealed, k.dirData(&before, p.raw[:]))
	if err != nil {
		return directory{}, chain{}, messaging.Invalid(ErrCorrupt)
	}
	d, err := parseDirectory(plain)
	if err != nil || d.body() != uint32(p.body) {
		return directory{}, chain{}, messaging.Invalid(ErrCorrupt)
	}
	return d, chain(sealed[len(sealed)-tagSize:]), nil
}

// parseDirectory takes exactly what directory.append writes.
func parseDirectory(b []byte) (directory, error) {
	if len(b) < dirFixed || b[8] > 1 {
		return directory{}, messaging.Invalid(ErrCorrupt)
	}
	d := directory{commit: binary.BigEndian.Uint64(b), last: b[8] == 1}
	count := binary.BigEndian.Uint32(b[9:])
	b = b[dirFixed:]
	const least = 1 + 2 + 1 // action, length, kind
	if uint64(count)*least > uint64(len(b)) {
		return directory{}, messaging.Invalid(ErrCorrupt)
	}
	d.entries = make([]entry, 0, count)
	var offset uint32
	for range count {
		e, rest, err := parseEntry(b)
		if err != nil {
			return directory{}, err
		}
		if n := len(d.entries); n > 0 && d.entries[n-1].name >= e.name {
			return directory{}, messaging.Invalid(ErrCorrupt)
		}
		e.index, e.offset = uint32(len(d.entries)), offset
		if !e.delete {
			offset += e.size + tagSize
		}
		if offset > maxPart {
			return directory{}, messaging.Invalid(ErrCorrupt)
		}
		d.entries, b = append(d.entries, e), rest
	}
	if len(b) != 0 {
		return directory{}, messaging.Invalid(ErrCorrupt)
	}
	return d, nil
}

func parseEntry(b []byte) (e entry, rest []byte, err error) {
	bad := messaging.Invalid(ErrCorrupt)
	if len(b) < 3 || b[0] > actionPut {
		return entry{}, nil, bad
	}
	e.delete = b[0] == actionDelete
	size := int(binary.BigEndian.Uint16(b[1:]))
	b = b[3:]
	if size < 1 || size > 1+MaxKey || len(b) < size || b[0] == 0 {
		return entry{}, nil, bad
	}
	e.name, b = string(b[:size]), b[size:]
	if e.delete {
		return e, b, nil
	}
	if len(b) < 4 {
		return entry{}, nil, bad
	}
	e.size = binary.BigEndian.Uint32(b)
	if e.size > MaxValue {
		return entry{}, nil, bad
	}
	return e, b[4:], nil
}

// openValue unseals a value in place. The name is the caller's word for which
// record it is; a value sealed as another one is refused.
func (k *keys) openValue(aead cipher.AEAD, commit uint64, index uint32, name string, sealed []byte) ([]byte, error) {
	plain, err := aead.Open(sealed[:0], nonce(uint64(index)+1), sealed, k.valueData(commit, name))
	if err != nil {
		return nil, messaging.Invalid(ErrCorrupt)
	}
	return plain, nil
}

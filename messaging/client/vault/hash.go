package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// stateLabel separates this hash from every other use of SHA-256.
const stateLabel = "Sotto vault v1 state"

// StateHash is SHA-256 over all records in order, whatever store holds them:
// two vaults with the same records have the same hash. The number of commits
// is not part of it. docs/protocol.md section 14.7.
func StateHash(r Reader) ([32]byte, error) {
	h := sha256.New()
	h.Write([]byte(stateLabel))
	for kind := 1; kind <= 255; kind++ {
		for record, err := range r.Scan(Kind(kind), Range{}) {
			if err != nil {
				return [32]byte{}, err
			}
			h.Write([]byte{byte(kind)})
			writeSized(h, record.Key)
			writeSized(h, record.Value)
		}
	}
	return [32]byte(h.Sum(nil)), nil
}

func writeSized(h hash.Hash, b []byte) {
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(b)))
	h.Write(size[:])
	h.Write(b)
}

package spqr

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Labels of the authenticator and the epoch secret, docs/protocol.md section 11.
const (
	protocolLabel   = "Signal_PQCKA_V1_MLKEM768:"
	labelUpdate     = protocolLabel + "Authenticator Update"
	labelHeader     = protocolLabel + "ekheader"
	labelCiphertext = protocolLabel + "ciphertext"
	labelSecret     = protocolLabel + "SCKA Key"
)

// authenticator binds every key exchange to the handshake and to the exchanges
// before it.
type authenticator struct {
	root, mac [keySize]byte
}

func newAuthenticator(authKey *[keySize]byte) (a authenticator) {
	a.update(1, authKey)
	return a
}

func withEpoch(label string, epoch uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte(label), epoch))
}

func (a *authenticator) update(epoch uint64, key *[keySize]byte) {
	var zero [keySize]byte
	var input, out [2 * keySize]byte
	copy(input[:], a.root[:])
	copy(input[keySize:], key[:])
	derive(out[:], &zero, input[:], withEpoch(labelUpdate, epoch))
	copy(a.root[:], out[:keySize])
	copy(a.mac[:], out[keySize:])
	clear(input[:])
	clear(out[:])
}

func (a *authenticator) headerMAC(epoch uint64, header *[headerSize]byte) []byte {
	return a.sum(labelHeader, epoch, header[:])
}

func (a *authenticator) ciphertextMAC(epoch uint64, ciphertext []byte) []byte {
	return a.sum(labelCiphertext, epoch, ciphertext)
}

func (a *authenticator) sum(label string, epoch uint64, message []byte) []byte {
	h := hmac.New(sha256.New, a.mac[:])
	h.Write([]byte(withEpoch(label, epoch)))
	h.Write(message)
	return h.Sum(nil)
}

// epochSecret turns a KEM's shared secret into what the key chain takes in.
func epochSecret(epoch uint64, shared *[keySize]byte) (secret [keySize]byte) {
	var zero [keySize]byte
	derive(secret[:], &zero, shared[:], withEpoch(labelSecret, epoch))
	return secret
}

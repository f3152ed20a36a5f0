package spqr

import (
	"crypto/hmac"
	"fmt"
	"io"
)

// sampleKeys makes the key pair of an epoch and announces it.
func (m *machine) sampleKeys(rand io.Reader) (move, error) {
	next := m.in(keysSampled)
	if _, err := io.ReadFull(rand, next.seed[:]); err != nil {
		return move{}, fmt.Errorf("spqr: key seed: %w", err)
	}
	keys, err := expandKey(&next.seed)
	if err != nil {
		return move{}, err
	}
	next.message, next.sent, next.keyVector = m.announce(keys), 1, keys.vector
	return move{kind: typeHeader, chunk: encodeChunk(next.message, 0), next: next}, nil
}

// announce returns the key's header and its MAC.
func (m *machine) announce(keys *keyPair) []byte {
	return append(keys.header[:], m.auth.headerMAC(m.epoch, &keys.header)...)
}

func (m *machine) receiveAsKeySide(h *header) (move, error) {
	switch {
	case m.phase == keysSampled && h.kind == typeCt1:
		next := m.in(headerSent)
		next.seed, next.message = m.seed, m.keyVector
		next.begin(&h.chunk)
		return move{next: next}, nil
	case m.phase == headerSent && h.kind == typeCt1:
		mv, ct1 := m.collect(&h.chunk)
		if ct1 != nil {
			next := m.in(ct1Received)
			next.seed, next.ct1, next.message, next.sent = m.seed, ct1, m.message, m.sent
			mv.next = next
		}
		return mv, nil
	case m.phase == ct1Received && h.kind == typeCt2:
		next := m.in(keySentCt1Received)
		next.seed, next.ct1 = m.seed, m.ct1
		next.begin(&h.chunk)
		return move{next: next}, nil
	case m.phase == keySentCt1Received && h.kind == typeCt2:
		mv, ct2 := m.collect(&h.chunk)
		if ct2 == nil {
			return mv, nil
		}
		return m.decapsulate(ct2[:ct2Size], ct2[ct2Size:])
	}
	return move{}, nil
}

// decapsulate ends the epoch for the key side. ML-KEM itself accepts every
// ciphertext; the MAC, made with the secret just won, is what refuses one.
func (m *machine) decapsulate(ct2, sum []byte) (move, error) {
	keys, err := expandKey(&m.seed)
	if err != nil {
		return move{}, err
	}
	ciphertext := append(m.ct1[:ct1Size:ct1Size], ct2...)
	shared, err := keys.secret.Decapsulate(ciphertext)
	if err != nil {
		return move{}, err
	}
	secret := epochSecret(m.epoch, (*[keySize]byte)(shared))
	clear(shared)
	next := m.in(noHeaderReceived)
	next.epoch++
	next.auth.update(m.epoch, &secret)
	if !hmac.Equal(sum, next.auth.ciphertextMAC(m.epoch, ciphertext)) {
		next.wipe()
		return move{}, ErrMAC
	}
	return move{next: next, secret: &secret}, nil
}

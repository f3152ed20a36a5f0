package spqr

import (
	"crypto/hmac"
	"fmt"
	"io"
	"slices"
)

// sampleCt1 encapsulates to the announced key, of which the header suffices.
func (m *machine) sampleCt1(rand io.Reader) (move, error) {
	next := m.in(ct1Sampled)
	if _, err := io.ReadFull(rand, next.entropy[:]); err != nil {
		return move{}, fmt.Errorf("spqr: encapsulation: %w", err)
	}
	next.header = m.header
	shared, ct1 := encapsulateFirst(&next.header, &next.entropy)
	secret := epochSecret(m.epoch, &shared)
	clear(shared[:])
	next.auth.update(m.epoch, &secret)
	next.message, next.sent = ct1, 1
	return move{kind: typeCt1, chunk: encodeChunk(ct1, 0), next: next, secret: &secret}, nil
}

func (m *machine) receiveAsCiphertextSide(h *header) (move, error) {
	vector := h.kind == typeVector || h.kind == typeVecAck
	switch {
	case m.phase == noHeaderReceived && h.kind == typeHeader:
		return m.collectHeader(&h.chunk)
	case m.phase == ct1Sampled && vector, m.phase == ct1Acknowledged && vector:
		return m.collectVector(&h.chunk, h.kind == typeVecAck)
	case m.phase == keyReceivedCt1Sampled && (h.kind == typeVecAck || h.kind == typeAck):
		return m.finish(m.vector)
	}
	return move{}, nil
}

func (m *machine) collectHeader(c *chunk) (move, error) {
	mv, announced := m.collect(c)
	if announced == nil {
		return mv, nil
	}
	next := m.in(headerReceived)
	next.header = [headerSize]byte(announced)
	if !hmac.Equal(announced[headerSize:], m.auth.headerMAC(m.epoch, &next.header)) {
		next.wipe()
		return move{}, ErrMAC
	}
	return move{next: next}, nil
}

// collectVector serves both phases that collect; acknowledged means that the
// peer has all of ct1, which is the moment ct2 may follow.
func (m *machine) collectVector(c *chunk, acknowledged bool) (move, error) {
	mv, vector := m.collect(c)
	switch {
	case vector == nil && acknowledged && m.phase == ct1Sampled:
		next := m.keep(ct1Acknowledged)
		next.chunks = slices.Grow(slices.Clone(m.chunks), 1)
		if mv.takes {
			next.chunks = append(next.chunks, *c)
		}
		return move{next: next}, nil
	case vector == nil:
		return mv, nil
	case acknowledged || m.phase == ct1Acknowledged:
		return m.finish(vector)
	}
	if _, err := announcedKey(&m.header, vector); err != nil {
		return move{}, err
	}
	next := m.keep(keyReceivedCt1Sampled)
	next.vector, next.message, next.sent = vector, m.message, m.sent
	return move{next: next}, nil
}

// keep is in for the phases between the two steps of the encapsulation.
func (m *machine) keep(p phase) *machine {
	next := m.in(p)
	next.header, next.entropy = m.header, m.entropy
	return next
}

// finish makes ct2, the second step of the encapsulation, and its MAC.
func (m *machine) finish(vector []byte) (move, error) {
	ciphertext, err := encapsulateSecond(&m.header, &m.entropy, vector)
	if err != nil {
		return move{}, err
	}
	next := m.in(ct2Sampled)
	sum := next.auth.ciphertextMAC(m.epoch, ciphertext)
	next.message = append(ciphertext[ct1Size:], sum...)
	return move{next: next}, nil
}

package spqr

import (
	"io"
	"slices"
)

// phase is one of the eleven states of docs/protocol.md section 11; the numbers
// are those of the stored form.
type phase uint8

const (
	keysUnsampled phase = iota + 1
	keysSampled
	headerSent
	ct1Received
	keySentCt1Received
	noHeaderReceived
	headerReceived
	ct1Sampled
	keyReceivedCt1Sampled
	ct1Acknowledged
	ct2Sampled
	phaseEnd
)

// keySide tells the side that made the key of this epoch from the other.
func (p phase) keySide() bool { return p < noHeaderReceived }

// shape says what a phase knows, for the stored form and its checks.
type shape struct {
	seed, ct1, header, entropy, vector bool

	sends    int  // chunks of the message being sent; 0: none
	keepSend bool // that message is stored; elsewhere it follows from the rest
	collects int  // chunks of the message being collected; 0: none
	begun    bool // at least one of them is there
}

func (p phase) shape() shape {
	switch p {
	case keysSampled:
		return shape{seed: true, sends: headerChunks}
	case headerSent:
		return shape{seed: true, sends: vectorChunks, collects: ct1Chunks, begun: true}
	case ct1Received:
		return shape{seed: true, ct1: true, sends: vectorChunks}
	case keySentCt1Received:
		return shape{seed: true, ct1: true, collects: ct2Chunks, begun: true}
	case noHeaderReceived:
		return shape{collects: headerChunks}
	case headerReceived:
		return shape{header: true}
	case ct1Sampled:
		return shape{header: true, entropy: true, sends: ct1Chunks, collects: vectorChunks}
	case keyReceivedCt1Sampled:
		return shape{header: true, entropy: true, vector: true, sends: ct1Chunks}
	case ct1Acknowledged:
		return shape{header: true, entropy: true, collects: vectorChunks, begun: true}
	case ct2Sampled:
		return shape{sends: ct2Chunks, keepSend: true}
	}
	return shape{}
}

// machine is the exchange of one ML-KEM key pair and ciphertext per epoch. Its
// value changes in two ways only, both at Commit: a count or a chunk is added,
// or the whole is replaced by the next phase's.
type machine struct {
	epoch uint64
	phase phase
	auth  authenticator

	seed [seedSize]byte // key side
	ct1  []byte

	header  [headerSize]byte // ciphertext side
	entropy [entropySize]byte
	vector  []byte

	sent    uint16  // index of the next chunk to send, wrapping around
	message []byte  // what is being sent; nil: to be made again when needed
	chunks  []chunk // what is being collected, all different

	keyVector []byte // key side, not stored: spares a key expansion in headerSent
}

// move is one planned step of a machine.
type move struct {
	kind   messageType
	chunk  chunk // sent, or collected
	emits  bool  // the next index of the message being sent is used up
	takes  bool  // chunk joins those collected
	next   *machine
	secret *[keySize]byte // of the key epoch that this step adds
}

func (m *machine) apply(mv *move) {
	if mv.emits {
		m.sent++
	}
	if mv.takes {
		m.chunks = append(m.chunks, mv.chunk)
	}
}

// in returns what the next phase starts from: the same epoch and authenticator.
func (m *machine) in(p phase) *machine {
	return &machine{epoch: m.epoch, phase: p, auth: m.auth}
}

// wipe forgets the secrets; slices are public and may live on in the next phase.
func (m *machine) wipe() {
	m.auth = authenticator{}
	m.seed = [seedSize]byte{}
	m.entropy = [entropySize]byte{}
}

// send plans what a message carries for the exchange.
func (m *machine) send(rand io.Reader) (mv move, err error) {
	switch m.phase {
	case keysUnsampled:
		return m.sampleKeys(rand)
	case headerReceived:
		return m.sampleCt1(rand)
	case keysSampled:
		return m.emit(typeHeader)
	case headerSent:
		return m.emit(typeVector)
	case ct1Received:
		return m.emit(typeVecAck)
	case keySentCt1Received:
		return move{kind: typeAck}, nil
	case ct1Sampled, keyReceivedCt1Sampled:
		return m.emit(typeCt1)
	case ct2Sampled:
		return m.emit(typeCt2)
	}
	return move{kind: typeNone}, nil
}

// emit plans the next chunk of the message being sent.
func (m *machine) emit(kind messageType) (move, error) {
	if m.message == nil {
		message, err := m.rebuild()
		if err != nil {
			return move{}, err
		}
		m.message = message
	}
	return move{kind: kind, chunk: encodeChunk(m.message, m.sent), emits: true}, nil
}

// rebuild makes the message being sent from what the phase keeps.
func (m *machine) rebuild() ([]byte, error) {
	if !m.phase.keySide() {
		_, ct1 := encapsulateFirst(&m.header, &m.entropy)
		return ct1, nil
	}
	keys, err := expandKey(&m.seed)
	if err != nil {
		return nil, err
	}
	if m.phase == keysSampled {
		return m.announce(keys), nil
	}
	return keys.vector, nil
}

// receive plans what a peer's header does to the exchange. Parts of an older
// epoch, and parts that the phase has no use for, do nothing.
func (m *machine) receive(h *header) (move, error) {
	if h.epoch > m.epoch {
		if m.phase != ct2Sampled || h.epoch-m.epoch != 1 {
			return move{}, ErrEpoch
		}
		next := m.in(keysUnsampled)
		next.epoch++
		return move{next: next}, nil
	}
	if h.epoch < m.epoch {
		return move{}, nil
	}
	if m.phase.keySide() {
		return m.receiveAsKeySide(h)
	}
	return m.receiveAsCiphertextSide(h)
}

// collect plans to keep a chunk. The message comes back when this chunk
// completes it; the plan is empty when the chunk is there already.
func (m *machine) collect(c *chunk) (mv move, message []byte) {
	if m.holds(c.index) {
		return move{}, nil
	}
	if len(m.chunks)+1 == m.phase.shape().collects {
		return move{}, decodeChunks(m.chunks, c)
	}
	return move{takes: true, chunk: *c}, nil
}

func (m *machine) holds(index uint16) bool {
	return slices.ContainsFunc(m.chunks, func(c chunk) bool { return c.index == index })
}

// begin starts collecting for phase m with its first chunk.
func (m *machine) begin(c *chunk) {
	m.chunks = append(make([]chunk, 0, m.phase.shape().collects), *c)
}

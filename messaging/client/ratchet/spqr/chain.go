package spqr

import "math"

const (
	// maxJump is Signal's limit of messages that one receive may skip.
	maxJump = 25_000
	// maxSelfJump stands in for it between devices of one person, where Signal
	// has no limit: about a second of work, so that a forged header cannot ask
	// for an hour of it.
	maxSelfJump = 1_000_000
	// maxStored is how far back a message key is kept, also Signal's number.
	maxStored = 2000
	// maxLinks: the key epoch of the last sent message, the one before it and
	// the one after it are all that can be alive.
	maxLinks = 3
)

// keyChain holds the message keys of the last few epochs, docs/protocol.md
// section 11. Key epoch e serves the messages whose header says e+1.
type keyChain struct {
	side      Direction
	nextRoot  [keySize]byte
	epoch     uint64 // key epoch of the last link
	sendEpoch uint64 // key epoch of the last message sent
	links     []*link
}

// link is one key epoch: a chain of keys in each direction.
type link struct {
	send, recv ratchet
	stored     storedKeys // skipped on recv
}

// ratchet is a chain key and the number of message keys drawn from it.
type ratchet struct {
	key     [keySize]byte
	counter uint32
}

// next moves one message on and returns its key.
func (r *ratchet) next() (key [keySize]byte, err error) {
	if r.counter == math.MaxUint32 {
		return key, ErrExhausted
	}
	r.counter++
	r.key, key = nextKey(&r.key, r.counter)
	return key, nil
}

// newKeyChain starts key epoch 0 from the handshake's key.
func newKeyChain(authKey *[keySize]byte, side Direction) *keyChain {
	c := &keyChain{side: side, links: make([]*link, 0, maxLinks+1)}
	var zero [keySize]byte
	c.links = append(c.links, c.newLink(&c.nextRoot, &zero, authKey, labelStart))
	return c
}

// newLink derives the next root and both directions of a key epoch.
func (c *keyChain) newLink(root, salt, ikm *[keySize]byte, label string) *link {
	var okm [3 * keySize]byte
	derive(okm[:], salt, ikm[:], label)
	l := new(link)
	forth, back := &l.send, &l.recv
	if c.side == Responder {
		forth, back = back, forth
	}
	copy(root[:], okm[:])
	copy(forth.key[:], okm[keySize:])
	copy(back.key[:], okm[2*keySize:])
	clear(okm[:])
	return l
}

// link returns a key epoch that is still kept, or nil.
func (c *keyChain) link(epoch uint64) *link {
	if back := c.epoch - epoch; epoch <= c.epoch && back < uint64(len(c.links)) {
		return c.links[len(c.links)-1-int(back)]
	}
	return nil
}

// chainMove is one planned use of a key chain.
type chainMove struct {
	epoch  uint64
	send   bool
	after  ratchet     // the chain that moved on; counter 0 when none did
	stored []storedKey // skipped on the way
	taken  uint32      // index of the stored key that was used; 0 when none was

	// A new key epoch, added before the use.
	added *link
	root  [keySize]byte
}

func (m *chainMove) wipe() {
	m.after, m.root = ratchet{}, [keySize]byte{}
	clear(m.stored)
}

// grow plans a new key epoch out of an epoch secret.
func (c *keyChain) grow(m *chainMove, secret *[keySize]byte) {
	m.added = c.newLink(&m.root, &c.nextRoot, secret, labelAddEpoch)
}

// planSend plans the next key of a key epoch and returns it with its index.
func (c *keyChain) planSend(m *chainMove, epoch uint64) (key [keySize]byte, index uint32, err error) {
	l := c.link(epoch)
	if l == nil || epoch < c.sendEpoch {
		return key, 0, errChain
	}
	m.epoch, m.send, m.after = epoch, true, l.send
	key, err = m.after.next()
	return key, m.after.counter, err
}

// planReceive plans the use of one key of the peer's.
func (c *keyChain) planReceive(m *chainMove, epoch uint64, index, jump uint32) (key [keySize]byte, err error) {
	l := c.link(epoch)
	switch {
	case l == nil:
		return key, ErrKeyExpired
	case index == l.recv.counter:
		return key, ErrKeyUsed
	case index < l.recv.counter:
		m.epoch, m.taken = epoch, index
		return l.recallKey(index)
	case index-l.recv.counter > jump:
		return key, ErrTooFarAhead
	}
	m.epoch, m.after = epoch, l.recv
	if kept := min(index-l.recv.counter-1, maxStored); kept > 0 {
		m.stored = make([]storedKey, 0, kept)
	}
	for m.after.counter < index-1 {
		if key, err = m.after.next(); err != nil {
			return key, err
		}
		if index-m.after.counter <= maxStored {
			m.stored = append(m.stored, storedKey{m.after.counter, key})
		}
	}
	return m.after.next()
}

func (l *link) recallKey(index uint32) (key [keySize]byte, err error) {
	if l.recv.counter-index > maxStored {
		return key, ErrKeyExpired
	}
	at, found := l.stored.find(index)
	if !found {
		return key, ErrKeyUsed
	}
	return l.stored[at].key, nil
}

// apply carries out a plan; it cannot fail.
func (c *keyChain) apply(m *chainMove) {
	if m.added != nil {
		c.links = append(c.links, m.added)
		c.epoch++
		c.nextRoot = m.root
	}
	switch l := c.link(m.epoch); {
	case m.send:
		l.send = m.after
		c.sendFrom(m.epoch)
	case m.taken != 0:
		l.stored.drop(m.taken)
	case m.after.counter != 0:
		l.recv = m.after
		l.stored.expire(m.after.counter)
		l.stored = append(l.stored, m.stored...)
	}
	m.wipe()
}

// sendFrom gives up the key epochs before the last one and the sending chains
// of all that precede the one we now send with.
func (c *keyChain) sendFrom(epoch uint64) {
	if epoch == c.sendEpoch {
		return
	}
	c.sendEpoch = epoch
	drop := int(epoch - 1 - c.firstEpoch())
	for _, l := range c.links[:drop] {
		l.wipe()
	}
	kept := copy(c.links, c.links[drop:])
	clear(c.links[kept:])
	c.links = c.links[:kept]
	c.link(epoch - 1).send = ratchet{}
}

func (c *keyChain) firstEpoch() uint64 { return c.epoch + 1 - uint64(len(c.links)) }

func (c *keyChain) wipe() {
	c.nextRoot = [keySize]byte{}
	for _, l := range c.links {
		l.wipe()
	}
}

func (l *link) wipe() {
	clear(l.stored)
	*l = link{}
}

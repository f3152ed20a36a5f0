package spqr

import (
	"fmt"
	"io"

	"github.com/sottochat/sotto/messaging"
)

// Step is one send or receive, worked out but not yet done: the State it came
// from is unchanged until Commit. Copies of a Step are the same step.
type Step struct{ ref **plan }

// plan is what Commit does.
type plan struct {
	self   *plan // what a Step points to: fmt does not follow two pointers
	state  *State
	serial uint64

	key    [keySize]byte
	keyed  bool
	length uint8
	header [maxHeader]byte

	off       bool      // turn SPQR off for good
	agreed    bool      // a message was received
	fresh     *keyChain // made when the first message was received
	move      move
	chainMove chainMove
}

func (s *State) newPlan() *plan {
	p := &plan{state: s, serial: s.serial}
	p.self = p
	return p
}

// Send plans the next message to the peer. rand is read for 64 bytes when a key
// pair is made, for 32 when a ciphertext is, and else not at all.
func (s *State) Send(rand io.Reader) (Step, error) {
	p := s.newPlan()
	if s.off {
		return Step{&p.self}, nil
	}
	var err error
	if p.move, err = s.machine.send(rand); err != nil {
		return Step{}, err
	}
	h := header{epoch: s.machine.epoch, kind: p.move.kind, chunk: p.move.chunk}
	if s.chain != nil {
		if p.move.secret != nil {
			s.chain.grow(&p.chainMove, p.move.secret)
			clear(p.move.secret[:])
		}
		p.key, h.index, err = s.chain.planSend(&p.chainMove, h.epoch-1)
		p.keyed = true
	} else if p.move.secret != nil {
		err = errChain
	}
	if err != nil {
		return Step{}, err
	}
	p.length = uint8(len(h.append(p.header[:0])))
	return Step{&p.self}, nil
}

// Receive plans the arrival of a message with this header, which is empty when
// the message has none. The plan may be committed only when the message's MAC,
// made with the Step's key, is right.
func (s *State) Receive(header []byte) (Step, error) {
	p := s.newPlan()
	var err error
	switch version := headerVersion(header); {
	case s.off, version > version1:
	case version < version1:
		err = p.downgrade()
	default:
		err = p.receive(header)
	}
	if err != nil {
		return Step{}, messaging.Invalid(err)
	}
	return Step{&p.self}, nil
}

func (p *plan) downgrade() error {
	switch p.state.agreement {
	case agreed:
		return ErrVersion
	case demanded:
		return ErrMinimumVersion
	}
	p.off = true
	return nil
}

func (p *plan) receive(b []byte) error {
	s := p.state
	h, err := parseHeader(b)
	if err != nil {
		return err
	}
	if p.move, err = s.machine.receive(&h); err != nil {
		return err
	}
	p.agreed = true
	chain := s.chain
	if chain == nil {
		chain = newKeyChain(s.authKey, s.side)
		p.fresh = chain
	}
	if p.move.secret != nil {
		chain.grow(&p.chainMove, p.move.secret)
		clear(p.move.secret[:])
	}
	if h.epoch == 1 && h.index == 0 {
		return nil // sent while its sender left the version open
	}
	p.keyed = true
	p.key, err = chain.planReceive(&p.chainMove, h.epoch-1, h.index, s.jump())
	return err
}

func (s *State) jump() uint32 {
	if s.self {
		return maxSelfJump
	}
	return maxJump
}

// plan returns nil for the zero Step.
func (st *Step) plan() *plan {
	if st.ref == nil {
		return nil
	}
	return *st.ref
}

// Header returns what travels with the message that is sent; it is nil for a
// receive and when SPQR is off.
func (st *Step) Header() []byte {
	if p := st.plan(); p != nil && p.length > 0 {
		return p.header[:p.length]
	}
	return nil
}

// Key returns the salt of the message keys (docs/protocol.md section 10); ok is
// false when there is none.
func (st *Step) Key() (key [32]byte, ok bool) {
	if p := st.plan(); p != nil {
		return p.key, p.keyed
	}
	return key, false
}

// Stale tells whether Commit would do nothing: this step or another one of the
// same State was committed since it was planned.
func (st *Step) Stale() bool {
	p := st.plan()
	return p == nil || p.serial != p.state.serial
}

// Commit applies the step to the State it came from, once. A stale step is left
// alone: of several steps planned from the same State, the first commit counts.
// Header and Key stay readable.
func (st *Step) Commit() {
	if st.Stale() {
		return
	}
	p := st.plan()
	s := p.state
	s.serial++
	if p.off {
		s.turnOff()
	}
	if s.off {
		return
	}
	if p.fresh != nil {
		s.chain = p.fresh
		clear(s.authKey[:])
		s.authKey = nil
	}
	if p.agreed {
		s.agreement = agreed
	}
	if s.chain != nil {
		s.chain.apply(&p.chainMove)
	}
	s.machine.apply(&p.move)
	if p.move.next != nil {
		s.machine.wipe()
		s.machine = p.move.next
	}
}

// Format prints no part of the step, whatever the verb.
func (Step) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "spqr.Step") }

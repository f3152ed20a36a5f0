//go:build !js

package interop_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/session"
)

// theirs is a device that the peer runs.
type theirs struct {
	*process
	t        *testing.T
	at       messaging.Address
	remote   messaging.Address // ours
	flag     bool
	identity []byte
	id       uint32 // registration id
	now      time.Time
}

func newTheirs(t *testing.T, p *process, at messaging.Address, flag bool) *theirs {
	t.Helper()
	r := &theirs{process: p, t: t, at: at, flag: flag, now: noon}
	var made struct {
		RegistrationID uint32
		IdentityPublic []byte
	}
	r.do("newIdentity", partyOf(at), &made)
	r.identity, r.id = made.IdentityPublic, made.RegistrationID
	return r
}

func (r *theirs) String() string             { return "the peer" }
func (r *theirs) address() messaging.Address { return r.at }
func (r *theirs) wait(d time.Duration)       { r.now = r.now.Add(d) }

// request holds the parameters of all commands that concern two parties.
type request struct {
	Local        party   `json:"local"`
	Remote       party   `json:"remote"`
	Bundle       *bundle `json:"bundle,omitempty"`
	Session      []byte  `json:"session,omitempty"`
	Now          int64   `json:"now,omitempty"` // milliseconds
	UsePqRatchet bool    `json:"usePqRatchet,omitempty"`
}

func (r *theirs) request() request {
	return request{Local: partyOf(r.at), Remote: partyOf(r.remote), UsePqRatchet: r.flag, Now: r.now.UnixMilli()}
}

// try makes a request that the peer may refuse.
func (r *theirs) try(cmd string, params, result any) error {
	r.t.Helper()
	err := r.call(cmd, params, result)
	var refused *refusal
	if err != nil && !errors.As(err, &refused) {
		r.t.Fatalf("%s: %v", cmd, err)
	}
	return err
}

// do makes a request that the peer may not refuse.
func (r *theirs) do(cmd string, params, result any) {
	r.t.Helper()
	if err := r.call(cmd, params, result); err != nil {
		r.t.Fatalf("%s: %v", cmd, err)
	}
}

func (r *theirs) bundle(of offer) bundle {
	r.t.Helper()
	var made struct{ Bundle bundle }
	r.do("bundle", struct {
		party
		OneTime         bool `json:"oneTime"`
		LastResortKyber bool `json:"lastResortKyber"`
	}{partyOf(r.at), of.oneTime, of.lastResort}, &made)
	return made.Bundle
}

func (r *theirs) start(b bundle) error {
	r.t.Helper()
	q := r.request()
	q.Bundle = &b
	return r.try("processBundle", q, nil)
}

func (r *theirs) encrypt(plaintext []byte) (m session.Message, err error) {
	r.t.Helper()
	var made struct {
		Type session.Kind
		Body []byte
	}
	err = r.try("encrypt", struct {
		request
		Plaintext []byte `json:"plaintext"`
	}{r.request(), append([]byte{}, plaintext...)}, &made)
	return session.Message{Kind: made.Type, Body: made.Body}, err
}

func (r *theirs) decrypt(m session.Message) ([]byte, error) { return r.decryptFrom(r.remote, m) }

// decryptFrom decrypts a message that is said to come from an address.
func (r *theirs) decryptFrom(from messaging.Address, m session.Message) ([]byte, error) {
	r.t.Helper()
	var got struct{ Plaintext []byte }
	q := r.request()
	q.Remote = partyOf(from)
	err := r.try("decrypt", struct {
		request
		Type session.Kind `json:"type"`
		Body []byte       `json:"body"`
	}{q, m.Kind, append([]byte{}, m.Body...)}, &got)
	return got.Plaintext, err
}

func (r *theirs) archive() { r.t.Helper(); r.do("archiveSession", r.request(), nil) }
func (r *theirs) forget()  { r.t.Helper(); r.do("deleteSession", r.request(), nil) }

func (r *theirs) export() []byte {
	r.t.Helper()
	var got struct{ Session []byte }
	r.do("exportSession", r.request(), &got)
	return got.Session
}

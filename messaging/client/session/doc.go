// Package session keeps the sessions with each device of a peer and with one's
// own other devices, as Sesame does: which session encrypts, which one opens an
// incoming message, how a handshake becomes a session, how two devices that
// start at once end on one session, when a session is too old to be used.
//
// Everything is a function of its arguments: a Record is never changed, each
// call returns the Record to save and nothing is to be saved when it returns an
// error. The package stores nothing, reads no clock, knows no network, no device
// log and no content. docs/protocol.md section 12 rules it.
package session

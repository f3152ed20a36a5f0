// Package handshake is PQXDH, both sides: it turns a verified bundle into the
// secrets of a new session and the PreKeySignalMessage that lets the peer derive
// the same. It keeps nothing, decides about no session and deletes no prekey;
// package session does. docs/protocol.md section 9 and Signal's PQXDH
// specification (revision 3) rule it.
package handshake

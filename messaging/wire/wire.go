// Package wire turns the frames that a client device and the server exchange
// over one WebSocket into bytes and back. The contract is sotto.proto beside
// this file, with the canonical form stated at its head; docs/protocol.md
// section 13 says when which frame is sent. The codecs are written by hand on
// protowire: no reflection, so that the browser build stays small and the
// relay's hot path allocates nothing.
//
// It is not a transport (no socket, no clock), it keeps no state, and it judges
// no signature: whoever uses a key or a log entry verifies it first.
//
// Reading. ParseClient and ParseServer read a whole frame. A relay that wants
// to reuse its memory splits the frame (SplitClient) and parses the body into a
// value that it keeps (Send.Parse, Ack.Parse). Every parser refuses what is not
// canonical or is above a ceiling of limits.go, before it allocates, with
// messaging.Invalid and one of the Err… reasons of errors.go; the value is then
// in no defined state.
//
// Writing. AppendClient and AppendServer append a frame to a buffer. They write
// what they are given: keeping the ceilings is the caller's part, and a value
// out of them makes a frame that the other side refuses.
//
// Ownership. Byte slices of a parsed value point into the parsed bytes, and a
// value that is parsed into again reuses its own slices. Both stay valid until
// the buffer, or the value, is used for the next frame; whoever keeps a body
// longer copies it. Nothing here ever writes into the parsed bytes.
package wire

// Version is the version of the contract in this package.
const Version = 1

// Subprotocol is the WebSocket subprotocol that client and server agree on. It
// stands in headers of a tenant's domain and so carries no product name.
const Subprotocol = "chat.v1"

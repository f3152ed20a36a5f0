// Package client is one device of one account: it founds or joins the account,
// writes and reads messages, keeps prekeys in stock, follows the device logs,
// heals what did not decrypt, links further devices and hands them the history.
// docs/protocol.md sections 2, 3, 6 and 8 rule it.
//
// It is no user interface and no network: a Transport carries the frames of
// package wire, and what a screen shows is read with Chats and Conversation and
// announced by events. Time and randomness are given to it.
//
// # Who owns what
//
// All state belongs to a device, a machine without goroutines, clock or I/O but
// the vault: a frame, a call or a tick goes in, one vault commit is made, and
// the frames that may leave after it come out. Client runs one device on one
// goroutine and makes its methods safe to call from anywhere.
//
// # Order of writes
//
//   - Receiving: the message, the session after it, the prekeys that it used up
//     and the receipt that is due are one commit; only then the Ack leaves.
//   - Sending: what the member wrote is committed to the outbox; then the
//     ciphertexts and the sessions after them are one commit; only then the Send
//     leaves. A crash repeats a Send byte for byte, under its id.
//   - Keys are committed before their public halves leave.
//
// After an error of the vault the device is dead: nobody knows what a crash
// would leave, so it must be opened again.
package client

package client

import (
	"time"

	"github.com/sottochat/sotto/messaging/wire"
)

const (
	// PrekeyStock is how many one-time keys of each kind a device keeps with the
	// server, and prekeyLow the count below which it fills up (docs/protocol.md
	// section 3).
	PrekeyStock = wire.MaxPreKeys
	prekeyLow   = 25

	// rotateAfter is the age at which the signed and the last-resort prekey are
	// replaced, keepReplaced how long the old ones still open handshakes
	// (docs/protocol.md section 3).
	rotateAfter  = 7 * 24 * time.Hour
	keepReplaced = 30 * 24 * time.Hour

	// restockPause lies between two makings of prekeys on one connection: a server
	// that never counts what it got costs a batch each time, not a core.
	restockPause = 10 * time.Second

	// keepSent is how long what was sent can be sent again: a day more than the
	// server may hold an envelope, so that whoever fetches it last can still ask.
	keepSent = wire.MaxExpirySeconds*time.Second + 24*time.Hour

	// healPerHour bounds, for each peer, the requests to send again that are made
	// and those that are answered: a backlog of a broken session is one
	// afternoon's work, and a server that forges requests gets no flood out of it.
	healPerHour = 60
	// healAgain is when an unanswered request is repeated, healTries how often
	// it is made, healGiveUp the age at which the member is told. The sender's
	// device may sleep for a night; what it sends later still takes its place.
	healAgain  = time.Hour
	healTries  = 4
	healGiveUp = 24 * time.Hour

	// unseenAfter is the age of the last sign of life after which a device drops
	// out of the log; the member is warned on all others unseenWarning before
	// (docs/protocol.md section 3).
	unseenAfter   = 45 * 24 * time.Hour
	unseenWarning = 7 * 24 * time.Hour

	// receiptDelay gathers receipts: one for each message would tell the server
	// who reads how fast.
	receiptDelay = 2 * time.Second

	// retryAfter is the pause before something is tried again that the server
	// could not do, and gave no time for.
	retryAfter = 30 * time.Second

	// listingSlack is how far the server's time of arrival may lie outside of the
	// time in which the log lists the sender: the server rounds to a minute, and
	// the times in a log are those of the members' clocks.
	listingSlack = 5 * time.Minute

	// entryAge is the age at which an entry that was not taken is signed anew.
	entryAge = time.Minute

	// maxStale is how many refusals as stale a send takes without a pause: the
	// devices of both accounts can change that often while it is on its way.
	maxStale = 8

	// maxBatch is how many envelopes go into one commit: 64 bodies at their
	// ceiling are 1.5 MiB, far below vault.MaxBatch.
	maxBatch = 64

	// exportTries is how often an export of history is begun again because the
	// history changed while it was written.
	exportTries = 3

	// timelineStart is the position before a chat's first message: history that
	// comes later counts down from here. It leaves 2^32 places on one side, and
	// stays below 2^53 on the other.
	timelineStart = 1 << 32

	// maxInbox bounds the envelopes that wait for a log: more than a server
	// delivers ahead of acks.
	maxInbox = 2048

	// maxReports bounds the heads that wait for a log to be fetched.
	maxReports = 16

	// maxEvents is how many events wait for a slow screen; above, they are
	// dropped and one EventResync takes their place.
	maxEvents = 512

	// sessionRoom is what a session adds to a padded content at most: the
	// handshake's KEM ciphertext and keys (1.7 KiB), header, addresses, MAC and
	// the post-quantum ratchet's chunk.
	sessionRoom = 2 << 10
)

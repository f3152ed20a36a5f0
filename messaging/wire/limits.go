package wire

// The ceilings of the contract. Each number also stands in sotto.proto, and a
// test holds the two together.
const (
	// MaxFrame bounds the bytes of a frame in either direction: a full set of
	// MaxEnvelopes bodies of MaxBody is 416 KiB, the rest is their headers. It is
	// also the read limit to set on the WebSocket. Media never travels here.
	MaxFrame = 430 << 10

	// MaxBody bounds the ciphertext for one device: 16 KiB of text with what a
	// content adds pads to 23,200 bytes, and the handshake's KEM ciphertext and
	// keys in front of the first messages take under 2 KiB.
	MaxBody = 26 << 10

	// MaxPlaintextBody bounds a request to send again, which travels outside any
	// session: it needs a message id and a ratchet key, and the low ceiling keeps
	// a faulty client from leaking content through it.
	MaxPlaintextBody = 512

	// MaxEnvelopes bounds one send: 8 devices of the peer, 7 others of the
	// sender, and one more so that the number is a power of two.
	MaxEnvelopes = 16

	// MaxDeliver bounds one batch: with 1 KiB bodies about 300 KB, so that a
	// drained backlog costs few frames and one batch stays below MaxFrame.
	MaxDeliver = 256

	// MaxAck bounds one Ack, and one Accepted: what one Deliver can hold.
	MaxAck = 256

	// DeliveredOverhead bounds the bytes that an envelope takes in a Deliver
	// beside its body, and FrameOverhead what the frame takes around all of them,
	// so that a sender can stop a batch before MaxFrame without encoding it.
	DeliveredOverhead = 96
	FrameOverhead     = 24

	// MaxVersions and MaxVersion bound the versions a client may offer: more than
	// will ever be served at once, in one byte each.
	MaxVersions = 8
	MaxVersion  = 255

	// MaxBuild bounds the client's name for itself, MaxLabel a placement's name:
	// one line of text.
	MaxBuild = 64
	MaxLabel = 64

	// MinTicket is 128 bits, below which a bearer secret may be guessed.
	// MaxTicket and MaxResume leave room for a keyed token.
	MinTicket = 16
	MaxTicket = 64
	MaxResume = 64

	// MaxExpirySeconds is 45 days: a device unseen for so long leaves the log
	// (docs/protocol.md section 3), so nothing need wait longer for it.
	MaxExpirySeconds = 45 * 24 * 3600

	// MaxRegistrationID is 14 bits, as in Signal's libraries.
	MaxRegistrationID = 1<<14 - 1

	// Sizes of public keys and signatures (docs/protocol.md section 8).
	ECKeySize     = 33       // type byte, X25519 public key
	KEMKeySize    = 1 + 1568 // type byte, ML-KEM-1024 encapsulation key
	SignatureSize = 64       // XEdDSA
	HashSize      = 32       // SHA-256
	SlotSize      = 32       // derived from the link secret

	// MaxPreKeys is how many one-time keys of a kind a device publishes at once
	// (docs/protocol.md section 3); with KEM keys 165 KB.
	MaxPreKeys = 100

	// MaxBundles is messaging.MaxDevices.
	MaxBundles = 8

	// MaxKeyCount bounds a count of stored keys: far above what a server keeps.
	MaxKeyCount = 1<<16 - 1

	// MaxEntry bounds a device log entry: two signatures, a few keys and ids are
	// under half of it. MaxEntries makes a page of at most 64 KiB.
	MaxEntry   = 1 << 10
	MaxEntries = 64

	// MinToken and MaxToken bound the random part of an invite's path: at least
	// 128 bits, and at most what leaves the link within a version 6 QR code.
	MinToken = 16
	MaxToken = 32

	// MaxQuote bounds a signed quote: price, rule, expiry and a MAC.
	MaxQuote = 512

	// MaxCursor bounds a page cursor: a sort key and a MAC.
	MaxCursor = 128

	// MaxPage bounds a page of chats or invites: about 20 KB.
	MaxPage = 100

	// MaxSlotPayload bounds what two devices leave for each other while linking: a
	// device's keys with its one-time EC keys, or a reference to the history blob.
	MaxSlotPayload = 64 << 10

	// MaxInviteSeconds is ten years, MaxUses a million chats through one invite:
	// beyond either, none at all is meant.
	MaxInviteSeconds = 10 * 365 * 24 * 3600
	MaxUses          = 1_000_000

	// MaxWindow bounds the counts in Limits, MaxPingMS (one hour) the ping
	// interval there: nothing useful is above.
	MaxWindow = 1<<16 - 1
	MaxPingMS = 3_600_000

	// MaxRetryMS is one day: a longer wait is no wait but a refusal.
	MaxRetryMS = 86_400_000

	// MaxDrainMS is ten minutes: a restart that takes longer is an outage.
	MaxDrainMS = 600_000

	// MaxNumber bounds every 64-bit number: PostgreSQL's bigint has a sign.
	MaxNumber = 1<<63 - 1

	// MaxOpenEnum bounds enum values that this version does not know.
	MaxOpenEnum = 1<<16 - 1

	// MaxUnknown bounds the unknown fields that one message may carry: more than
	// a later version would add, few enough to cost nothing.
	MaxUnknown = 32

	maxUint32 = 1<<32 - 1
	idSize    = 16
)

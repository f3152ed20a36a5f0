package wire

import (
	"bytes"

	"github.com/sottochat/sotto/messaging"
)

func sampleHead(n byte) LogHead {
	return LogHead{Sequence: uint64(n), Hash: [HashSize]byte(bytes.Repeat([]byte{n}, HashSize))}
}

// sampleSend is a full set: 8 devices of the peer, 7 of the sender's own, one more.
func sampleSend(body int) *Send {
	m := &Send{
		MessageID: messaging.MessageID{1},
		ChatID:    messaging.ChatID{2},
		OwnHead:   sampleHead(3),
		PeerHead:  sampleHead(4),
	}
	for i := range MaxEnvelopes {
		side := SidePeer
		if i >= messaging.MaxDevices {
			side = SideOwn
		}
		m.Envelopes = append(m.Envelopes, Envelope{
			Side: side, Device: messaging.DeviceID(i + 1), RegistrationID: uint16(1000 + i),
			Type: TypeSignal, Body: bytes.Repeat([]byte{byte(i)}, body),
		})
	}
	return m
}

func sampleDeliver(envelopes, body int) *Deliver {
	m := &Deliver{}
	for i := range envelopes {
		m.Envelopes = append(m.Envelopes, Delivered{
			Position: 1e12 + uint64(i), SenderAccount: messaging.AccountID{5}, SenderDevice: 7,
			ChatID: messaging.ChatID{2}, MessageID: messaging.MessageID{byte(i), 1}, ServerTime: 1_800_000_000,
			Type: TypeSignal, Body: bytes.Repeat([]byte{byte(i)}, body),
		})
	}
	return m
}

func sampleAck(n int) *Ack {
	m := &Ack{}
	for i := range n {
		m.Positions = append(m.Positions, 1e12+2*uint64(i))
	}
	return m
}

func sampleEC(id uint32) ECPreKey {
	return ECPreKey{ID: id, PublicKey: bytes.Repeat([]byte{5}, ECKeySize)}
}

func sampleSigned(id uint32) SignedPreKey {
	return SignedPreKey{ID: id, PublicKey: bytes.Repeat([]byte{5}, ECKeySize), Signature: bytes.Repeat([]byte{6}, SignatureSize)}
}

func sampleKEM(id uint32, last bool) KEMPreKey {
	return KEMPreKey{ID: id, PublicKey: bytes.Repeat([]byte{0x0A}, KEMKeySize), Signature: bytes.Repeat([]byte{6}, SignatureSize), LastResort: last}
}

func sampleBundle(device messaging.DeviceID) Bundle {
	return Bundle{
		RegistrationID: 4242, Device: device, IdentityKey: bytes.Repeat([]byte{5}, ECKeySize),
		SignedPrekey: sampleSigned(11), OneTimeEC: sampleEC(12), KEMPrekey: sampleKEM(13, true),
	}
}

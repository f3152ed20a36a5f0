package client

import (
	"encoding/binary"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/key"
)

// Keys of this package's records in the vault (docs/protocol.md section 14). The
// first byte separates the uses that share a kind.
const (
	selfRecord   = "self"   // KindIdentity
	intentRecord = "intent" // KindIdentity: a log entry on its way

	prekeyCurve  = 'e' // KindPrekey + id
	prekeyKEM    = 'k' // + id
	prekeySigned = 's' // + id
	prekeyLast   = 'l' // + id
	prekeySeen   = 'u' // + KEM id, signed id, base key
	prekeyUpload = 'p' // the upload that waits for its answer

	rowPlace  = 'm' // KindMessage + chat, position
	rowIndex  = 'i' // + chat, sender, message
	rowEffect = 'x' // + chat, target, author, message
	rowExpiry = 'e' // + time, chat, position
	rowOrphan = 'o' // + chat, number

	boxQueue   = 'q' // KindOutbox + sequence
	boxSent    = 's' // + message id of the send
	boxSentAge = 't' // + time, message id of the send
	boxReceipt = 'r' // + chat, message
	boxMissing = 'w' // + sender, message id of the send
)

func keyOf(prefix byte, parts ...[]byte) []byte {
	k := []byte{prefix}
	for _, p := range parts {
		k = append(k, p...)
	}
	return k
}

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// under is the range of all keys that begin with prefix.
func under(prefix []byte) vault.Range {
	to := append([]byte(nil), prefix...)
	for i := len(to) - 1; i >= 0; i-- {
		to[i]++
		if to[i] != 0 {
			return vault.Range{From: prefix, To: to[:i+1]}
		}
	}
	return vault.Range{From: prefix}
}

func addressKey(a messaging.Address) []byte {
	return append(append(make([]byte, 0, 17), a.Account[:]...), byte(a.Device))
}

func logKey(a messaging.AccountID, sequence uint64) []byte {
	return append(append(make([]byte, 0, 24), a[:]...), be64(sequence)...)
}

func prekeyKey(prefix byte, id key.PreKeyID) []byte { return keyOf(prefix, be32(uint32(id))) }

func rowKey(chat messaging.ChatID, position uint64) []byte {
	return keyOf(rowPlace, chat[:], be64(position))
}

func indexKey(chat messaging.ChatID, sender messaging.AccountID, id messaging.MessageID) []byte {
	return keyOf(rowIndex, chat[:], sender[:], id[:])
}

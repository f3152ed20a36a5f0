package content

import "google.golang.org/protobuf/encoding/protowire"

// Kind is the number of a kind of content: its field in Content of
// content.proto.
type Kind uint16

// The kinds. What each is for stands at the type of the same name.
const (
	KindText     Kind = 16
	KindMedia    Kind = 17
	KindReceipt  Kind = 18
	KindTyping   Kind = 19
	KindEdit     Kind = 20
	KindDelete   Kind = 21
	KindReaction Kind = 22
	KindTimer    Kind = 23
	KindProfile  Kind = 24

	KindSent         Kind = 32
	KindReadMarks    Kind = 33
	KindSettings     Kind = 34
	KindVerified     Kind = 35
	KindChatStates   Kind = 36
	KindHistoryOffer Kind = 37

	KindLogNotice  Kind = 48
	KindRetry      Kind = 49
	KindEndSession Kind = 50

	// minKind to maxKind are kinds, known or not (content.proto, "Kinds").
	minKind Kind = 16
	maxKind Kind = 511
	// maxFieldKind stands for every field number above the kinds.
	maxFieldKind = protowire.Number(maxKind) + 1
)

// InChat reports whether a kind belongs to a chat with a peer.
func (k Kind) InChat() bool { return k >= KindText && k <= KindProfile }

// OwnDevices reports whether a kind is said among the devices of one account
// only. From another account it is to be refused.
func (k Kind) OwnDevices() bool { return k >= KindSent && k <= KindHistoryOffer }

// Known reports whether this version can read the kind.
func (k Kind) Known() bool {
	return k.InChat() || k.OwnDevices() || k >= KindLogNotice && k <= KindEndSession
}

// Stored reports whether the content is kept in the vault. Typing is not, and
// the kinds that are about sessions have done their work when they are read.
func (k Kind) Stored() bool {
	return k != KindTyping && k != KindRetry && k != KindEndSession && k >= minKind && k <= maxKind
}

// WantsReceipt reports whether delivery is answered with a Receipt: only what a
// member wrote. Unknown kinds are not, or else a stranger could ring a device
// without showing anything (and a receipt could answer a receipt).
func (k Kind) WantsReceipt() bool { return k == KindText || k == KindMedia }

// decodeBody reads the fields of a body of the given kind.
func decodeBody(kind Kind, f *fields) Body {
	switch kind {
	case KindText:
		return decodeText(f)
	case KindMedia:
		return decodeMedia(f)
	case KindReceipt:
		return decodeReceipt(f)
	case KindTyping:
		return decodeTyping(f)
	case KindEdit:
		return decodeEdit(f)
	case KindDelete:
		return decodeDelete(f)
	case KindReaction:
		return decodeReaction(f)
	case KindTimer:
		return decodeTimer(f)
	case KindProfile:
		return decodeProfile(f)
	default:
		return decodeRare(kind, f)
	}
}

// decodeRare is decodeBody for what is not said in a chat.
func decodeRare(kind Kind, f *fields) Body {
	switch kind {
	case KindSent:
		return decodeSent(f)
	case KindReadMarks:
		return decodeReadMarks(f)
	case KindSettings:
		return decodeSettings(f)
	case KindVerified:
		return decodeVerified(f)
	case KindChatStates:
		return decodeChatStates(f)
	case KindHistoryOffer:
		return decodeHistoryOffer(f)
	case KindLogNotice:
		return decodeLogNotice(f)
	case KindRetry:
		return decodeRetry(f)
	case KindEndSession:
		return decodeEndSession(f)
	default:
		return decodeUnknown(kind, f)
	}
}

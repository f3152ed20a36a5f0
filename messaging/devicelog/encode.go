package devicelog

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// Field numbers of entry.proto.
const (
	fieldTag            protowire.Number = 1
	fieldVersion        protowire.Number = 2
	fieldTenant         protowire.Number = 3
	fieldAccount        protowire.Number = 4
	fieldSequence       protowire.Number = 5
	fieldPrevious       protowire.Number = 6
	fieldAction         protowire.Number = 7
	fieldDevice         protowire.Number = 8
	fieldRegistrationID protowire.Number = 9
	fieldIdentityKey    protowire.Number = 10
	fieldLogKey         protowire.Number = 11
	fieldRecoveryKey    protowire.Number = 12
	fieldSigner         protowire.Number = 13
	fieldTime           protowire.Number = 14
	fieldExpiry         protowire.Number = 15
	fieldSignature      protowire.Number = 16
	fieldReverse        protowire.Number = 17
)

// text returns the signed text: the canonical form of fields 1 to 15. Which
// fields there are follows from the sequence and the action alone.
func (e *Entry) text() []byte {
	b := make([]byte, 0, 512)
	b = appendBytes(b, fieldTag, []byte(tag))
	b = appendNumber(b, fieldVersion, version)
	b = appendBytes(b, fieldTenant, e.Tenant[:])
	b = appendBytes(b, fieldAccount, e.Account[:])
	b = appendNumber(b, fieldSequence, e.Sequence)
	if e.Sequence > 0 {
		b = appendBytes(b, fieldPrevious, e.Previous[:])
	}
	b = appendNumber(b, fieldAction, uint64(e.Action))
	if e.Action != ActionRecovery {
		b = appendNumber(b, fieldDevice, uint64(e.Device))
	}
	if e.Action.joins() {
		b = appendNumber(b, fieldRegistrationID, uint64(e.RegistrationID))
		b = appendBytes(b, fieldIdentityKey, e.Identity.Bytes())
		b = appendBytes(b, fieldLogKey, e.LogKey[:])
	}
	if e.Action == ActionRecovery {
		b = appendBytes(b, fieldRecoveryKey, e.RecoveryKey[:])
	}
	b = appendNumber(b, fieldSigner, uint64(e.Signer))
	b = appendNumber(b, fieldTime, e.TimeMS)
	if e.Action.joins() {
		b = appendNumber(b, fieldExpiry, e.ExpiryMS)
	}
	return b
}

// encode returns the canonical form of the whole entry.
func (e *Entry) encode() []byte {
	b := appendBytes(e.text(), fieldSignature, e.signature[:])
	if _, _, ok := e.reversed(); ok {
		b = appendBytes(b, fieldReverse, e.reverse[:])
	}
	return b
}

func appendNumber(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func appendBytes(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

// decode reads known fields of the right type and length in any form; that the
// form was canonical, the caller finds by encoding the result again.
func decode(b []byte) (e Entry, err error) {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return e, ErrEncoding
		}
		b = b[size:]
		switch typ {
		case protowire.VarintType:
			var v uint64
			if v, size = protowire.ConsumeVarint(b); size >= 0 {
				err = e.setNumber(n, v)
			}
		case protowire.BytesType:
			var v []byte
			if v, size = protowire.ConsumeBytes(b); size >= 0 {
				err = e.setBytes(n, v)
			}
		default:
			return e, ErrEncoding
		}
		if size < 0 {
			return e, ErrEncoding
		}
		if err != nil {
			return e, err
		}
		b = b[size:]
	}
	return e, nil
}

func (e *Entry) setNumber(n protowire.Number, v uint64) error {
	switch n {
	case fieldVersion:
		if v != version {
			return ErrTag
		}
	case fieldSequence:
		e.Sequence = v
	case fieldAction:
		return narrow(&e.Action, v)
	case fieldDevice:
		return narrow(&e.Device, v)
	case fieldRegistrationID:
		if v > key.MaxRegistrationID {
			return ErrRange
		}
		e.RegistrationID = uint32(v)
	case fieldSigner:
		return narrow(&e.Signer, v)
	case fieldTime:
		e.TimeMS = v
	case fieldExpiry:
		e.ExpiryMS = v
	default:
		return ErrEncoding
	}
	return nil
}

func narrow[T Action | messaging.DeviceID](dst *T, v uint64) error {
	if v > uint64(messaging.MaxDeviceID) {
		return ErrRange
	}
	*dst = T(v)
	return nil
}

func (e *Entry) setBytes(n protowire.Number, v []byte) (err error) {
	switch n {
	case fieldTag:
		if string(v) != tag {
			return ErrTag
		}
		return nil
	case fieldTenant:
		return fill(e.Tenant[:], v)
	case fieldAccount:
		return fill(e.Account[:], v)
	case fieldPrevious:
		return fill(e.Previous[:], v)
	case fieldIdentityKey:
		e.Identity, err = key.ParsePublic[key.RoleIdentity](v)
		return err
	case fieldLogKey:
		return fill(e.LogKey[:], v)
	case fieldRecoveryKey:
		return fill(e.RecoveryKey[:], v)
	case fieldSignature:
		return fill(e.signature[:], v)
	case fieldReverse:
		return fill(e.reverse[:], v)
	default:
		return ErrEncoding
	}
}

func fill(dst, v []byte) error {
	if len(v) != len(dst) {
		return ErrEncoding
	}
	copy(dst, v)
	return nil
}

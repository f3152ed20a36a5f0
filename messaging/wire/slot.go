package wire

// PutSlot leaves a payload for another session of the same account that knows
// the link secret (docs/protocol.md section 6).
type PutSlot struct {
	Slot    [SlotSize]byte // derived from the link secret; not zero
	Payload []byte         // sealed, 1..MaxSlotPayload bytes
}

func (m *PutSlot) decode(f *fields) { m.Slot, m.Payload = slotPayload(f) }

func (m *PutSlot) append(b []byte) []byte {
	b = appendHash(b, 1, m.Slot)
	return appendBytes(b, 2, m.Payload)
}

// GetSlot asks for the payload of a slot.
type GetSlot struct {
	Slot  [SlotSize]byte
	Watch bool // answer as soon as the payload is there
}

func (m *GetSlot) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.Slot = f.hash()
		case 2:
			m.Watch = f.bool()
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

func (m *GetSlot) append(b []byte) []byte {
	b = appendHash(b, 1, m.Slot)
	return appendBool(b, 2, m.Watch)
}

// Slot answers GetSlot.
type Slot struct {
	Slot    [SlotSize]byte
	Payload []byte // sealed, 1..MaxSlotPayload bytes
}

func (m *Slot) decode(f *fields) { m.Slot, m.Payload = slotPayload(f) }

func (m *Slot) append(b []byte) []byte {
	b = appendHash(b, 1, m.Slot)
	return appendBytes(b, 2, m.Payload)
}

// slotPayload reads the two fields that PutSlot and Slot have in common.
func slotPayload(f *fields) (slot [SlotSize]byte, payload []byte) {
	for f.next() {
		switch f.num {
		case 1:
			slot = f.hash()
		case 2:
			payload = f.slice(1, MaxSlotPayload)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2)
	return slot, payload
}

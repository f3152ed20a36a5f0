package wire_test

import (
	"fmt"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
)

// A client sends one message to the peer's two devices and to its own other
// one; the server answers.
func ExampleSend() {
	send := &wire.Send{
		MessageID: messaging.MessageID{0x01},
		ChatID:    messaging.ChatID{0x02},
		OwnHead:   wire.LogHead{Sequence: 1, Hash: [32]byte{0x03}},
		PeerHead:  wire.LogHead{Sequence: 4, Hash: [32]byte{0x04}},
		Envelopes: []wire.Envelope{
			{Side: wire.SidePeer, Device: 1, RegistrationID: 4711, Type: wire.TypeSignal, Body: []byte("for the phone")},
			{Side: wire.SidePeer, Device: 3, RegistrationID: 4712, Type: wire.TypePreKey, Body: []byte("for the tablet")},
			{Side: wire.SideOwn, Device: 2, RegistrationID: 4713, Type: wire.TypeSignal, Body: []byte("sent copy")},
		},
	}
	toServer := wire.AppendClient(nil, 0, send)

	// The relay keeps one Send a connection and parses into it.
	var kept wire.Send
	frame, err := wire.SplitClient(toServer)
	if err != nil || frame.Kind != wire.KindSend {
		fmt.Println(frame.Kind, err)
		return
	}
	if err := kept.Parse(frame.Body); err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range kept.Envelopes {
		fmt.Printf("side %d device %d type %d: %s\n", e.Side, e.Device, e.Type, e.Body)
	}
	toClient := wire.AppendServer(nil, 0, &wire.Accepted{MessageIDs: []messaging.MessageID{kept.MessageID}})

	_, answer, err := wire.ParseServer(toClient)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch m := answer.(type) {
	case *wire.Accepted:
		fmt.Println("safe:", m.MessageIDs[0] == send.MessageID)
	case *wire.Refused:
		fmt.Println("refused:", m.Code)
	}
	// Output:
	// side 1 device 1 type 2: for the phone
	// side 1 device 3 type 3: for the tablet
	// side 2 device 2 type 2: sent copy
	// safe: true
}

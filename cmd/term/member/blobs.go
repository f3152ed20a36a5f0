package member

import (
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/native"
)

// chatBlobs are what is sent in a chat, ownBlobs what only the own devices get.
func (m *Member) chatBlobs(chat messaging.ChatID) *native.Blobs { return m.server().Blobs(chat) }
func (m *Member) ownBlobs() *native.Blobs                       { return m.server().Blobs(messaging.ChatID{}) }

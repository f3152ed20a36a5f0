package client

import (
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
)

func (t *txn) applyOffer(from messaging.Address, o content.HistoryOffer) error { return nil }

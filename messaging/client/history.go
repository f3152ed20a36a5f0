package client

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/content/history"
	"github.com/sottochat/sotto/messaging/client/content/media"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// BlobStore keeps media ciphertexts with the server.
type BlobStore interface {
	// Put uploads size bytes for the given devices and returns the blob's id.
	Put(ctx context.Context, src io.Reader, size uint64) (messaging.BlobID, error)
	// Get downloads a blob. The caller closes it.
	Get(ctx context.Context, id messaging.BlobID) (io.ReadCloser, error)
}

var (
	// ErrNoHistory: no other device has offered its history.
	ErrNoHistory = errors.New("client: no history was offered")
	// ErrTally: what arrived is not what was offered.
	ErrTally = errors.New("client: the history differs from what was offered")
)

// mergeBatch is how many records of a history go into one commit.
const mergeBatch = 200

// exporter writes the whole history, newest first, from one snapshot.
type exporter struct {
	r     vault.Reader
	out   *history.Writer
	order uint64
}

// ExportHistory writes all chats and messages to dst as package history has
// them, and returns the tallies. It reads one snapshot of the vault and holds
// nobody up.
func (c *Client) ExportHistory(ctx context.Context, dst io.Writer) (tallies []content.ChatTally, err error) {
	var v vault.Vault
	var account messaging.AccountID
	var chats []history.Chat
	err = c.do(ctx, func(d *device) error {
		v, account, chats = d.vault, d.self.account, d.historyChats()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return export(ctx, v, account, chats, dst)
}

// historyChats lists the chats for the stream, by id.
func (d *device) historyChats() (out []history.Chat) {
	for _, c := range d.listChatsNow() {
		out = append(out, history.Chat{Chat: c.ID, Peer: c.Peer, Head: d.logs[c.Peer].head()})
	}
	return out
}

func export(ctx context.Context, v vault.Vault, account messaging.AccountID, chats []history.Chat, dst io.Writer) (tallies []content.ChatTally, err error) {
	err = v.View(ctx, func(r vault.Reader) error {
		rows, err := newestFirst(r, chats)
		if err != nil {
			return err
		}
		w, err := history.NewWriter(dst, history.Header{Account: account})
		if err != nil {
			return err
		}
		e := &exporter{r: r, out: w}
		for _, c := range chats {
			if err := w.Write(c); err != nil {
				return err
			}
		}
		if err := e.writeAll(ctx, rows); err != nil {
			return err
		}
		tallies, err = w.Close()
		return err
	})
	return tallies, err
}

// mark is a row's place in the stream: 40 bytes a message is all that an export
// holds.
type mark struct {
	chat     int
	position uint64
	arrived  uint64
}

// newestFirst lists all rows: within a chat by position, falling; across chats
// the one that arrived last comes first.
func newestFirst(r vault.Reader, chats []history.Chat) ([]mark, error) {
	var all []mark
	for i, c := range chats {
		latest := uint64(1<<64 - 1)
		within := under(keyOf(rowPlace, c.Chat[:]))
		within.Reverse = true
		for rec, err := range r.Scan(vault.KindMessage, within) {
			if err != nil {
				return nil, err
			}
			w, err := unpackRow(rec.Key, rec.Value)
			if err != nil {
				return nil, err
			}
			latest = min(latest, w.arrived) // never newer than the row before: positions rule
			all = append(all, mark{i, w.position, latest})
		}
	}
	slices.SortStableFunc(all, func(a, b mark) int { return cmp.Compare(b.arrived, a.arrived) })
	return all, nil
}

func (e *exporter) writeAll(ctx context.Context, rows []mark) error {
	chats := e.out.Progress().Chats
	e.order = 1 << 52 // falls by one with each record
	for _, m := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := rowKey(chats[m.chat].Chat, m.position)
		b, err := e.r.Get(vault.KindMessage, key)
		if err != nil {
			return err
		}
		w, err := unpackRow(key, b)
		if err != nil {
			return err
		}
		if err := e.writeRow(w); err != nil {
			return err
		}
	}
	return nil
}

// writeRow writes a message, then the edits, reactions and deletion beside it.
func (e *exporter) writeRow(w *row) error {
	if len(w.content) > 0 {
		if err := e.writeOne(w, w.sender, w.content); err != nil {
			return err
		}
	}
	prefix := keyOf(rowEffect, w.chat[:], w.id[:])
	for rec, err := range e.r.Scan(vault.KindMessage, under(prefix)) {
		if err != nil {
			return err
		}
		author := messaging.Address{Account: messaging.AccountID(rec.Key[len(prefix):]), Device: w.sender.Device}
		if err := e.writeOne(w, author, rec.Value); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) writeOne(w *row, sender messaging.Address, plain []byte) error {
	c, err := content.Parse(plain)
	if err != nil {
		return errRecord
	}
	e.order--
	return e.out.Write(history.Message{
		Chat: w.chat, Sender: sender, Order: e.order, ReceivedAt: w.arrived * 1000,
		Delivered: w.status == StatusDelivered || w.status == StatusRead, Read: w.status == StatusRead, Content: c,
	})
}

// ImportHistory reads a stream of another own device and merges it: what is
// here already stays as it is, the rest goes before the oldest message. It may
// be repeated. The tallies are those of the stream, which package history holds
// against its end.
func (c *Client) ImportHistory(ctx context.Context, src io.Reader) ([]content.ChatTally, error) {
	r := history.NewReader(src)
	for {
		batch, err := nextBatch(r)
		if len(batch) > 0 {
			own := r.Progress().Header.Account
			if err := c.do(ctx, func(d *device) error { return d.merge(own, batch) }); err != nil {
				return nil, err
			}
		}
		if err == io.EOF {
			return r.Tallies(), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func nextBatch(r *history.Reader) (batch []history.Record, err error) {
	for len(batch) < mergeBatch {
		record, err := r.Next()
		if err != nil {
			return batch, err
		}
		batch = append(batch, record)
	}
	return batch, nil
}

// merge commits one batch.
func (d *device) merge(account messaging.AccountID, batch []history.Record) error {
	if !d.ready() || account != d.self.account {
		return ErrOtherAccount
	}
	return d.act(func(t *txn) error {
		for _, record := range batch {
			if m, ok := record.(history.Message); ok {
				if err := t.mergeMessage(&m); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (t *txn) mergeMessage(m *history.Message) error {
	d := t.d
	c := d.chats[m.Chat]
	if c == nil || m.Sender.Account != d.self.account && m.Sender.Account != c.peer {
		return nil // a chat that the server no longer lists, or no voice in it
	}
	own := m.Sender.Account == d.self.account
	if !timeline(m.Content.Kind()) {
		return t.applyChat(source{m.Sender, m.ReceivedAt / 1000, own}, &m.Content)
	}
	old, err := findRow(t, m.Chat, m.Sender.Account, m.Content.Message)
	if err != nil || old != nil && old.status != StatusMissing && old.status != StatusLost {
		return err
	}
	plain, err := m.Content.AppendBinary(nil)
	if err != nil {
		return err
	}
	w := &row{
		chat: m.Chat, sender: m.Sender, id: m.Content.Message, arrived: m.ReceivedAt / 1000, content: plain, status: mergedStatus(m, own),
	}
	if old != nil {
		w.position = old.position
		return t.putRow(w)
	}
	if w.position, err = t.placeBelow(c); err != nil {
		return err
	}
	if err := t.Put(vault.KindMessage, indexKey(w.chat, w.sender.Account, w.id), be64(w.position)); err != nil {
		return err
	}
	if err := t.putRow(w); err != nil {
		return err
	}
	return t.applyTimer(&m.Content)
}

// placeBelow returns the position before the oldest message of a chat.
func (t *txn) placeBelow(c *chat) (uint64, error) {
	position := c.first
	c.first--
	return position, t.putChat(c)
}

func mergedStatus(m *history.Message, own bool) Status {
	switch {
	case !own:
		return StatusReceived
	case m.Read:
		return StatusRead
	case m.Delivered:
		return StatusDelivered
	}
	return StatusSent
}

// OfferHistory exports the history, uploads it under a key of its own, and offers
// it to another own device, which was just linked. It starts over when something
// was said meanwhile that the export includes.
func (c *Client) OfferHistory(ctx context.Context, blobs BlobStore, to messaging.DeviceID) error {
	offer, err := c.uploadHistory(ctx, blobs)
	for range exportTries {
		if !errors.Is(err, media.ErrSource) {
			break
		}
		offer, err = c.uploadHistory(ctx, blobs)
	}
	if err != nil {
		return err
	}
	return c.do(ctx, func(d *device) error {
		address := messaging.Address{Account: d.self.account, Device: to}
		return d.act(func(t *txn) error { return t.sayTo(address, messaging.ChatID{}, offer) })
	})
}

// uploadHistory finds the size by exporting to nowhere, then streams export,
// encryption and upload into each other. Its goroutines end with the pipes that
// it closes, and it waits for them.
func (c *Client) uploadHistory(ctx context.Context, blobs BlobStore) (offer content.HistoryOffer, err error) {
	var size counter
	tallies, err := c.ExportHistory(ctx, &size)
	if err != nil {
		return offer, err
	}
	offer.Chats = tallies[:min(len(tallies), content.MaxChats)]
	offer.Blob = content.Blob{Key: media.NewKey(), Size: uint64(size)}
	plain, plainIn := io.Pipe()
	sealed, sealedIn := io.Pipe()
	var streams sync.WaitGroup
	var exported, encrypted error
	streams.Go(func() {
		_, exported = c.ExportHistory(ctx, plainIn)
		plainIn.CloseWithError(exported)
	})
	streams.Go(func() {
		offer.Blob.Hash, encrypted = media.Encrypt(sealedIn, plain, offer.Blob.Key, uint64(size))
		plain.CloseWithError(encrypted)
		sealedIn.CloseWithError(encrypted)
	})
	id, err := blobs.Put(ctx, sealed, media.CiphertextSize(uint64(size)))
	sealed.Close()
	plain.Close()
	streams.Wait()
	offer.Blob.ID = id
	return offer, cmp.Or(encrypted, err)
}

type counter uint64

func (n *counter) Write(b []byte) (int, error) {
	*n += counter(len(b))
	return len(b), nil
}

// FetchHistory downloads what another own device offered, merges it and holds it
// against the offer.
func (c *Client) FetchHistory(ctx context.Context, blobs BlobStore) error {
	var offer *content.HistoryOffer
	err := c.do(ctx, func(d *device) (err error) {
		offer, err = d.offerKept()
		return err
	})
	if err != nil {
		return err
	}
	src, err := blobs.Get(ctx, offer.Blob.ID)
	if err != nil {
		return err
	}
	defer src.Close()
	plain, err := media.NewDecrypter(src, offer.Blob.Key, offer.Blob.Hash, offer.Blob.Size)
	if err != nil {
		return err
	}
	tallies, err := c.ImportHistory(ctx, plain)
	if err != nil {
		return err
	}
	if !slices.Equal(tallies[:min(len(tallies), content.MaxChats)], offer.Chats) {
		return messaging.Invalid(ErrTally)
	}
	return c.do(ctx, func(d *device) error {
		return d.act(func(t *txn) error { return t.dropOffer() })
	})
}

package media_test

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/chat"
	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/s3"
	"github.com/sottochat/sotto/messaging/server/media/storetest"
)

// The same life of a blob over a bucket: broken off, resumed, fetched, gone.
func TestOverABucket(t *testing.T) {
	b := newBench(t, media.Config{})
	backend := s3mem.New()
	if err := backend.CreateBucket("media"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	bucket, err := s3.New(s3.Config{Endpoint: server.URL, Bucket: "media", AccessKey: "key", SecretKey: "secret", SpoolDir: b.dir})
	if err != nil {
		t.Fatal(err)
	}
	b.service = media.New(b.db, bucket, chat.New(nil, nil, nil, b.now), media.Config{Now: b.now})
	objects := func() (n int) {
		if err := bucket.Walk(t.Context(), func(media.Stored) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}

	ciphertext := content(media.PieceSize + 12345)
	u := b.create(b.alice, ciphertext)
	got, err := b.service.Append(t.Context(), b.tenant, b.alice, u.ID,
		media.Chunk{Length: -1, Body: cut(ciphertext, media.PieceSize+100, io.ErrUnexpectedEOF)})
	if !errors.Is(err, media.ErrCut) || got.Received != media.PieceSize+100 {
		t.Fatalf("cut: %+v, %v", got, err)
	}
	if got, err := b.append(b.alice, u.ID, got.Received, ciphertext[got.Received:]); err != nil || !got.Finished {
		t.Fatalf("finished: %+v, %v", got, err)
	}
	if got, err := b.fetch(b.bob, u.ID); err != nil || !bytes.Equal(got, ciphertext) || objects() != 3 {
		t.Errorf("%d bytes in %d objects, %v", len(got), objects(), err)
	}
	if _, err := bucket.Put(t.Context(), storetest.NewKey(b.tenant), bytes.NewReader(content(10))); err != nil {
		t.Fatal(err)
	}
	b.advance(media.OrphanAge + time.Hour)
	sweeper := media.NewSweeper(b.worker, bucket, b.now)
	if n, err := sweeper.SweepObjects(t.Context()); n != 1 || err != nil || objects() != 3 {
		t.Errorf("swept %d, %d are left, %v", n, objects(), err)
	}
	for _, by := range []messaging.Address{b.bob, b.bob2, b.alice2} {
		if err := b.service.Delivered(t.Context(), b.tenant, by, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if objects() != 0 {
		t.Errorf("%d objects are left", objects())
	}
	b.nothingIsLeft()
}

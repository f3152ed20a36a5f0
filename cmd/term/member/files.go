package member

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/content/display"
	"github.com/sottochat/sotto/messaging/client/content/media"
	"github.com/sottochat/sotto/messaging/client/content/picture"
	"github.com/sottochat/sotto/messaging/client/native"
)

// maxPicture bounds a picture that is cleaned in memory: four times what phones
// make of 200 million pixels.
const maxPicture = 128 << 20

const anyType = "application/octet-stream"

// Sent is what became of a file that was sent.
type Sent struct {
	Message messaging.MessageID
	Name    string
	Type    string
	// Cleaned: metadata was taken out. Of the other types it goes as it is.
	Cleaned bool
}

// SendFile uploads a file for a chat and says so there. Metadata is taken out of
// JPEG and PNG (docs/protocol.md section 5.4).
func (m *Member) SendFile(ctx context.Context, chat messaging.ChatID, id messaging.MessageID, path, caption string) (s Sent, err error) {
	if _, err := m.Chat(ctx, chat); err != nil {
		return s, err
	}
	f, err := os.Open(path)
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrFile, withoutPath(err))
	}
	defer f.Close()
	body, src, err := describe(f)
	if err != nil {
		return s, err
	}
	body.Caption = caption
	s = Sent{Name: body.Name, Type: body.Type, Cleaned: src != io.Reader(f)}
	if body.Blob, err = upload(ctx, m.chatBlobs(chat), src, body.Blob.Size); err != nil {
		return s, err
	}
	s.Message, err = m.Say(ctx, chat, id, body)
	return s, err
}

// withoutPath keeps a path out of an error: the caller knows it.
func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// describe finds out what a file is by its first bytes, and what is to be
// uploaded of it.
func describe(f *os.File) (body content.Media, src io.Reader, err error) {
	info, err := f.Stat()
	if err != nil {
		return body, nil, fmt.Errorf("%w: %w", ErrFile, withoutPath(err))
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return body, nil, fmt.Errorf("%w: expected a file with something in it", ErrFile)
	}
	if info.Size() > media.MaxSize {
		return body, nil, ErrTooLarge
	}
	head := make([]byte, 512) // what http.DetectContentType looks at
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return body, nil, withoutPath(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return body, nil, withoutPath(err)
	}
	body.Name = sentName(info.Name())
	body.Type = mediaType(info.Name(), head[:n])
	body.Blob.Size = uint64(info.Size())
	if body.Type != "image/jpeg" && body.Type != "image/png" {
		return body, f, nil
	}
	return clean(body, f)
}

// clean takes the metadata out of a picture.
func clean(body content.Media, f *os.File) (content.Media, io.Reader, error) {
	if body.Blob.Size > maxPicture {
		return body, nil, ErrTooLarge
	}
	var out bytes.Buffer
	info, err := picture.StripMetadata(&out, f, body.Type)
	if err != nil {
		return body, nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	body.Blob.Size = uint64(out.Len())
	body.Width, body.Height = uint32(info.Width), uint32(info.Height)
	return body, &out, nil
}

// mediaType judges by content first, by the name's ending second.
func mediaType(name string, head []byte) string {
	t, _, _ := strings.Cut(http.DetectContentType(head), ";")
	if t == anyType || t == "text/plain" {
		if byName, _, err := mime.ParseMediaType(mime.TypeByExtension(filepath.Ext(name))); err == nil {
			t = byName
		}
	}
	if t = strings.ToLower(t); len(t) > content.MaxMediaType {
		return anyType
	}
	return t
}

// sentName cuts a name to what a content takes.
func sentName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	for len(name) > content.MaxFileName {
		name = name[:len(name)-1]
		name = strings.ToValidUTF8(name, "")
	}
	return name
}

// upload encrypts while it uploads, under a key of its own.
func upload(ctx context.Context, blobs client.BlobStore, src io.Reader, size uint64) (b content.Blob, err error) {
	b.Key, b.Size = media.NewKey(), size
	sealed, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		var err error
		b.Hash, err = media.Encrypt(in, src, b.Key, size)
		in.CloseWithError(err)
		done <- err
	}()
	b.ID, err = blobs.Put(ctx, sealed, media.CiphertextSize(size))
	sealed.Close()
	if failed := <-done; err == nil {
		err = failed
	}
	return b, err
}

// SaveFile writes the file of a message into a folder under a safe name, which is
// none that is there already, and returns the path. It appears there only when
// all of it was authentic.
func (m *Member) SaveFile(ctx context.Context, chat messaging.ChatID, id messaging.MessageID, folder string) (path string, err error) {
	x, err := m.Message(ctx, chat, id)
	if err != nil {
		return "", err
	}
	body, ok := x.Content.Body.(content.Media)
	if !ok {
		return "", ErrNoFile
	}
	blobs := m.chatBlobs(chat)
	src, err := blobs.Get(ctx, body.Blob.ID)
	var refused native.Refused
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return "", ErrGone // all devices that it was for have it, or it expired
	}
	if err != nil {
		return "", err
	}
	defer src.Close()
	dst, err := newTarget(folder, display.SafeName(body.Name))
	if err != nil {
		return "", err
	}
	if err := media.Decrypt(dst, src, body.Blob.Key, body.Blob.Hash, body.Blob.Size); err != nil {
		return "", err
	}
	_ = blobs.Fetched(ctx, body.Blob.ID) // only frees the server's disk earlier
	return dst.path, nil
}

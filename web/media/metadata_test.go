package media

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/media"
)

// What is taken from Upload-Metadata is told again by HEAD in a form that reads
// as the same, and holds nothing else.
func FuzzMetadata(f *testing.F) {
	chat := messaging.ChatID{1, 2, 3}
	whole := metadataOf(media.Upload{Chat: chat, Digest: &[32]byte{4}})
	for _, seed := range []string{"", whole, whole[:40], "chat", "chat ", " ,", "sha256 AAAA", whole + "," + whole,
		strings.Replace(whole, "chat ", "filename ", 1), strings.ReplaceAll(whole, "=", ""), strings.Replace(whole, ",", " , ", 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := http.Header{"Upload-Metadata": {text}}
		m, err := parseMetadata(h)
		if err != nil {
			if m != (metadata{}) {
				t.Errorf("%q is refused and read", text)
			}
			return
		}
		told := metadataOf(media.Upload{Chat: m.chat, Digest: m.digest})
		again, err := parseMetadata(http.Header{"Upload-Metadata": {told}})
		if err != nil || again.chat != m.chat || (again.digest == nil) != (m.digest == nil) || m.digest != nil && *again.digest != *m.digest {
			t.Errorf("%q is told as %q: %v", text, told, err)
		}
	})
}

// A checksum that is taken has the length of its algorithm.
func FuzzChecksum(f *testing.F) {
	for _, seed := range []string{"", "sha1", "sha256 ", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu1=", "md5 AAAA", "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, sum, err := parseChecksum(text)
		if (h == nil) != (sum == nil) || err != nil && h != nil || h != nil && len(sum) != h.Size() || err == nil && h == nil && text != "" {
			t.Errorf("%q: %v, %d bytes, %v", text, h, len(sum), err)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"", "0", "-0", "+1", "007", "9223372036854775807", "9223372036854775808", "1_0", " 1", "0x1", "١"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := number(http.Header{"Upload-Length": {text}}, "Upload-Length")
		if err == nil && (n < 0 || text == "" || bytes.ContainsFunc([]byte(text), func(r rune) bool { return r < '0' || r > '9' })) {
			t.Errorf("%q is %d", text, n)
		}
	})
}

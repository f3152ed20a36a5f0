package media

import (
	"crypto/sha1" // the algorithm that the checksum extension asks every server for
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"strings"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/media"
)

// metadata is what Upload-Metadata may say: for which chat, and the SHA-256 of
// the whole ciphertext.
type metadata struct {
	chat   messaging.ChatID
	digest *[sha256.Size]byte
}

const (
	keyChat   = "chat"
	keyDigest = "sha256"
)

// parseMetadata reads comma-separated pairs of a key and a base64 value. Other
// keys are refused, not ignored: clients of other services put the name of the
// file there, and it must not be told.
func parseMetadata(h http.Header) (m metadata, err error) {
	const expected = "the keys " + keyChat + " and " + keyDigest + ", each at most once, with a value in base64"
	text := strings.Join(h.Values("Upload-Metadata"), ",")
	if text == "" {
		return m, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		name, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, bad := decodeBase64(encoded)
		switch {
		case bad == nil && name == keyChat && m.chat == (messaging.ChatID{}) && parse(&m.chat, string(value)) == nil:
		case bad == nil && name == keyDigest && m.digest == nil && len(value) == sha256.Size:
			m.digest = (*[sha256.Size]byte)(value)
		default:
			return metadata{}, badHeader("Upload-Metadata", expected, name)
		}
	}
	return m, nil
}

func metadataOf(u media.Upload) string {
	var pairs []string
	if u.Chat != (messaging.ChatID{}) {
		pairs = append(pairs, keyChat+" "+base64.StdEncoding.EncodeToString([]byte(u.Chat.String())))
	}
	if u.Digest != nil {
		pairs = append(pairs, keyDigest+" "+base64.StdEncoding.EncodeToString(u.Digest[:]))
	}
	return strings.Join(pairs, ",")
}

// parseChecksum reads Upload-Checksum; without one there is nothing to compare.
func parseChecksum(text string) (hash.Hash, []byte, error) {
	if text == "" {
		return nil, nil, nil
	}
	name, encoded, _ := strings.Cut(text, " ")
	sum, err := decodeBase64(encoded)
	var h hash.Hash
	switch name {
	case "sha256":
		h = sha256.New()
	case "sha1":
		h = sha1.New() // against broken lines, not against people
	}
	if h == nil || err != nil || len(sum) != h.Size() {
		return nil, nil, badHeader("Upload-Checksum", "one of "+tusAlgorithms+" and its value in base64", name)
	}
	return h, sum, nil
}

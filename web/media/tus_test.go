package media_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bdragon300/tusgo"

	blobs "github.com/sottochat/sotto/messaging/server/media"
)

// asMember adds what a client of another's hand does not know: the host name
// and the token.
type asMember struct {
	b  *bench
	by member
}

func (m asMember) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = m.b.host
	r.Header.Set("Authorization", "Bearer "+m.by.token)
	return http.DefaultTransport.RoundTrip(r)
}

// A tus client that others wrote uploads in chunks with checksums, finds out
// where to go on, and terminates.
func TestForeignClient(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	base, err := url.Parse(b.url + "/media/v1/uploads")
	must(t, err)
	client := tusgo.NewClient(&http.Client{Transport: asMember{b, b.alice}}, base)
	_, err = client.UpdateCapabilities()
	must(t, err)
	if want := []string{"creation", "termination", "checksum", "expiration"}; !slices.Equal(client.Capabilities.Extensions, want) {
		t.Errorf("extensions %v", client.Capabilities.Extensions)
	}
	for _, algorithm := range []string{"", "sha1", "sha256"} {
		ciphertext := content(5<<20 + 17)
		sum := sha256.Sum256(ciphertext)
		meta := map[string]string{"chat": b.chat.String(), "sha256": string(sum[:])}
		var up tusgo.Upload
		_, err = client.CreateUpload(&up, int64(len(ciphertext)), false, meta)
		must(t, err)
		stream := tusgo.NewUploadStream(client, &up)
		if algorithm != "" {
			stream = stream.WithChecksumAlgorithm(algorithm)
		}
		stream.ChunkSize = 1 << 20
		// The first part, and then the rest by somebody who only knows the place.
		if _, err := io.Copy(stream, bytes.NewReader(ciphertext[:2<<20])); err != nil {
			t.Fatal(err)
		}
		var again tusgo.Upload
		_, err = client.GetUpload(&again, up.Location)
		must(t, err)
		if again.RemoteOffset != 2<<20 || again.RemoteSize != int64(len(ciphertext)) || again.Metadata["sha256"] != meta["sha256"] || again.Metadata["chat"] != meta["chat"] {
			t.Fatalf("found %+v", again)
		}
		rest := tusgo.NewUploadStream(client, &again)
		if _, err := io.Copy(rest, bytes.NewReader(ciphertext[2<<20:])); err != nil {
			t.Fatal(err)
		}
		if _, got := b.do(b.bob, "GET", blobOf(up.Location), nil, nil); !bytes.Equal(got, ciphertext) {
			t.Errorf("%s: %d bytes came back", algorithm, len(got))
		}
		if _, err := client.DeleteUpload(again); err != nil {
			t.Errorf("terminate: %v", err)
		}
		b.expect(404, b.bob, "GET", blobOf(up.Location), nil, nil)
	}
}

// Each "must" of tus 1.0.0 that a request can break.
func TestProtocol(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{Config: blobs.Config{MaxSize: 100_000}})
	ciphertext := content(1000)
	up := b.create(ciphertext)
	wrong := sha256.Sum256(ciphertext[1:])
	long := strings.Repeat("9", 30)
	const uploads = "/media/v1/uploads"
	for _, c := range []struct {
		want         int
		method, path string
		h            header
		body         []byte
	}{
		{412, "POST", uploads, header{"Tus-Resumable": "", "Upload-Length": "10"}, nil},
		{412, "POST", uploads, header{"Tus-Resumable": "0.2.2", "Upload-Length": "10"}, nil},
		{412, "HEAD", up, header{"Tus-Resumable": ""}, nil},
		{412, "PATCH", up, header{"Tus-Resumable": "2.0.0", "Upload-Offset": "0"}, nil},
		{400, "POST", uploads, nil, nil},
		{400, "POST", uploads, header{"Upload-Length": "ten"}, nil},
		{400, "POST", uploads, header{"Upload-Length": "+10"}, nil},
		{400, "POST", uploads, header{"Upload-Length": long}, nil},
		{400, "POST", uploads, header{"Upload-Length": "10", "Upload-Defer-Length": "1"}, nil},
		{422, "POST", uploads, header{"Upload-Length": "0"}, nil},
		{413, "POST", uploads, header{"Upload-Length": "100001"}, nil},
		{413, "POST", uploads, header{"Upload-Length": "9223372036854775807"}, nil},
		{400, "POST", uploads, header{"Upload-Length": "10", "Upload-Metadata": "filename " + encode([]byte("passport.jpg"))}, nil},
		{400, "POST", uploads, header{"Upload-Length": "10", "Upload-Metadata": "chat !!"}, nil},
		{400, "POST", uploads, header{"Upload-Length": "10", "Upload-Metadata": "sha256 " + encode([]byte("short"))}, nil},
		{400, "POST", uploads, header{"Upload-Length": "10", "Upload-Metadata": b.metadata(nil) + "," + b.metadata(nil)}, nil},
		{400, "PATCH", up, nil, ciphertext},
		{400, "PATCH", up, header{"Upload-Offset": "-1"}, ciphertext},
		{409, "PATCH", up, header{"Upload-Offset": "1"}, ciphertext[1:]},
		{415, "PATCH", up, header{"Upload-Offset": "0", "Content-Type": "application/octet-stream"}, ciphertext},
		{400, "PATCH", up, header{"Upload-Offset": "0", "Upload-Checksum": "md5 " + encode(wrong[:16])}, ciphertext},
		{400, "PATCH", up, header{"Upload-Offset": "0", "Upload-Checksum": "sha256 " + encode(wrong[:20])}, ciphertext},
		{460, "PATCH", up, header{"Upload-Offset": "0", "Upload-Checksum": "sha256 " + encode(wrong[:])}, ciphertext},
		{409, "PATCH", up, header{"Upload-Offset": "0", "Upload-Metadata": "sha256 " + encode(wrong[:])}, ciphertext},
		{413, "PATCH", up, header{"Upload-Offset": "0"}, append(ciphertext[:1000:1000], 1)},
		{413, "PATCH", up, header{"Upload-Offset": "0"}, content(100_001)},
		{405, "POST", up, nil, nil},
		{404, "PUT", up, nil, nil},
		{404, "GET", uploads, nil, nil},
		{401, "POST", uploads, header{"Authorization": "", "Upload-Length": "10"}, nil},
		{401, "POST", uploads, header{"Authorization": "Bearer ses_none", "Upload-Length": "10"}, nil},
		{403, "PATCH", up, header{"Sec-Fetch-Site": "cross-site", "Upload-Offset": "0"}, ciphertext},
	} {
		var body io.Reader
		if c.body != nil {
			body = bytes.NewReader(c.body)
		}
		r := b.request(b.alice, c.method, c.path, c.h, body)
		answer, text := b.send(r)
		if answer.StatusCode != c.want {
			t.Errorf("%s %v: expected %d, got %d %s", c.method, c.h, c.want, answer.StatusCode, text)
		}
		if c.want != 403 && c.want != 404 && answer.Header.Get("Tus-Resumable") != "1.0.0" {
			t.Errorf("%s %v: no Tus-Resumable", c.method, c.h)
		}
		if c.want == 412 && answer.Header.Get("Tus-Version") != "1.0.0" {
			t.Errorf("%s %v: no Tus-Version", c.method, c.h)
		}
		if bytes.Contains(text, []byte("passport.jpg")) {
			t.Errorf("the answer repeats a file's name: %s", text)
		}
	}
	if n := b.offset(up); n != 0 || len(b.files()) != 0 {
		t.Errorf("refused requests moved the upload to %d, and left %v", n, b.files())
	}
	b.patch(up, 0, ciphertext)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	options := b.expect(204, member{}, "OPTIONS", "/media/v1/uploads", header{"Tus-Resumable": "", "Authorization": ""}, nil)
	for name, want := range map[string]string{"Tus-Version": "1.0.0", "Tus-Resumable": "1.0.0", "Tus-Max-Size": "2147483648",
		"Tus-Extension": "creation,termination,checksum,expiration", "Tus-Checksum-Algorithm": "sha256,sha1"} {
		if got := options.Header.Get(name); got != want {
			t.Errorf("OPTIONS: %s is %q", name, got)
		}
	}
	ciphertext := content(1000)
	up := b.create(ciphertext)
	sum := sha1.Sum(ciphertext[:400])
	// By the method's other name, and with the checksum that every server knows.
	patched := b.expect(204, b.alice, "POST", up, header{"X-HTTP-Method-Override": "PATCH", "Content-Type": "application/offset+octet-stream",
		"Upload-Offset": "0", "Upload-Checksum": "sha1 " + encode(sum[:])}, bytes.NewReader(ciphertext[:400]))
	if patched.Header.Get("Upload-Offset") != "400" || patched.Header.Get("Upload-Expires") == "" {
		t.Errorf("PATCH: %v", patched.Header)
	}
	head := b.expect(200, b.alice, "HEAD", up, nil, nil)
	for name, want := range map[string]string{"Upload-Offset": "400", "Upload-Length": "1000", "Upload-Metadata": b.metadata(ciphertext), "Cache-Control": "no-store"} {
		if got := head.Header.Get(name); got != want {
			t.Errorf("HEAD: %s is %q, expected %q", name, got, want)
		}
	}
	if _, err := http.ParseTime(head.Header.Get("Upload-Expires")); err != nil {
		t.Error(err)
	}
	b.expect(404, b.bob, "GET", blobOf(up), nil, nil) // not before it is complete
	b.patch(up, 400, ciphertext[400:])
	if done := b.expect(200, b.alice, "HEAD", up, nil, nil); done.Header.Get("Upload-Offset") != "1000" {
		t.Errorf("after the end: %v", done.Header)
	}
	for _, by := range []member{b.bob, b.bob2} {
		b.expect(200, by, "GET", blobOf(up), nil, nil)
		b.expect(204, by, "POST", blobOf(up)+"/delivered", nil, nil)
	}
	b.expect(404, b.bob, "GET", blobOf(up), nil, nil)
	if len(b.files()) != 0 {
		t.Errorf("%v is left", b.files())
	}
}

// Chunks may come without a length, and the digest with the last.
func TestChunkedCodingAndLateDigest(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	ciphertext := content(300_000)
	up := b.expect(201, b.alice, "POST", "/media/v1/uploads", header{"Upload-Length": strconv.Itoa(len(ciphertext)),
		"Upload-Metadata": "chat " + encode([]byte(b.chat.String()))}, nil).Header.Get("Location")
	b.expect(204, b.alice, "PATCH", up, header{"Upload-Offset": "0"}, io.MultiReader(bytes.NewReader(ciphertext))) // of unknown length
	b.expect(404, b.bob, "GET", blobOf(up), nil, nil)
	sum := sha256.Sum256(ciphertext)
	b.expect(204, b.alice, "PATCH", up, header{"Upload-Offset": fmt.Sprint(len(ciphertext)), "Upload-Metadata": "sha256 " + encode(sum[:])}, http.NoBody)
	if _, got := b.do(b.bob, "GET", blobOf(up), nil, nil); !bytes.Equal(got, ciphertext) {
		t.Errorf("%d bytes", len(got))
	}
}

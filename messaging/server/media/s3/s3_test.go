package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/s3"
	"github.com/sottochat/sotto/messaging/server/media/storetest"
	"github.com/sottochat/sotto/tenant"
)

func config(t *testing.T, handler http.Handler) s3.Config {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return s3.Config{Endpoint: server.URL, Bucket: "media", AccessKey: "key", SecretKey: "secret", SpoolDir: t.TempDir()}
}

func open(t *testing.T, cfg s3.Config) *s3.Bucket {
	t.Helper()
	b, err := s3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) (first, second media.Objects) {
		backend := s3mem.New()
		if err := backend.CreateBucket("media"); err != nil {
			t.Fatal(err)
		}
		cfg := config(t, gofakes3.New(backend).Server())
		t.Cleanup(func() {
			if left, err := os.ReadDir(cfg.SpoolDir); err != nil || len(left) != 0 {
				t.Errorf("the spool holds %v, %v", left, err)
			}
		})
		return open(t, cfg), open(t, cfg)
	})
}

// What a service answers becomes one of three errors, without its words: they
// name hosts and buckets.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{507, "XMinioStorageFull", media.ErrFull},
		{403, "QuotaExceeded", media.ErrFull},
		{403, "AccessDenied", media.ErrStore},
		{404, "NoSuchBucket", media.ErrStore},
	} {
		b := open(t, config(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `<Error><Code>%s</Code><Message>bucket-of-somebody</Message></Error>`, c.code)
		})))
		_, err := b.Put(t.Context(), storetest.NewKey(tenant.NewID()), strings.NewReader("x"))
		if !errors.Is(err, c.want) || strings.Contains(fmt.Sprintf("%v %+v", err, err), "somebody") {
			t.Errorf("%d %s: %v", c.status, c.code, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	cfg := s3.Config{Endpoint: "https://s3.example", Bucket: "b", AccessKey: "a", SecretKey: "very-secret"}
	if text := fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.SecretKey); strings.Contains(text, "very-secret") {
		t.Errorf("the secret prints: %s", text)
	}
	cfg.SecretKey = ""
	if _, err := s3.New(cfg); err == nil || !strings.Contains(err.Error(), "secret key") {
		t.Errorf("a missing secret: %v", err)
	}
}

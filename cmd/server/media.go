package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/disk"
	"github.com/sottochat/sotto/messaging/server/media/s3"
)

// mediaConfig is where ciphertexts lie and how many.
type mediaConfig struct {
	media.Config
	dir     string
	reserve uint64
	bucket  s3.Config // none without an endpoint
}

// Bounds of the settings: what is outside is a slip of the hand.
const (
	leastBytes = 1 << 20
	mostBytes  = 1 << 50
)

// mediaSettings are those of media.
func mediaSettings() []setting {
	return []setting{
		{name: "MEDIA_DIR", unit: "directory", standard: "media", example: "/var/lib/chat/media",
			words: "Where encrypted media lie, on a disk that all nodes share. Not used with MEDIA_S3_ENDPOINT.",
			set:   func(c *config, v string) error { c.media.dir = v; return nil }},
		{name: "MEDIA_RESERVE", unit: "bytes", standard: "1073741824", example: "10737418240",
			words: "What media leave free on the disk of MEDIA_DIR, for the database that may lie beside them.",
			set: func(c *config, v string) error {
				var n int64
				err := quantity(&n, v)
				c.media.reserve = uint64(n)
				return err
			}},
		{name: "MEDIA_S3_ENDPOINT", unit: "URL", standard: "none: MEDIA_DIR", example: "https://s3.eu-central-1.amazonaws.com",
			words: "An S3-compatible service that keeps media instead of a directory.",
			set:   func(c *config, v string) error { return endpoint(&c.media.bucket.Endpoint, v) }},
		{name: "MEDIA_S3_BUCKET", standard: "none", example: "chat-media",
			words: "The bucket, which exists and holds nothing else.",
			set:   func(c *config, v string) error { c.media.bucket.Bucket = v; return nil }},
		{name: "MEDIA_S3_REGION", standard: "us-east-1", example: "eu-central-1",
			words: "The bucket's region, part of signatures.",
			set:   func(c *config, v string) error { c.media.bucket.Region = v; return nil }},
		{name: "MEDIA_S3_ACCESS_KEY", standard: "none", example: "AKIA…", secret: true,
			words: "A key that may put, get, delete and list in the bucket.",
			set:   func(c *config, v string) error { c.media.bucket.AccessKey = v; return nil }},
		{name: "MEDIA_S3_SECRET_KEY", standard: "none", example: "…", secret: true,
			words: "The key's secret.",
			set:   func(c *config, v string) error { c.media.bucket.SecretKey = s3.Secret(v); return nil }},
		{name: "MEDIA_S3_HOST_STYLE", unit: "true or false", standard: "false", example: "true",
			words: "Whether the bucket is part of the service's host name, as AWS wants it.",
			set: func(c *config, v string) (err error) {
				if c.media.bucket.HostStyle, err = strconv.ParseBool(v); err != nil {
					err = fmt.Errorf("expected true or false, received %q", v)
				}
				return err
			}},
		{name: "MEDIA_MAX_SIZE", unit: "bytes", standard: "2147483648", example: "104857600",
			words: "The largest file, encrypted and padded: about 5 % more than the file.",
			set:   func(c *config, v string) error { return quantity(&c.media.MaxSize, v) }},
		{name: "MEDIA_ACCOUNT_BYTES", unit: "bytes", standard: "8589934592", example: "1073741824",
			words: "What may wait for delivery from one account.",
			set:   func(c *config, v string) error { return quantity(&c.media.AccountBytes, v) }},
		{name: "MEDIA_TENANT_BYTES", unit: "bytes", standard: "274877906944", example: "1099511627776",
			words: "What may wait for delivery from all accounts of one tenant.",
			set:   func(c *config, v string) error { return quantity(&c.media.TenantBytes, v) }},
		{name: "MEDIA_KEEP", unit: "days", standard: "30", example: "14",
			words: "How long a file waits for devices that have not fetched it, 1 to 365.",
			set:   func(c *config, v string) error { return units(&c.media.Keep, v, 24*time.Hour, 365) }},
		{name: "MEDIA_UPLOAD_LIFE", unit: "hours", standard: "24", example: "48",
			words: "How long an upload may stand still before it is forgotten, 1 to 720.",
			set:   func(c *config, v string) error { return units(&c.media.UploadLife, v, time.Hour, 720) }},
		{name: "MEDIA_TRANSFERS", unit: "transfers", standard: "1024", example: "4096",
			words: "Uploads and downloads of this node at once, 1 to 100000, of which one tenant gets three quarters. Each needs two open files.",
			set:   func(c *config, v string) (err error) { c.media.Transfers, err = whole(v, 1, 100_000); return err }},
	}
}

func quantity(to *int64, v string) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < leastBytes || n > mostBytes {
		return fmt.Errorf("expected a number of bytes from %d to %d, received %q", int64(leastBytes), int64(mostBytes), v)
	}
	*to = n
	return nil
}

func units(to *time.Duration, v string, unit time.Duration, most int) error {
	n, err := whole(v, 1, most)
	*to = time.Duration(n) * unit
	return err
}

func endpoint(to *string, v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return errors.New("expected a URL that begins with https:// or http:// and holds no password")
	}
	*to = v
	return nil
}

// openObjects opens the bucket where one is set, else the directory.
func openObjects(c config) (media.Objects, error) {
	if c.media.bucket.Endpoint != "" {
		bucket, err := s3.New(c.media.bucket)
		if err != nil {
			return nil, fmt.Errorf("%w MEDIA_S3_ENDPOINT: %w", errSetting, err)
		}
		return bucket, nil
	}
	dir, err := disk.New(disk.Config{Dir: c.media.dir, Reserve: c.media.reserve})
	if err != nil {
		return nil, fmt.Errorf("%w MEDIA_DIR: expected a directory that can be made and written to: %w", errSetting, err)
	}
	return dir, nil
}

// Package s3 keeps objects of media in a bucket of an S3-compatible service.
// Objects are single puts: media cuts its blobs into pieces long before the
// sizes at which multipart uploads begin, so no half upload can be left behind
// in the bucket. It knows no tenant's rules and no database.
package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/sottochat/sotto/messaging/server/media"
)

// Config says which bucket. Every field without a default is needed.
type Config struct {
	// Endpoint is the service's URL. Example: https://s3.eu-central-1.amazonaws.com.
	Endpoint string
	// Region goes into signatures; empty means us-east-1, which services
	// without regions expect.
	Region string
	// Bucket exists already. Nothing else of ours may be in it: what no row
	// names is swept.
	Bucket string
	// AccessKey and SecretKey may put, get, delete and list in the bucket.
	AccessKey string
	SecretKey Secret
	// HostStyle puts the bucket into the host name, as AWS wants it; false puts
	// it into the path, as most others do.
	HostStyle bool
	// SpoolDir holds pieces on their way, unnamed; empty means the system's
	// directory for temporary files.
	SpoolDir string
}

// Secret is a key that prints nothing.
type Secret string

// Format prints nothing of the secret.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "(secret key)") }

const (
	defaultRegion = "us-east-1"
	// callTime bounds a call that moves at most one piece, retries included.
	callTime = 2 * time.Minute
	// pageSize is the most that S3 lists at once.
	pageSize = 1000
)

// Bucket is a store of objects: "tenant/blob/object" in hexadecimal.
type Bucket struct {
	client *s3.Client
	name   string
	spool  string
}

// New makes the client. It does not call the service.
func New(cfg Config) (*Bucket, error) {
	for name, value := range map[string]string{"endpoint": cfg.Endpoint, "bucket": cfg.Bucket, "access key": cfg.AccessKey, "secret key": string(cfg.SecretKey)} {
		if value == "" {
			return nil, fmt.Errorf("media bucket: expected a value for %s, received none", name)
		}
	}
	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(cfg.Endpoint),
		Region:       cfg.Region,
		UsePathStyle: !cfg.HostStyle,
		HTTPClient:   awshttp.NewBuildableClient(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: cfg.AccessKey, SecretAccessKey: string(cfg.SecretKey)}, nil
		}),
	})
	return &Bucket{client, cfg.Bucket, cfg.SpoolDir}, nil
}

func name(key media.Key) *string {
	return aws.String(hex.EncodeToString(key.Tenant[:]) + "/" + hex.EncodeToString(key.Blob[:]) + "/" + hex.EncodeToString(key.Object[:]))
}

// Put spools what r gives, because the service wants length and checksum before
// the first byte, and sends it.
func (b *Bucket) Put(ctx context.Context, key media.Key, r io.Reader) (int64, error) {
	f, err := newSpool(b.spool)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := io.Copy(f, r)
	if err != nil {
		return 0, spoolError(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, spoolError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: name(key), Body: f, ContentLength: &n,
		ContentType: aws.String("application/octet-stream")})
	if err != nil {
		return 0, clean(err)
	}
	return n, nil
}

// newSpool makes a file without a name: nothing is left of it when the process
// dies.
func newSpool(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "sotto-media-")
	if err != nil {
		return nil, spoolError(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, spoolError(err)
	}
	return f, nil
}

// Open asks for a range of the object.
func (b *Bucket) Open(ctx context.Context, key media.Key, offset, length int64) (io.ReadCloser, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: name(key),
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))})
	if err != nil {
		return nil, clean(err)
	}
	return out.Body, nil
}

// Delete removes the object.
func (b *Bucket) Delete(ctx context.Context, key media.Key) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: name(key)})
	if err = clean(err); errors.Is(err, media.ErrMissing) {
		return nil
	}
	return err
}

// Walk lists the bucket, a page at a time.
func (b *Bucket) Walk(ctx context.Context, each func(media.Stored) error) error {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, MaxKeys: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return clean(err)
		}
		for _, object := range page.Contents {
			key, ok := parse(aws.ToString(object.Key))
			if !ok {
				continue
			}
			if err := each(media.Stored{Key: key, Changed: aws.ToTime(object.LastModified)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// parse is the inverse of name.
func parse(text string) (key media.Key, ok bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return key, false
	}
	for i, dst := range [][]byte{key.Tenant[:], key.Blob[:], key.Object[:]} {
		if len(parts[i]) != hex.EncodedLen(len(dst)) {
			return key, false
		}
		if _, err := hex.Decode(dst, []byte(parts[i])); err != nil {
			return key, false
		}
	}
	return key, *name(key) == text
}

// clean keeps hosts, buckets and request ids out of errors and tells apart what
// a caller can act on.
func clean(err error) error {
	var missing *types.NoSuchKey
	var answer *awshttp.ResponseError
	var api smithy.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &missing):
		return media.ErrMissing
	case errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusInsufficientStorage:
		return media.ErrFull
	case errors.As(err, &api) && (api.ErrorCode() == "QuotaExceeded" || api.ErrorCode() == "XMinioStorageFull"):
		return media.ErrFull
	case errors.As(err, &api):
		return fmt.Errorf("%w: the service says %s", media.ErrStore, api.ErrorCode())
	}
	return fmt.Errorf("%w: the service cannot be reached", media.ErrStore)
}

package egress

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "223.255.255.255",
		"2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "2001:200::1"} {
		if !public(netip.MustParseAddr(ip)) {
			t.Errorf("%s is public", ip)
		}
	}
	for _, ip := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1",
		"2606:4700:4700::1111%eth0",
	} {
		if public(netip.MustParseAddr(ip)) {
			t.Errorf("%s is not public", ip)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"8.8.8.8:443": true, "8.8.8.8:8443": true, "8.8.8.8:1024": true, "[2606:4700::1]:443": true,
		"8.8.8.8:25": false, "8.8.8.8:22": false, "8.8.8.8:80": false, "8.8.8.8:1023": false, "8.8.8.8:0": false,
		"127.0.0.1:443": false, "[::1]:443": false, "example.com:443": false, "8.8.8.8": false, "": false,
	} {
		if err := checkAddress(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// However a body is read, all of it or ErrTooLarge.
func TestBounded(t *testing.T) {
	t.Parallel()
	for size := range 8 {
		for chunk := 1; chunk < 8; chunk++ {
			b := &bounded{body: io.NopCloser(strings.NewReader("abcdefgh"[:size])), left: 4}
			var got []byte
			var err error
			for buffer := make([]byte, chunk); err == nil; {
				var n int
				n, err = b.Read(buffer)
				got = append(got, buffer[:n]...)
			}
			want := error(io.EOF)
			if size > 4 {
				want = ErrTooLarge
			}
			if !errors.Is(err, want) || len(got) != min(size, 4) {
				t.Errorf("size %d, chunk %d: %q, %v", size, chunk, got, err)
			}
		}
	}
}

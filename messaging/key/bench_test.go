package key

import (
	"crypto/rand"
	"testing"
)

func BenchmarkXEdDSASign(b *testing.B) {
	private, message := generate[identity](b), make([]byte, PublicSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sign(private, message, rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkXEdDSAVerify(b *testing.B) {
	private, message := generate[identity](b), make([]byte, PublicSize)
	sig, err := sign(private, message, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	public := private.Public()
	b.ReportAllocs()
	for b.Loop() {
		if err := verify(public, message, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLogSign(b *testing.B) {
	k, err := GenerateLog(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		k.Sign("bench", message)
	}
}

func BenchmarkLogVerify(b *testing.B) {
	k, err := GenerateLog(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, 300)
	sig, public := k.Sign("bench", message), k.Public()
	b.ReportAllocs()
	for b.Loop() {
		if err := public.Verify("bench", message, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckBase(b *testing.B) {
	public := generate[base](b).Public()
	for b.Loop() {
		if err := CheckBase(public); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBundleVerify(b *testing.B) {
	owner, bundle := newBundle(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bundle.Verify(bundleDevice, owner.Public()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAgree(b *testing.B) {
	private, public := generate[base](b), generate[identity](b).Public()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Agree(private, public); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncapsulate(b *testing.B) {
	_, bundle := newBundle(b)
	for b.Loop() {
		if _, _, err := bundle.KEM.Public.Encapsulate(rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecapsulate(b *testing.B) {
	private, err := KEMs{}.Generate(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	public, err := private.Public()
	if err != nil {
		b.Fatal(err)
	}
	ciphertext, _, err := public.Encapsulate(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := private.Decapsulate(ciphertext); err != nil {
			b.Fatal(err)
		}
	}
}

package wire

import "testing"

func BenchmarkSendParse(b *testing.B) {
	frame := AppendClient(nil, 0, sampleSend(1024))
	var m Send
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := SplitClient(frame)
		if err == nil {
			err = m.Parse(f.Body)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSendAppend(b *testing.B) {
	m := sampleSend(1024)
	buf := AppendClient(nil, 0, m)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendClient(buf[:0], 0, m)
	}
}

func BenchmarkDeliverAppend(b *testing.B) {
	m := sampleDeliver(64, 1024)
	buf := AppendServer(nil, 0, m)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendServer(buf[:0], 0, m)
	}
}

func BenchmarkDeliverParse(b *testing.B) {
	frame := AppendServer(nil, 0, sampleDeliver(64, 1024))
	var m Deliver
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := SplitServer(frame)
		if err == nil {
			err = m.Parse(f.Body)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAckParse(b *testing.B) {
	frame := AppendClient(nil, 0, sampleAck(64))
	var m Ack
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := SplitClient(frame)
		if err == nil {
			err = m.Parse(f.Body)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBundleParse(b *testing.B) {
	bundle := sampleBundle(1)
	frame := AppendBundle(nil, &bundle)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseBundle(frame); err != nil {
			b.Fatal(err)
		}
	}
}

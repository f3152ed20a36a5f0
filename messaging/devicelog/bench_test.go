package devicelog

import (
	"strconv"
	"testing"
	"time"
)

// grow makes a log of additions and removals, which is what ordinary logs hold.
func grow(b testing.TB, n int) *account {
	a := found(b, 70)
	a.recovery(1)
	for len(a.entries) < n {
		if len(a.log.Devices(a.now)) < 5 {
			a.add(1)
		} else {
			a.remove(a.log.newest, 1)
		}
	}
	return a
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		a := grow(b, n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Open(a.tenant, a.id, a.entries); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkExtend(b *testing.B) {
	a := grow(b, 100)
	raw := a.entryAdding(newDevice(b, a.rand), 1, time.Time{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.log.Extend(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	a := grow(b, 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(a.entries[3]); err != nil {
			b.Fatal(err)
		}
	}
}

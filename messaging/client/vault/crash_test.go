package vault

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"
)

// A scene runs a workload until it is over or the disk gives up, and knows what
// was promised.
type scene struct {
	disk    *fakeDisk
	mirror  *Memory    // the same commits, on a store without a disk
	states  [][32]byte // after n commits
	done    uint64     // commits that returned nil
	flying  bool       // a commit is under way, or its outcome is unknown
	made    bool       // Create returned nil
	sealers []Sealer   // those that may open the vault now
	file    *File
}

func sealerOf(n byte) Sealer { return RawKey([32]byte{n}) }

func newScene(d *fakeDisk) *scene {
	s := &scene{disk: d, mirror: new(Memory), sealers: []Sealer{sealerOf(1)}}
	s.remember()
	return s
}

func (s *scene) remember() {
	err := s.mirror.Open().View(context.Background(), func(r Reader) error {
		sum, err := StateHash(r)
		s.states = append(s.states, sum)
		return err
	})
	if err != nil {
		panic(err)
	}
}

func (s *scene) create() error {
	f, err := create(context.Background(), s.disk, "vault", s.sealers[0])
	if err == nil {
		s.file, s.made = f, true
		f.slack = 600 // so that a short workload compacts by itself
	}
	return err
}

// commit writes a session again and again, a new message each time, and deletes
// an old one, as receiving does.
func (s *scene) commit(n int) error {
	var b Batch
	b.Put(KindSession, []byte("peer"), fmt.Appendf(nil, "session state %04d, longer than the rest", n))
	b.Put(KindMessage, fmt.Appendf(nil, "%04d", n), fmt.Appendf(nil, "text %d", n))
	if n%2 == 0 {
		b.Delete(KindMessage, fmt.Appendf(nil, "%04d", n-2))
	}
	if err := s.mirror.Open().Commit(context.Background(), &b); err != nil {
		return err
	}
	s.remember()
	s.flying = true
	if err := s.file.Commit(context.Background(), &b); err != nil {
		return err
	}
	s.done, s.flying = s.done+1, false
	return nil
}

func (s *scene) rekey() error {
	s.sealers = []Sealer{s.sealers[0], sealerOf(2)}
	err := s.file.Rekey(context.Background(), s.sealers[1])
	if err == nil {
		s.sealers = s.sealers[1:]
	}
	return err
}

func (s *scene) reopen() error {
	if err := s.file.Close(); err != nil {
		return err
	}
	f, err := open(context.Background(), s.disk, "vault", s.sealers[0])
	if err == nil {
		s.file = f
		f.slack = 600
	}
	return err
}

// run is the workload. It stops at the first error.
func (s *scene) run() error {
	steps := []func() error{
		s.create,
		func() error { return s.commit(1) },
		func() error { return s.commit(2) },
		func() error { return s.file.Compact(context.Background()) },
		func() error { return s.commit(3) },
		s.reopen,
		func() error { return s.commit(4) },
		s.rekey,
		func() error { return s.commit(5) },
		s.reopen,
	}
	for n := 6; n < 12; n++ { // enough for a compaction that Commit starts
		steps = append(steps, func() error { return s.commit(n) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// verify opens the vault on what a crash left and compares it with what was
// promised. It returns the open vault, or nil where none had to be.
func (s *scene) verify(d *fakeDisk) (*File, error) {
	var f *File
	var err error
	for _, sealer := range s.sealers {
		if f, err = open(context.Background(), d, "vault", sealer); err == nil {
			break
		}
	}
	if !s.made && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open: %w", reason(err))
	}
	if len(d.names) != 1 {
		return nil, errors.New("an unfinished file was left beside the vault")
	}
	n, sum, err := look(f)
	if err != nil {
		return nil, err
	}
	if n != s.done && !(s.flying && n == s.done+1) {
		return nil, fmt.Errorf("%d commits survived, %d had returned", n, s.done)
	}
	if sum != s.states[n] {
		return nil, fmt.Errorf("commit %d survived with other records", n)
	}
	return f, nil
}

// reason finds the precise error behind the one class.
func reason(err error) error {
	for _, precise := range []error{ErrHeader, ErrVersion, ErrKey, ErrCorrupt, errCrash} {
		if errors.Is(err, precise) {
			return precise
		}
	}
	return err
}

func look(f *File) (n uint64, sum [32]byte, err error) {
	err = f.View(context.Background(), func(r Reader) (err error) {
		n = r.Commits()
		sum, err = StateHash(r)
		return err
	})
	return n, sum, err
}

// goOn commits once more on a recovered vault; a power cut that spares nothing
// unsynced must not take it, nor what was there before.
func goOn(d *fakeDisk, f *File, sealers []Sealer) error {
	before, _, err := look(f)
	if err != nil {
		return err
	}
	var b Batch
	b.Put(KindChat, []byte("after the crash"), []byte("x"))
	if err := f.Commit(context.Background(), &b); err != nil {
		return err
	}
	n, sum, err := look(f)
	if err != nil {
		return err
	}
	d = d.powerCut(loss{})
	for _, sealer := range sealers {
		if f, err = open(context.Background(), d, "vault", sealer); err == nil {
			break
		}
	}
	if err != nil {
		return reason(err)
	}
	n2, sum2, err := look(f)
	if err != nil || n2 != n || n != before+1 || sum2 != sum {
		return fmt.Errorf("going on: %d commits became %d (%v)", n, n2, err)
	}
	return nil
}

// scripted runs the workload on a disk that stops at a step.
func scripted(t *testing.T, stopAt, failAt int) *scene {
	t.Helper()
	s := newScene(newFakeDisk())
	s.disk.stopAt, s.disk.failAt = stopAt, failAt
	err := s.run()
	if stopAt >= 0 && !s.disk.dead {
		t.Fatalf("step %d was not reached: %v", stopAt, err)
	}
	return s
}

// workload is the number of steps without a crash. It also makes sure that the
// workload compacts by itself, so that the crash tests cover it.
func workload(t *testing.T) int {
	t.Helper()
	s := newScene(newFakeDisk())
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	if s.file.log.size > 2200 {
		t.Fatalf("the file has %d bytes: the workload did not compact by itself", s.file.log.size)
	}
	return s.disk.steps
}

// TestCrash stops the machine in the middle of every step, and for each leaves
// every prefix and every suffix of what was not synced, the rest gone or zero.
func TestCrash(t *testing.T) {
	t.Parallel()
	steps, worlds := workload(t), 0
	for stop := range steps {
		s := scripted(t, stop, -1)
		for names := range len(s.disk.journal) + 1 {
			for bytes := range s.disk.pendingBytes() + 1 {
				for p := range parts {
					l := loss{names, bytes, p}
					worlds++
					d := s.disk.powerCut(l)
					f, err := s.verify(d)
					if err == nil && f != nil && bytes%5 == 0 { // it costs more than the rest
						err = goOn(d, f, s.sealers)
					}
					if err != nil {
						t.Fatalf("step %d, %+v: %v", stop, l, err)
					}
				}
			}
		}
	}
	t.Logf("%d steps, %d states of the disk after a crash", steps, worlds)
}

// TestKill stops the process in the middle of every step, opens the vault, and
// only then cuts the power: what open showed must still be there.
func TestKill(t *testing.T) {
	t.Parallel()
	for stop := range workload(t) {
		s := scripted(t, stop, -1)
		s.disk.kill()
		f, err := s.verify(s.disk)
		if err != nil {
			t.Fatalf("step %d: %v", stop, err)
		}
		if f == nil {
			continue
		}
		shown, sum, _ := look(f)
		after, err := s.verify(s.disk.powerCut(loss{}))
		if err != nil || after == nil {
			t.Fatalf("step %d, after the power cut: %v", stop, err)
		}
		if n, sum2, _ := look(after); n != shown || sum2 != sum {
			t.Fatalf("step %d: open showed %d commits, the power cut left %d", stop, shown, n)
		}
	}
}

// TestFault fails every step once: a full disk, or a sync that loses what it
// was given. The vault goes on or asks to be opened again, and nothing that
// was promised is lost, also when the power goes afterwards.
func TestFault(t *testing.T) {
	t.Parallel()
	for fail := range workload(t) {
		s := scripted(t, -1, fail)
		if !s.disk.failed {
			t.Fatalf("step %d was not reached", fail)
		}
		s.disk.kill()
		f, err := s.verify(s.disk)
		if err == nil && f != nil {
			err = goOn(s.disk, f, s.sealers)
		}
		if err != nil {
			t.Fatalf("step %d: %v", fail, err)
		}
	}
}

// TestBroken: after a failed write no further commit is taken, reading goes on.
func TestBroken(t *testing.T) {
	t.Parallel()
	for _, skip := range []int{0, 1} { // the write, the sync
		s := newScene(newFakeDisk())
		if err := errors.Join(s.create(), s.commit(1)); err != nil {
			t.Fatal(err)
		}
		s.disk.failAt = s.disk.steps + skip
		for range 2 {
			if err := s.commit(2); !errors.Is(err, ErrBroken) || !errors.Is(err, errFault) {
				t.Errorf("commit: %v", err)
			}
		}
		if err := s.file.Compact(context.Background()); !errors.Is(err, ErrBroken) {
			t.Errorf("compact: %v", err)
		}
		if n, sum, err := look(s.file); n != 1 || sum != s.states[1] || err != nil {
			t.Errorf("view: %d commits, %v", n, err)
		}
	}
}

// TestCompactFails: a compaction that cannot write its file leaves a vault that
// works, and a commit that set it off is a commit.
func TestCompactFails(t *testing.T) {
	t.Parallel()
	s := newScene(newFakeDisk())
	if err := errors.Join(s.create(), s.commit(1)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // create, write, write
		s.disk.failAt = s.disk.steps + i
		if err := s.file.Compact(context.Background()); !errors.Is(err, errFault) || errors.Is(err, ErrBroken) {
			t.Errorf("compact: %v", err)
		}
		if len(s.disk.names) != 1 {
			t.Error("the unfinished file was left")
		}
	}
	s.file.slack = 0
	for n := 2; n < 9; n++ {
		s.disk.failAt = s.disk.steps + 2 // if this commit compacts: the new file
		if err := s.commit(n); err != nil {
			t.Fatalf("commit %d: %v", n, err)
		}
	}
	if !s.disk.failed || s.file.slack == 0 {
		t.Error("no compaction was tried")
	}
}

var crashRounds = flag.Int("crashes", 80, "rounds of TestCrashRandom")

// TestCrashRandom crashes a vault again and again, also while it recovers, at
// random steps with random losses.
func TestCrashRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*crashRounds) {
		if err := crashRandom(rand.New(rand.NewPCG(seed, 1))); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func crashRandom(rng *rand.Rand) error {
	s := newScene(newFakeDisk())
	if err := s.create(); err != nil {
		return err
	}
	for n := 1; n < 60; n++ {
		s.disk.stopAt = s.disk.steps + rng.IntN(12)
		for range 4 {
			if s.act(rng, n) != nil {
				break
			}
			n++
		}
		if err := s.recover(rng); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) act(rng *rand.Rand, n int) error {
	switch rng.IntN(6) {
	case 0:
		return s.file.Compact(context.Background())
	case 1:
		return s.reopen()
	default:
		return s.commit(n)
	}
}

// recover brings the scene back after crashes, some of them in recovery.
func (s *scene) recover(rng *rand.Rand) error {
	for {
		if rng.IntN(4) == 0 {
			s.disk.kill()
		} else {
			s.disk = s.disk.powerCut(loss{rng.IntN(4), rng.IntN(s.disk.pendingBytes() + 1), part(rng.IntN(int(parts)))})
		}
		s.disk.stopAt = rng.IntN(12)
		f, err := s.verify(s.disk)
		if err == nil {
			s.disk.stopAt = -1
			return s.settle(f)
		}
		if !s.disk.dead {
			return err
		}
	}
}

// settle takes what open showed as the truth from here on.
func (s *scene) settle(f *File) error {
	n, _, err := look(f)
	if err != nil {
		return err
	}
	if int(n)+1 < len(s.states) { // the commit in flight was lost: take it back
		s.states = s.states[:n+1]
		if err := s.copyBack(f); err != nil {
			return err
		}
	}
	s.file, s.done, s.flying = f, n, false
	f.slack = 600
	return nil
}

// copyBack makes the mirror hold what the vault holds.
func (s *scene) copyBack(f *File) error {
	s.mirror = new(Memory)
	var b Batch
	err := f.View(context.Background(), func(r Reader) error {
		for kind := KindIdentity; kind <= KindAction; kind++ {
			for record, err := range r.Scan(kind, Range{}) {
				if err != nil {
					return err
				}
				b.Put(kind, record.Key, record.Value)
			}
		}
		return nil
	})
	return errors.Join(err, s.mirror.Open().Commit(context.Background(), &b))
}

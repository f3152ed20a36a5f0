package mailbox_test

import (
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

func (w *world) sweeper(now time.Time) *mailbox.Sweeper {
	w.Helper()
	db, err := tenant.Open(w.Context(), tenant.Config{URL: database.URL("app_worker"), AllowUnsafeDurability: true})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(db.Close)
	return mailbox.NewSweeper(db, func() time.Time { return now })
}

// MBX-15: what nobody fetched ends, and the device that sent it learns of it once.
func TestSweepExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	other := w.beside()
	for _, x := range []*world{w, other} {
		a, b := x.member(1), x.member(1, 2)
		s := send(a.at(1), a, b, x.chat(a, b), "short")
		s.ExpirySeconds = 3600
		line := x.boxes.Line(x.tenant, a.at(1))
		put(t, line, s)
		put(t, line, send(a.at(1), a, b, s.ChatID, "long"))
		if x == other {
			continue
		}
		sweeper := x.sweeper(time.Now().Add(2 * time.Hour))
		got, err := sweeper.Sweep(t.Context(), x.tenant)
		if err != nil {
			t.Fatal(err)
		}
		if got.Expired != 2 || got.Orphans != 0 || got.Receipts != 0 || len(got.Told) != 1 || got.Told[0] != a.at(1) {
			t.Errorf("got %+v", got)
		}
		items := next(t, x.boxes.Box(x.tenant, a.at(1)))
		if len(items) != 1 || items[0].Notice == nil || items[0].Notice.Kind != wire.NoticeSendExpired || items[0].Notice.MessageID != s.MessageID {
			t.Errorf("the sender finds %+v", items)
		}
		if waits := bodies(next(t, x.boxes.Box(x.tenant, b.at(2)))); len(waits) != 1 || waits[0] != "long" {
			t.Errorf("waits: %q", waits)
		}
		if got, err = sweeper.Sweep(t.Context(), x.tenant); err != nil || got.Expired != 0 || len(got.Told) != 0 {
			t.Errorf("the second sweep: %+v, %v", got, err)
		}
	}
	if n := other.rows("mailbox"); n != 4 {
		t.Errorf("TI-19: the other tenant has %d rows of 4", n)
	}
}

func TestSweepOrphansAndReceipts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b := w.member(1), w.member(1, 2)
	put(t, w.boxes.Line(w.tenant, a.at(1)), send(a.at(1), a, b, w.chat(a, b), "x"))
	w.exec(`delete from device where tenant_id = $1 and account_id = $2 and device_id = 1`, w.tenant, [16]byte(b.id))
	got, err := w.sweeper(time.Now()).Sweep(t.Context(), w.tenant)
	if err != nil || got.Orphans != 1 || got.Receipts != 0 || w.rows("mailbox") != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = w.sweeper(time.Now().Add(48*24*time.Hour)).Sweep(t.Context(), w.tenant)
	if err != nil || got.Receipts != 1 || w.rows("send_receipt") != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TI-21: nothing of a tenant is left, everything of the other.
func TestForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	other := w.beside()
	for _, x := range []*world{w, other} {
		a, b := x.member(1), x.member(1)
		put(t, x.boxes.Line(x.tenant, a.at(1)), send(a.at(1), a, b, x.chat(a, b), "x"))
	}
	if err := w.sweeper(time.Now()).Forget(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	if w.rows("mailbox") != 0 || w.rows("send_receipt") != 0 || other.rows("mailbox") != 1 || other.rows("send_receipt") != 1 {
		t.Error("forgot too little or too much")
	}
}

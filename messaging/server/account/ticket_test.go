package account_test

import (
	"testing"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// A ticket that opens a connection is not swept; one that does not is.
func TestSweepTickets(t *testing.T) {
	b := newBench(t)
	worker, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_worker"), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Close)
	b.clock = b.clock.Truncate(time.Millisecond) // finer than the column
	_, who, err := b.service.SignIn(t.Context(), b.tenant, "subject")
	if err != nil {
		t.Fatal(err)
	}
	samples := database.Samples(t)
	sweep := func(rows int64) {
		t.Helper()
		if err := worker.In(t.Context(), b.tenant, func(tx tenant.Tx) error { return b.service.SweepTickets(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		if n, _ := samples.Count(t, "socket_ticket", b.tenant); n != rows {
			t.Errorf("%d rows, expected %d", n, rows)
		}
	}
	if _, err := b.service.IssueTicket(t.Context(), b.tenant, who); err != nil {
		t.Fatal(err)
	}
	b.advance(30*time.Second - time.Millisecond)
	late, err := b.service.IssueTicket(t.Context(), b.tenant, who)
	if err != nil {
		t.Fatal(err)
	}
	sweep(2)
	b.advance(time.Millisecond)
	sweep(1)
	if _, err := b.service.UseTicket(t.Context(), b.tenant, late[:]); err != nil {
		t.Errorf("the later ticket: %v", err)
	}
}

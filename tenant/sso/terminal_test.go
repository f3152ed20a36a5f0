package sso_test

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sottochat/sotto/tenant/sso"
)

func TestTerminal(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{Terminal: true})
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(visit.Code) {
		t.Errorf("code %q", visit.Code)
	}
	pending := func(when string) {
		t.Helper()
		if _, err := s.Poll(t.Context(), s.id, visit.Secret); !errors.Is(err, sso.ErrPending) {
			t.Errorf("%s: %v", when, err)
		}
	}
	pending("open")
	arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(visit), nil))
	if err != nil || !arrival.Terminal {
		t.Fatalf("%v, %v", arrival, err)
	}
	pending("proven")
	if _, err := s.Redeem(t.Context(), s.id, visit.Secret, arrival.Ticket); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("redeemed without the code: %v", err)
	}
	if err := s.Approve(t.Context(), s.id, arrival.Ticket, "BBBB-BBBB"); !errors.Is(err, sso.ErrCode) {
		t.Errorf("a wrong code: %v", err)
	}
	pending("wrong code")
	if err := s.Approve(t.Context(), s.id, visit.Secret, visit.Code); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("the terminal approves itself: %v", err)
	}
	typed := strings.ToLower(strings.ReplaceAll(visit.Code, "-", " "))
	if err := s.Approve(t.Context(), s.id, arrival.Ticket, typed); err != nil {
		t.Fatalf("%q: %v", typed, err)
	}
	if err := s.Approve(t.Context(), s.id, arrival.Ticket, visit.Code); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("approved twice: %v", err)
	}
	other := database.Tenant(t)
	if _, err := s.Poll(t.Context(), other, visit.Secret); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("at another tenant: %v", err)
	}
	var wg sync.WaitGroup
	results := make(chan string, 10)
	for range cap(results) {
		wg.Go(func() {
			if who, err := s.Poll(t.Context(), s.id, visit.Secret); err == nil {
				results <- who.Subject
			} else if !errors.Is(err, sso.ErrVisit) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(results) != 1 || <-results != "member-1" {
		t.Errorf("%d polls got the member", len(results)+1)
	}
}

// Five wrong codes end the visit, however many come at once.
func TestCodeIsNotGuessed(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{Terminal: true})
	arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(visit), nil))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	tried := make(chan struct{}, 30)
	for range cap(tried) {
		wg.Go(func() {
			if err := s.Approve(t.Context(), s.id, arrival.Ticket, "ZZZZ-ZZZZ"); errors.Is(err, sso.ErrCode) {
				tried <- struct{}{}
			} else if !errors.Is(err, sso.ErrVisit) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(tried) != 5 {
		t.Errorf("%d codes were compared, want 5", len(tried))
	}
	if err := s.Approve(t.Context(), s.id, arrival.Ticket, visit.Code); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("the right code afterwards: %v", err)
	}
	if _, err := s.Poll(t.Context(), s.id, visit.Secret); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("the terminal goes on waiting: %v", err)
	}
}

func TestBrowsersVisitHasNoCode(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{})
	arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(visit), nil))
	if err != nil || visit.Code != "" {
		t.Fatalf("%q, %v", visit.Code, err)
	}
	for _, code := range []string{"", "-", strings.Repeat("-", 1000)} {
		if err := s.Approve(t.Context(), s.id, arrival.Ticket, code); !errors.Is(err, sso.ErrVisit) {
			t.Errorf("got %v", err)
		}
	}
}

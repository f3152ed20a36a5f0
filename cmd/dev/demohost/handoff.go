package demohost

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// HandOffPath is the page to which the chat sends a visitor who wants in: the
	// login URL of the tenant's setting.
	HandOffPath = "/chat/sign-in"
	// ScriptPath answers scripts and tests with what the page would post.
	ScriptPath = "/demo/hand-off"

	// nonceParameter carries what the chat wants to find in the token again.
	nonceParameter = "nonce"
	// tokenField carries the token to the chat.
	tokenField = "token"
	// tokenPath is where the chat takes it.
	tokenPath = "/login/handoff"

	// tokenLife is the most that the chat accepts between iat and exp.
	tokenLife = 60 * time.Second
	// maxNonce bounds what is signed for a stranger; the chat's have 22 characters.
	maxNonce = 128
)

var errNonce = errors.New("expected the nonce that the chat gave, 1 to 128 visible characters of ASCII")

// field is one hidden field of the form.
type field struct{ Name, Value string }

// handOffView is the page that posts the token. It works by its button alone; a
// script saves the click.
type handOffView struct {
	frame
	Action string
	Fields []field
}

// handOff says to the chat who is signed in here, or signs somebody in first.
func (s *Site) handOff(w http.ResponseWriter, r *http.Request) {
	nonce := r.URL.Query().Get(nonceParameter)
	if checkNonce(nonce) != nil {
		s.message(w, r, http.StatusBadRequest, "This door opens from your messages only",
			"Your private messages send you here to ask who you are. Begin there, and come back.")
		return
	}
	me := signedIn(r)
	if me == nil {
		http.Redirect(w, r, "/sign-in?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		return
	}
	token, err := s.Token(*me, nonce)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.show(w, http.StatusOK, "handoff", handOffView{s.frame(r, "To your messages · Kettle Row"), s.cfg.Chat + tokenPath,
		[]field{{tokenField, token}}})
}

func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Log.Error("hand-off failed", "error", err)
	s.message(w, r, http.StatusInternalServerError, "Something broke", "Kettle Row could not say who you are. Try again.")
}

func checkNonce(nonce string) error {
	if len(nonce) == 0 || len(nonce) > maxNonce {
		return errNonce
	}
	for i := range len(nonce) {
		if nonce[i] <= ' ' || nonce[i] > '~' {
			return errNonce
		}
	}
	return nil
}

// Token is the host's word that this is m: for one minute, one use and one visit.
func (s *Site) Token(m Member, nonce string) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", s.cfg.KeyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: s.cfg.Key}, options)
	if err != nil {
		return "", err
	}
	now := s.cfg.Now()
	claims := jwt.Claims{Issuer: s.cfg.Issuer, Subject: m.Subject, Audience: jwt.Audience{s.cfg.Audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLife))}
	return jwt.Signed(signer).Claims(claims).Claims(map[string]any{"nonce": nonce}).Serialize()
}

// Order is what a script sends to ScriptPath, as JSON.
type Order struct {
	Member string `json:"member"`
	Nonce  string `json:"nonce"`
}

// HandOff is the answer: where to post which field with which value, as a form.
type HandOff struct {
	Action string            `json:"action"`
	Fields map[string]string `json:"fields"`
}

// handOffScript does for a script what sign-in and hand-off do for a browser. It
// takes JSON only: no page of another site can send that without being asked.
func (s *Site) handOffScript(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		answer(w, http.StatusUnsupportedMediaType, map[string]string{"error": "expected application/json"})
		return
	}
	var order Order
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&order); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": `expected {"member": "…", "nonce": "…"}`})
		return
	}
	m, ok := find(order.Member)
	if !ok {
		answer(w, http.StatusUnprocessableEntity, map[string]string{"error": "member: expected the id of a member, such as mira"})
		return
	}
	if err := checkNonce(order.Nonce); err != nil {
		answer(w, http.StatusUnprocessableEntity, map[string]string{"error": "nonce: " + err.Error()})
		return
	}
	token, err := s.Token(m, order.Nonce)
	if err != nil {
		s.cfg.Log.Error("hand-off failed", "error", err)
		answer(w, http.StatusInternalServerError, map[string]string{"error": "the token could not be signed"})
		return
	}
	answer(w, http.StatusOK, HandOff{s.cfg.Chat + tokenPath, map[string]string{tokenField: token}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

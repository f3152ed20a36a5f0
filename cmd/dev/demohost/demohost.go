// Package demohost is the website of a made-up community, Kettle Row, which gives
// its members private messages by way of Sotto. It shows what a host has to do,
// and does it as any host would: it imports nothing of ours, calls the API with a
// key, signs its members over with a token, and embeds their links. It is a demo:
// whoever asks is signed in as whom they like, so it serves this machine only.
package demohost

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config is what a host knows of its chat.
type Config struct {
	// Chat is the origin of the tenant's chat host, such as http://demo.localhost:8701.
	Chat string
	// APIKey reads members' invites; see scopes in the API's document.
	APIKey string
	// Issuer and Audience are iss and aud of the tokens, as agreed at set-up. Key
	// signs them and KeyID is its kid.
	Issuer   string
	Audience string
	Key      ed25519.PrivateKey
	KeyID    string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Site is the website.
type Site struct {
	cfg   Config
	api   *client
	pages *template.Template
}

// New makes the website.
func New(cfg Config) (*Site, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	chat, err := url.Parse(cfg.Chat)
	if err != nil || chat.Host == "" {
		return nil, fmt.Errorf("expected the chat's origin such as http://demo.localhost:8701, received %q", cfg.Chat)
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	return &Site{cfg, newClient(cfg.Chat, cfg.APIKey), pages}, nil
}

// Handler returns everything that the site serves.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.street)
	mux.HandleFunc("GET /members/{id}", s.member)
	mux.HandleFunc("GET /sign-in", s.chooseMember)
	mux.HandleFunc("POST /sign-in", s.signIn)
	mux.HandleFunc("POST /sign-out", s.signOut)
	mux.HandleFunc("GET "+HandOffPath, s.handOff)
	mux.HandleFunc("POST "+ScriptPath, s.handOffScript)
	mux.HandleFunc("GET /static/{file}", static)
	mux.HandleFunc("/", s.missing)
	return s.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard answers only to names of this machine, so that no page of the internet
// can reach the site under a name of its own, and sets what every answer carries.
func (s *Site) guard(next http.Handler) http.Handler {
	policy := strings.Join([]string{"default-src 'none'", "style-src 'self'", "script-src 'self'",
		"img-src 'self' " + s.cfg.Chat, "form-action 'self' " + s.cfg.Chat, "base-uri 'none'", "frame-ancestors 'none'"}, "; ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r.Host) {
			http.Error(w, "This site is for this machine only.", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// maxBody bounds a form in bytes: the longest carries one address of return.
const maxBody = 16 << 10

// local reports whether a Host header names this machine.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || host == "127.0.0.1" || strings.HasSuffix(host, ".localhost")
}

// show renders into a buffer first: a template that fails leaves a clean error.
func (s *Site) show(w http.ResponseWriter, status int, name string, view any) {
	var page bytes.Buffer
	if err := s.pages.ExecuteTemplate(&page, name, view); err != nil {
		s.cfg.Log.Error("page not rendered", "page", name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

func (s *Site) missing(w http.ResponseWriter, r *http.Request) {
	s.message(w, r, http.StatusNotFound, "There is no such door", "Nothing on Kettle Row has this address.")
}

// messageView is a page with one thing to say.
type messageView struct {
	frame
	Heading, Text string
}

func (s *Site) message(w http.ResponseWriter, r *http.Request, status int, heading, text string) {
	s.show(w, status, "message", messageView{s.frame(r, heading), heading, text})
}

// frame is what every page has around it.
type frame struct {
	Title  string
	Me     *Member // nil: nobody is signed in
	Here   string  // where to come back to after signing in; "" offers no sign-in
	Style  string
	Script string
	Icon   string
	Inbox  string // the chat's first page
}

func (s *Site) frame(r *http.Request, title string) frame {
	return frame{Title: title, Me: signedIn(r), Here: r.URL.RequestURI(), Style: stylePath, Script: scriptPath, Icon: iconPath, Inbox: s.cfg.Chat + "/"}
}

// streetView is the first page.
type streetView struct {
	frame
	Members []Member
}

func (s *Site) street(w http.ResponseWriter, r *http.Request) {
	s.show(w, http.StatusOK, "street", streetView{s.frame(r, "Kettle Row"), Members()})
}

// memberView is a member's profile. Link is "" where there is none to show; Why
// says why.
type memberView struct {
	frame
	Member
	Mine      bool
	Link, QR  string
	NotYet    bool // the member has not opened messages on any device
	Unreached bool // the chat does not answer
}

func (s *Site) member(w http.ResponseWriter, r *http.Request) {
	m, ok := find(r.PathValue("id"))
	if !ok {
		s.missing(w, r)
		return
	}
	view := memberView{frame: s.frame(r, m.Name+" · Kettle Row"), Member: m}
	view.Mine = view.Me != nil && view.Me.ID == m.ID
	invite, err := s.api.invite(r.Context(), m.Subject)
	switch {
	case errors.Is(err, errNoDevice):
		view.NotYet = true
	case err != nil:
		view.Unreached = true
		s.cfg.Log.Error("no invite from the chat's API", "member", m.ID, "error", err)
	}
	view.Link, view.QR = invite.Link, invite.QR
	s.show(w, http.StatusOK, "member", view)
}

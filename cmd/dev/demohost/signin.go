package demohost

import (
	"net/http"
	"strings"
)

// memberCookie holds the id of the signed-in member, unsigned: anybody may be
// anybody here. A real host has its own sessions in this place.
const memberCookie = "kettle_row_member"

// signedIn returns the member of this browser, nil when there is none.
func signedIn(r *http.Request) *Member {
	cookie, err := r.Cookie(memberCookie)
	if err != nil {
		return nil
	}
	if m, ok := find(cookie.Value); ok {
		return &m
	}
	return nil
}

func setMember(w http.ResponseWriter, id string) {
	cookie := &http.Cookie{Name: memberCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if id == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// signInView is the page where one chooses who to be.
type signInView struct {
	frame
	Members []Member
	Next    string
	ToChat  bool // the chat asked who this is
	Refused string
}

func (s *Site) chooseMember(w http.ResponseWriter, r *http.Request) {
	s.showSignIn(w, r, http.StatusOK, r.URL.Query().Get("next"), "")
}

func (s *Site) showSignIn(w http.ResponseWriter, r *http.Request, status int, next, refused string) {
	next = localPath(next)
	around := s.frame(r, "Sign in · Kettle Row")
	around.Here = "" // this is where one signs in
	s.show(w, status, "signin", signInView{frame: around, Members: Members(), Next: next,
		ToChat: strings.HasPrefix(next, HandOffPath), Refused: refused})
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	m, ok := find(r.PostFormValue("member"))
	if !ok {
		s.showSignIn(w, r, http.StatusUnprocessableEntity, r.PostFormValue("next"), "Choose one of the members below.")
		return
	}
	setMember(w, m.ID)
	http.Redirect(w, r, localPath(r.PostFormValue("next")), http.StatusSeeOther)
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request) {
	setMember(w, "")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// localPath returns where to go on, or the first page when that would be on
// another site: browsers read "//" and "/\" as the beginning of a host name.
func localPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

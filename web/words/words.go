// Package words holds what pages say, one catalogue a language. A catalogue is a
// struct, so a page cannot ask for words that do not exist, and a test finds the
// ones that a language lacks. "{name}" stands for the tenant's name and
// "{id}" for the number of a request.
package words

import "strings"

// Catalogue is every word of the public pages in one language.
type Catalogue struct {
	Language  string // BCP 47
	Direction string // "ltr" or "rtl"
	Skip      string

	Invite  Invite
	Welcome Welcome
	Home    Home
	Enter   Enter
	Done    Message
	Tested  Message // the trial of a host's settings went well
	Missing Message
	SignIn  Message // signing in did not work
	Refused Message // the request did not come from this page
	Limited Message
	Failed  Message
	Back    string
}

// Invite is the landing page.
type Invite struct{ Title, Description, Heading, Lead, Free, Paid, Button, Note, SignedIn, PointDevice, PointNobody, PointPrivate string }

// Welcome is the front page without a session.
type Welcome struct{ Title, Heading, Lead, Button string }

// Home is the front page with a session.
type Home struct{ Title, Heading, Lead, StepOpen, StepAddress, StepCode, Address, SignOut string }

// Enter is the page for a terminal's code.
type Enter struct{ Title, Heading, Lead, Label, Hint, Wrong, Warning, Button string }

// Message is a page with one thing to say.
type Message struct{ Heading, Text, Hint string }

// All returns the catalogues, English first.
func All() []Catalogue { return []Catalogue{english(), german(), spanish(), french(), arabic()} }

// Fill puts the tenant's name into words. The name stands between Unicode's
// isolates (UAX 9 section 2.4), so that one in another direction keeps its place.
func Fill(text, name string) string {
	return strings.ReplaceAll(text, "{name}", "\u2068"+name+"\u2069")
}

// maxAccept bounds how much of an Accept-Language header is read.
const maxAccept = 256

// Choose returns the catalogue for an Accept-Language header: the first language
// in it that there is, else the fallback, else English. Weights are ignored:
// browsers send the languages in order.
func Choose(all []Catalogue, accept, fallback string) Catalogue {
	if len(accept) <= maxAccept {
		for _, part := range strings.Split(accept, ",") {
			tag, _, _ := strings.Cut(part, ";")
			if c, ok := find(all, tag); ok {
				return c
			}
		}
	}
	if c, ok := find(all, fallback); ok {
		return c
	}
	return all[0]
}

func find(all []Catalogue, tag string) (Catalogue, bool) {
	primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	for _, c := range all {
		if c.Language == primary {
			return c, true
		}
	}
	return Catalogue{}, false
}

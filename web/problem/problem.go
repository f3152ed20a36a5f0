// Package problem is what a refused request is told: RFC 9457 problem details
// with a code for programs, and for a bad input the field, what was expected and
// what was received. It decides no status by itself; the table of web/errors.go
// and the handlers do.
package problem

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ContentType is that of RFC 9457 section 3.
const ContentType = "application/problem+json"

// Problem is an error with words for whoever made the request.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail,omitempty"`
	Field     string `json:"field,omitempty"`
	Expected  string `json:"expected,omitempty"`
	Received  string `json:"received,omitempty"`
	RequestID string `json:"request_id,omitempty"`

	// RetryAfter becomes the header of that name; 0: none.
	RetryAfter time.Duration `json:"-"`
}

// New makes a problem. code is lower case with underscores, detail a sentence.
func New(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Field says that one value of a request is not what was expected. received
// must be no secret; it is cut and made printable.
func Field(field, expected, received string) *Problem {
	p := New(http.StatusUnprocessableEntity, "invalid_field", "A value of the request is not what was expected.")
	p.Field, p.Expected, p.Received = field, expected, printable(received)
	return p
}

// Secret is Field for a value that must not be repeated.
func Secret(field, expected string, length int) *Problem {
	return Field(field, expected, fmt.Sprintf("%d characters", length))
}

func (p *Problem) Error() string {
	if p.Field != "" {
		return fmt.Sprintf("problem %s: field %s", p.Code, p.Field)
	}
	return "problem " + p.Code
}

// maxReceived bounds the echo of a value: enough to recognise it.
const maxReceived = 64

// printable keeps a stranger's value from forging lines or hiding text.
func printable(s string) string {
	var out strings.Builder
	for i, r := range s {
		if i >= maxReceived {
			return out.String() + "…"
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '·'
		}
		out.WriteRune(r)
	}
	return out.String()
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sottochat/sotto/cmd/dev/demohost"
)

// world is what runs, for those who want to use it.
type world struct {
	project string
	at      addresses
	home    *home
	place   string
	redis   bool
}

// Addresses is what --json prints, in one line: a contract with scripts.
type Addresses struct {
	Demo    string `json:"demo"`     // origin of the demo host site
	Chat    string `json:"chat"`     // origin of the tenant's chat host
	API     string `json:"api"`      // where the API for hosts begins
	APIKey  string `json:"api_key"`  // path of the file with the demo host's key
	HandOff string `json:"hand_off"` // POST {"member","nonce"}: the signed form, for scripts
	Dir     string `json:"dir"`
}

func (w world) addresses() Addresses {
	return Addresses{w.at.demoOrigin(), w.at.chatOrigin(), w.at.chatOrigin() + "/api/v1", w.home.path("api.key"),
		w.at.demoOrigin() + demohost.ScriptPath, w.home.dir}
}

// announce says that everything is ready, and where.
func (w world) announce(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(w.addresses())
	}
	_, err := io.WriteString(out, w.box())
	return err
}

func (w world) box() string {
	a := w.addresses()
	bus := "Redis       private, beside the database"
	if !w.redis {
		bus = "Redis       not installed, and not needed by one node"
	}
	return frame([]string{
		"Sotto runs",
		"",
		"Demo host   " + a.Demo,
		"            sign in as any member, without a password",
		"Chat        " + a.Chat,
		"            its members come in from the demo host",
		"API         " + a.API,
		"            key in " + a.APIKey,
		"Terminal    go run ./cmd/term --dir " + w.shorten(w.home.path("mira")) + " login " + a.Chat,
		"            for Mira; another folder for each other member",
		"",
		"Logs in     " + a.Dir,
		"Database    " + w.place,
		bus,
		"",
		"Ctrl-C stops everything; the next run goes on where this one stopped.",
	})
}

// shorten names a folder from the project's, where the command is run.
func (w world) shorten(path string) string {
	if short, ok := strings.CutPrefix(path, w.project+"/"); ok {
		return short
	}
	return path
}

// frame draws a box around lines.
func frame(lines []string) string {
	width := 0
	for _, l := range lines {
		width = max(width, utf8.RuneCountInString(l))
	}
	var b strings.Builder
	bar := strings.Repeat("─", width+2)
	fmt.Fprintf(&b, "\n┌%s┐\n", bar)
	for _, l := range lines {
		fmt.Fprintf(&b, "│ %s%s │\n", l, strings.Repeat(" ", width-utf8.RuneCountInString(l)))
	}
	fmt.Fprintf(&b, "└%s┘\n", bar)
	return b.String()
}

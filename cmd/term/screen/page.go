package screen

// Page is something to read that stands in front of the conversation.
type Page struct {
	Title string
	Lines []string
	// Code is a QR code in half blocks, shown where there is room for it.
	Code []string
	// Keys are what the page can do beside going away.
	Keys []PageKey

	scroll int
}

// PageKey is a letter that does something on a page.
type PageKey struct {
	Rune rune
	Help string
	Do   Action
}

func (m *Model) pageKey(k Key) []Action {
	p := m.page
	switch k.Code {
	case KeyEscape, KeyEnter, KeyTab:
		m.page = nil
	case KeyUp:
		p.scroll = max(p.scroll-1, 0)
	case KeyDown:
		p.scroll++ // drawing bounds it
	case KeyPageUp:
		p.scroll = max(p.scroll-10, 0)
	case KeyPageDown:
		p.scroll += 10
	case KeyRune:
		for _, x := range p.Keys {
			if x.Rune == k.Rune {
				m.page = nil
				return []Action{x.Do}
			}
		}
		if k.Rune == 'q' {
			m.page = nil
		}
	}
	return nil
}

func helpPage() *Page {
	lines := []string{
		"Enter           send; open the chat that is chosen",
		"Alt+Enter       a new line",
		"Tab             between the list and the conversation",
		"Ctrl+N, Ctrl+P  the next chat, the one before",
		"PgUp, PgDn      scroll",
		"Up, Down        choose a message; then r reply, e edit,",
		"                d delete, + like, - unlike, s save its file",
		"Esc             one step back",
		"Ctrl+L          draw anew        Ctrl+Q  leave",
		"",
	}
	for _, c := range slash() {
		line := "/" + c.name
		if c.args != "" {
			line += " " + c.args
		}
		for len(line) < 22 {
			line += " "
		}
		lines = append(lines, line+" "+c.help)
	}
	lines = append(lines, "", "✓ with the server   ✓✓ on a device of the other side   ✓✓ read", "A command takes a path with spaces in quotes.")
	return &Page{Title: "Keys and commands", Lines: lines}
}

package script

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// reply is the one line that answers a command.
type reply struct {
	OK     bool            `json:"ok"`
	Do     string          `json:"do"`
	Ref    json.RawMessage `json:"ref,omitempty"`
	Error  *fault          `json:"error,omitempty"`
	Answer any             `json:"answer,omitempty"`
}

// encode gives a line of JSON in which everything that is not plainly printable is
// escaped: C1 controls, bidirectional and invisible characters come from
// strangers, and the line may end up on a terminal.
func encode(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(plain)+1)
	for len(plain) > 0 {
		r, size := utf8.DecodeRune(plain)
		switch {
		case r < utf8.RuneSelf && r != 0x7f, unicode.IsPrint(r):
			out = append(out, plain[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		plain = plain[size:]
	}
	return append(out, '\n'), nil
}

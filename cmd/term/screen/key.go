package screen

// Key is one stroke.
type Key struct {
	Code Code
	Rune rune // with KeyRune
}

// Code is which key.
type Code uint8

// The keys that mean something here.
const (
	KeyRune Code = iota + 1
	KeyEnter
	KeyNewline // a line feed in the text: Alt+Enter, Ctrl+J
	KeyTab
	KeyEscape
	KeyBackspace
	KeyDelete
	KeyLeft
	KeyRight
	KeyUp
	KeyDown
	KeyPageUp
	KeyPageDown
	KeyHome
	KeyEnd
	KeyKillWord // Ctrl+W
	KeyKillLine // Ctrl+U
	KeyNext     // Ctrl+N: the next chat
	KeyPrevious // Ctrl+P
	KeyHelp     // F1, Ctrl+G
	KeyRedraw   // Ctrl+L
	KeyQuit     // Ctrl+Q, Ctrl+C
)

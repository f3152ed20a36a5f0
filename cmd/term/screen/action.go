package screen

import (
	"strconv"
	"strings"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/native"
)

// Action is what the member wants done; the screen itself does nothing. Only the
// fields that its kind names are set.
type Action struct {
	Do      Do
	Chat    messaging.ChatID
	Message messaging.MessageID
	Text    string
	Path    string
	Number  int
	Upto    uint64
}

// Do is the kind of an Action.
type Do uint8

// The kinds.
const (
	DoQuit     Do = iota + 1
	DoRedraw      // the terminal was disturbed
	DoLook        // read Chat: it is on the screen now
	DoMore        // read older messages of Chat
	DoSend        // Text into Chat, in answer to Message if there is one
	DoEdit        // Text in place of that of Message
	DoDelete      // Message
	DoReact       // Text to Message
	DoTyping      // Chat; Number is 1 while the member types
	DoRead        // Chat, up to position Upto
	DoFile        // Path into Chat, with Text as caption
	DoSave        // the file of Message; Path is the folder, or empty
	DoOpen        // the invite Text
	DoInvite      // show the own invite
	DoSafety      // show the safety number of Chat
	DoVerified    // Chat; Number is 1: compared
	DoAccept      // the new keys of Chat
	DoDevices     // show the devices
	DoApprove     // the link code Text
	DoConfirm     // the digits are the same
	DoRemove      // device Number
	DoName        // Text as name in Chat
	DoTimer       // Number seconds in Chat
	DoBlock       // Chat; Number is 1: block, 0: unblock
	DoCode        // a new recovery code
)

// command is one that is typed behind a slash.
type command struct {
	name, args, help string
	chat             bool // needs an open chat
	run              func(m *Model, args string) []Action
}

// slash returns all commands in the order of the help.
func slash() []command {
	return []command{
		{"open", "LINK", "open the chat that an invite leads to", false, (*Model).cmdOpen},
		{"invite", "", "show your invite, as link and QR code", false, do(DoInvite)},
		{"file", "PATH [CAPTION]", "send a file; photos lose their metadata", true, (*Model).cmdFile},
		{"save", "[FOLDER]", "save the newest file, or the chosen one", true, (*Model).cmdSave},
		{"safety", "", "compare safety numbers", true, do(DoSafety)},
		{"accept", "", "write to somebody whose keys are new", true, do(DoAccept)},
		{"name", "NAME", "tell the other side what to call you", true, (*Model).cmdName},
		{"timer", "SECONDS", "let new messages disappear; 0 keeps them", true, (*Model).cmdTimer},
		{"block", "", "take nothing from this person", true, doNumber(DoBlock, 1)},
		{"unblock", "", "take messages again", true, doNumber(DoBlock, 0)},
		{"devices", "", "show your devices", false, do(DoDevices)},
		{"approve", "CODE", "let a new device in", false, (*Model).cmdApprove},
		{"remove", "NUMBER", "take a device out", false, (*Model).cmdRemove},
		{"recovery", "", "make a new recovery code", false, do(DoCode)},
		{"help", "", "show the keys and commands", false, (*Model).cmdHelp},
		{"quit", "", "leave", false, do(DoQuit)},
	}
}

func do(kind Do) func(*Model, string) []Action { return doNumber(kind, 0) }

func doNumber(kind Do, n int) func(*Model, string) []Action {
	return func(m *Model, _ string) []Action { return []Action{{Do: kind, Chat: m.open, Number: n}} }
}

// slashCommand runs what was typed behind a slash.
func (m *Model) slashCommand(text string) []Action {
	name, args, _ := strings.Cut(strings.TrimSpace(text[1:]), " ")
	for _, c := range slash() {
		if c.name != name {
			continue
		}
		if c.chat && m.open == (messaging.ChatID{}) {
			m.Say("/" + name + " needs an open chat")
			return nil
		}
		return c.run(m, strings.TrimSpace(args))
	}
	m.Say("There is no command /" + name + ". F1 shows all; two slashes send one.")
	return nil
}

func (m *Model) cmdOpen(args string) []Action {
	if _, invite, err := native.ParseAddress(args); err != nil || invite == nil {
		m.Say("/open: expected an invite link")
		return nil
	}
	return []Action{{Do: DoOpen, Text: args}}
}

func (m *Model) cmdFile(args string) []Action {
	path, caption := splitPath(args)
	if path == "" {
		m.Say("/file: expected a path")
		return nil
	}
	return []Action{{Do: DoFile, Chat: m.open, Path: path, Text: caption}}
}

// splitPath takes a path off the front, in quotes where it has spaces.
func splitPath(args string) (path, rest string) {
	if quoted, ok := strings.CutPrefix(args, `"`); ok {
		path, rest, _ = strings.Cut(quoted, `"`)
		return path, strings.TrimSpace(rest)
	}
	path, rest, _ = strings.Cut(args, " ")
	return path, strings.TrimSpace(rest)
}

func (m *Model) cmdSave(args string) []Action {
	id, ok := m.fileToSave()
	if !ok {
		m.Say("/save: there is no file in view")
		return nil
	}
	path, _ := splitPath(args)
	return []Action{{Do: DoSave, Chat: m.open, Message: id, Path: path}}
}

func (m *Model) cmdName(args string) []Action {
	if args == "" {
		m.Say("/name: expected a name")
		return nil
	}
	return []Action{{Do: DoName, Chat: m.open, Text: args}}
}

func (m *Model) cmdTimer(args string) []Action {
	n, err := strconv.ParseUint(args, 10, 25) // a year in seconds
	if err != nil {
		m.Say("/timer: expected seconds, 0 to 31536000")
		return nil
	}
	return []Action{{Do: DoTimer, Chat: m.open, Number: int(n)}}
}

func (m *Model) cmdApprove(args string) []Action {
	if args == "" {
		m.Say("/approve: expected the code that the new device shows")
		return nil
	}
	return []Action{{Do: DoApprove, Text: args}}
}

func (m *Model) cmdRemove(args string) []Action {
	n, err := strconv.Atoi(args)
	if err != nil || n < 1 || n > int(messaging.MaxDeviceID) {
		m.Say("/remove: expected the number of a device, see /devices")
		return nil
	}
	m.ask("Remove device "+strconv.Itoa(n)+"? It loses access at once.", Action{Do: DoRemove, Number: n})
	return nil
}

func (m *Model) cmdHelp(string) []Action {
	m.page = helpPage()
	return nil
}

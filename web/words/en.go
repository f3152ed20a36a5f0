package words

func english() Catalogue {
	return Catalogue{
		Language: "en", Direction: "ltr", Skip: "Skip to the content",
		Invite: Invite{
			Title:        "Private conversation",
			Description:  "An invitation to write to each other in private.",
			Heading:      "You are invited to a private conversation",
			Lead:         "Somebody at {name} shares this link so that you can write to each other.",
			Free:         "Writing here is free.",
			Paid:         "This conversation has a price. You see it and agree to it before anything is charged.",
			Button:       "Continue with {name}",
			Note:         "You sign in with your account at {name}. Opening this page has changed nothing.",
			PointDevice:  "Messages are encrypted on your device and opened only on theirs.",
			PointNobody:  "Nobody in between can read them, {name} included.",
			PointPrivate: "Neither your name nor your address is passed on.",
		},
		Welcome: Welcome{
			Title:   "Private conversations",
			Heading: "Private conversations",
			Lead:    "Write to members of {name}. Nobody else can read it.",
			Button:  "Continue with {name}",
		},
		Home: Home{
			Title:       "Signed in",
			Heading:     "You are signed in",
			Lead:        "Conversations do not open in the browser yet. Go on in the terminal app:",
			StepOpen:    "Start the terminal app on your computer.",
			StepAddress: "Give it the address below.",
			StepCode:    "It shows a code. Enter the code here.",
			Address:     "Address",
			Enter:       "Enter a code",
			SignOut:     "Sign out",
		},
		Enter: Enter{
			Title:   "Sign in a terminal",
			Heading: "Sign in your terminal",
			Lead:    "Enter the code that the terminal app shows.",
			Label:   "Code",
			Hint:    "Capitals, spaces and hyphens do not matter.",
			Wrong:   "That is not the code of this sign-in. Look at the terminal again, or start anew there.",
			Warning: "Go on only if you started the terminal app yourself. Nobody has a reason to send you a code.",
			Button:  "Sign in the terminal",
		},
		Done:    Message{"Your terminal is signed in", "Go back to it: it goes on by itself.", "You can close this page."},
		Missing: Message{"Nothing is here", "This link leads nowhere: it may be mistyped, used up or withdrawn.", "Ask for a new one where you found it."},
		SignIn:  Message{"Signing in did not work", "The answer of {name} was too late, was used before, or belongs to another visit.", "Please start again."},
		Refused: Message{"That did not come from this page", "The request was sent by another page, or this page is too old.", "Open the page again and repeat it there."},
		Limited: Message{"Too many tries", "Please wait a little and try again.", ""},
		Failed:  Message{"Something went wrong on our side", "Nothing was changed. Please try again in a moment.", "Number of this request: {id}"},
		Back:    "Back to the start",
	}
}

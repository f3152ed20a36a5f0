package demohost

// Member is somebody of Kettle Row. All of them are made up.
type Member struct {
	ID string // in our own addresses
	// Subject is what the chat is told: a number, so that it learns no name.
	Subject string
	Name    string
	First   string
	Craft   string
	Line    string
	Story   string
	Look    look
}

// look is what a portrait is drawn from: colours as #rrggbb, and a kind of hair.
type look struct{ Back, Skin, Hair, Coat, Style string }

// Members returns everybody, in the order of their doors.
func Members() []Member {
	return []Member{
		{"mira", "m-1042", "Mira Okafor", "Mira", "Bookbinder", "Rebinds what you read to pieces.",
			"Mira keeps the shop at number 2, where the paper is stacked to the ceiling. Bring a book that falls apart; she will ask what it means to you before she asks what it should cost.",
			look{"#f1d9a7", "#8a5a3c", "#1f1a17", "#3f6b6b", "bun"}},
		{"tomas", "m-1187", "Tomás Lindqvist", "Tomás", "Bicycle mechanic", "Wheels trued while you wait.",
			"At number 5 the door is always open and the radio is always on. Tomás builds wheels by ear and will not sell you a new part while the old one still turns.",
			look{"#cfe0d8", "#e8b998", "#b5713a", "#6b3f5c", "short"}},
		{"yuki", "m-1203", "Yuki Brandt", "Yuki", "Potter", "Cups with a thumb's place in them.",
			"Yuki fires the kiln on the first Saturday of the month, and the whole row smells of wood smoke. Seconds stand on the sill outside; pay what you like.",
			look{"#e6d3e0", "#f0cfae", "#2a2523", "#9a4a2f", "bob"}},
		{"leila", "m-1350", "Leila Haddad", "Leila", "Beekeeper", "Honey from nine roofs.",
			"Leila's hives stand on the roofs between number 8 and the canal. She teaches a beginners' morning each May, and lends the veils.",
			look{"#f4cfb6", "#c98f66", "#4a2c20", "#b98512", "long"}},
		{"samir", "m-1411", "Samir Costa", "Samir", "Baker", "Rye at six, sold out by nine.",
			"Samir's oven is older than the street's name. If you want something put aside, ask him the evening before, he says, and not in front of the queue.",
			look{"#d6dcec", "#a86f48", "#15110f", "#7a2e2e", "curls"}},
		{"ingrid", "m-1498", "Ingrid Nwosu", "Ingrid", "Luthier", "Fiddles, mended and made.",
			"Ingrid learned at her grandfather's bench and still uses his clamps. The window at number 14 is where the varnish dries; please do not lean on it.",
			look{"#dfe5bd", "#6f4630", "#d8d2c8", "#2f4a7a", "crop"}},
	}
}

func find(id string) (Member, bool) {
	for _, m := range Members() {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}

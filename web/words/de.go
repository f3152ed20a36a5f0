package words

func german() Catalogue {
	return Catalogue{
		Language: "de", Direction: "ltr", Skip: "Zum Inhalt springen",
		Invite: Invite{
			Title:        "Privates Gespräch",
			Description:  "Eine Einladung, sich privat zu schreiben.",
			Heading:      "Sie sind zu einem privaten Gespräch eingeladen",
			Lead:         "Jemand bei {name} teilt diesen Link, damit Sie einander schreiben können.",
			Free:         "Schreiben ist hier kostenlos.",
			Paid:         "Dieses Gespräch hat einen Preis. Sie sehen ihn und stimmen ihm zu, bevor etwas abgebucht wird.",
			Button:       "Weiter mit {name}",
			Note:         "Sie melden sich mit Ihrem Konto bei {name} an. Das Öffnen dieser Seite hat nichts verändert.",
			PointDevice:  "Nachrichten werden auf Ihrem Gerät verschlüsselt und nur auf dem anderen geöffnet.",
			PointNobody:  "Niemand dazwischen kann sie lesen, auch {name} nicht.",
			PointPrivate: "Weder Ihr Name noch Ihre Adresse wird weitergegeben.",
		},
		Welcome: Welcome{
			Title:   "Private Gespräche",
			Heading: "Private Gespräche",
			Lead:    "Schreiben Sie Mitgliedern von {name}. Sonst kann es niemand lesen.",
			Button:  "Weiter mit {name}",
		},
		Home: Home{
			Title:       "Angemeldet",
			Heading:     "Sie sind angemeldet",
			Lead:        "Gespräche öffnen sich im Browser noch nicht. Weiter geht es im Terminal:",
			StepOpen:    "Starten Sie die Terminal-App auf Ihrem Computer.",
			StepAddress: "Geben Sie ihr die Adresse unten.",
			StepCode:    "Sie zeigt einen Code. Geben Sie ihn hier ein.",
			Address:     "Adresse",
			Enter:       "Code eingeben",
			SignOut:     "Abmelden",
		},
		Enter: Enter{
			Title:   "Terminal anmelden",
			Heading: "Ihr Terminal anmelden",
			Lead:    "Geben Sie den Code ein, den die Terminal-App zeigt.",
			Label:   "Code",
			Hint:    "Großbuchstaben, Leerzeichen und Bindestriche sind gleichgültig.",
			Wrong:   "Das ist nicht der Code dieser Anmeldung. Sehen Sie im Terminal nach oder beginnen Sie dort neu.",
			Warning: "Nur weitermachen, wenn Sie die Terminal-App selbst gestartet haben. Niemand hat einen Grund, Ihnen einen Code zu schicken.",
			Button:  "Terminal anmelden",
		},
		Done:    Message{"Ihr Terminal ist angemeldet", "Gehen Sie dorthin zurück: Es macht von selbst weiter.", "Sie können diese Seite schließen."},
		Missing: Message{"Hier ist nichts", "Dieser Link führt nirgendwohin: vertippt, verbraucht oder zurückgezogen.", "Bitten Sie dort um einen neuen, wo Sie ihn gefunden haben."},
		SignIn:  Message{"Die Anmeldung hat nicht geklappt", "Die Antwort von {name} kam zu spät, wurde schon benutzt oder gehört zu einem anderen Besuch.", "Bitte beginnen Sie von vorn."},
		Refused: Message{"Das kam nicht von dieser Seite", "Eine andere Seite hat die Anfrage geschickt, oder diese Seite ist zu alt.", "Öffnen Sie die Seite neu und wiederholen Sie es dort."},
		Limited: Message{"Zu viele Versuche", "Bitte warten Sie etwas und versuchen Sie es dann noch einmal.", ""},
		Failed:  Message{"Bei uns ist etwas schiefgegangen", "Es wurde nichts verändert. Bitte versuchen Sie es gleich noch einmal.", "Nummer dieser Anfrage: {id}"},
		Back:    "Zurück zum Anfang",
	}
}

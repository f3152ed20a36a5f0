package words

func french() Catalogue {
	return Catalogue{
		Language: "fr", Direction: "ltr", Skip: "Aller au contenu",
		Invite: Invite{
			Title:        "Conversation privée",
			Description:  "Une invitation à s’écrire en privé.",
			Heading:      "Vous êtes invité à une conversation privée",
			Lead:         "Quelqu’un de {name} partage ce lien pour que vous puissiez vous écrire.",
			Free:         "Écrire ici est gratuit.",
			Paid:         "Cette conversation a un prix. Vous le voyez et l’acceptez avant tout débit.",
			Button:       "Continuer avec {name}",
			Note:         "La connexion se fait avec votre compte {name}. Ouvrir cette page n’a rien changé.",
			PointDevice:  "Les messages sont chiffrés sur votre appareil et ne s’ouvrent que sur l’autre.",
			PointNobody:  "Personne entre les deux ne peut les lire, pas même {name}.",
			PointPrivate: "Ni votre nom ni votre adresse ne sont transmis.",
		},
		Welcome: Welcome{
			Title:   "Conversations privées",
			Heading: "Conversations privées",
			Lead:    "Écrivez à des membres de {name}. Personne d’autre ne peut le lire.",
			Button:  "Continuer avec {name}",
		},
		Home: Home{
			Title:       "Connecté",
			Heading:     "Vous êtes connecté",
			Lead:        "Les conversations ne s’ouvrent pas encore dans le navigateur. Continuez dans l’application de terminal :",
			StepOpen:    "Lancez l’application de terminal sur votre ordinateur.",
			StepAddress: "Donnez-lui l’adresse ci-dessous.",
			StepCode:    "Elle affiche un code. Saisissez-le ici.",
			Address:     "Adresse",
			Enter:       "Saisir un code",
			SignOut:     "Se déconnecter",
		},
		Enter: Enter{
			Title:   "Connecter un terminal",
			Heading: "Connectez votre terminal",
			Lead:    "Saisissez le code qu’affiche l’application de terminal.",
			Label:   "Code",
			Hint:    "Majuscules, espaces et tirets n’ont pas d’importance.",
			Wrong:   "Ce n’est pas le code de cette connexion. Regardez de nouveau le terminal, ou recommencez là-bas.",
			Warning: "Ne continuez que si vous avez lancé vous-même l’application de terminal. Personne n’a de raison de vous envoyer un code.",
			Button:  "Connecter le terminal",
		},
		Done:    Message{"Votre terminal est connecté", "Retournez-y : il continue de lui-même.", "Vous pouvez fermer cette page."},
		Missing: Message{"Il n’y a rien ici", "Ce lien ne mène nulle part : mal saisi, déjà utilisé ou retiré.", "Demandez-en un nouveau là où vous l’avez trouvé."},
		SignIn:  Message{"La connexion a échoué", "La réponse de {name} est arrivée trop tard, a déjà servi ou appartient à une autre visite.", "Veuillez recommencer."},
		Refused: Message{"Cela ne venait pas de cette page", "Une autre page a envoyé la demande, ou cette page est trop ancienne.", "Rouvrez la page et recommencez là."},
		Limited: Message{"Trop de tentatives", "Veuillez patienter un peu, puis réessayer.", ""},
		Failed:  Message{"Un problème est survenu de notre côté", "Rien n’a été changé. Veuillez réessayer dans un instant.", "Numéro de cette demande : {id}"},
		Back:    "Retour au début",
	}
}

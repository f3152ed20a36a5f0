package words

func spanish() Catalogue {
	return Catalogue{
		Language: "es", Direction: "ltr", Skip: "Ir al contenido",
		Invite: Invite{
			Title:        "Conversación privada",
			Description:  "Una invitación para escribirse en privado.",
			Heading:      "Tiene una invitación a una conversación privada",
			Lead:         "Alguien de {name} comparte este enlace para que puedan escribirse.",
			Free:         "Escribir aquí es gratis.",
			Paid:         "Esta conversación tiene un precio. Lo verá y lo aceptará antes de que se cobre nada.",
			Button:       "Continuar con {name}",
			Note:         "Se entra con su cuenta de {name}. Abrir esta página no ha cambiado nada.",
			PointDevice:  "Los mensajes se cifran en su dispositivo y solo se abren en el otro.",
			PointNobody:  "Nadie entre ambos puede leerlos, tampoco {name}.",
			PointPrivate: "No se transmite ni su nombre ni su dirección.",
		},
		Welcome: Welcome{
			Title:   "Conversaciones privadas",
			Heading: "Conversaciones privadas",
			Lead:    "Escriba a miembros de {name}. Nadie más puede leerlo.",
			Button:  "Continuar con {name}",
		},
		Home: Home{
			Title:       "Sesión iniciada",
			Heading:     "Ha iniciado sesión",
			Lead:        "Las conversaciones todavía no se abren en el navegador. Siga en la aplicación de terminal:",
			StepOpen:    "Inicie la aplicación de terminal en su ordenador.",
			StepAddress: "Indíquele la dirección de abajo.",
			StepCode:    "Le mostrará un código. Introdúzcalo aquí.",
			Address:     "Dirección",
			Enter:       "Introducir un código",
			SignOut:     "Cerrar sesión",
		},
		Enter: Enter{
			Title:   "Iniciar sesión en un terminal",
			Heading: "Inicie sesión en su terminal",
			Lead:    "Introduzca el código que muestra la aplicación de terminal.",
			Label:   "Código",
			Hint:    "Las mayúsculas, los espacios y los guiones no importan.",
			Wrong:   "Ese no es el código de este inicio de sesión. Mire de nuevo el terminal o empiece allí otra vez.",
			Warning: "Continúe solo si usted mismo inició la aplicación de terminal. Nadie tiene motivo para enviarle un código.",
			Button:  "Iniciar sesión en el terminal",
		},
		Done:    Message{"Su terminal ha iniciado sesión", "Vuelva a él: seguirá por sí solo.", "Puede cerrar esta página."},
		Missing: Message{"Aquí no hay nada", "Este enlace no lleva a ninguna parte: puede estar mal escrito, usado o retirado.", "Pida uno nuevo donde lo encontró."},
		SignIn:  Message{"No se pudo iniciar sesión", "La respuesta de {name} llegó tarde, ya se había usado o pertenece a otra visita.", "Empiece de nuevo, por favor."},
		Refused: Message{"Eso no vino de esta página", "La petición la envió otra página, o esta página es demasiado antigua.", "Abra la página de nuevo y repítalo allí."},
		Limited: Message{"Demasiados intentos", "Espere un poco y vuelva a intentarlo.", ""},
		Failed:  Message{"Algo ha fallado por nuestra parte", "No se ha cambiado nada. Vuelva a intentarlo en un momento.", "Número de esta petición: {id}"},
		Back:    "Volver al inicio",
	}
}

package key

// The roles, to name one where the compiler cannot infer it, as in
// key.Generate[key.RoleIdentity](rand).
type (
	RoleIdentity      = identity
	RoleSignedPreKey  = signedPreKey
	RoleOneTimePreKey = oneTime
	RoleBase          = base
	RoleRatchet       = ratchet
)

package mailbox

// OneByOne makes the writers store one send a transaction, before the first
// send: what group commit is measured against.
func OneByOne(m *Mailbox) {
	for _, w := range m.writers {
		w.most = 0
	}
}

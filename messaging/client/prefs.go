package client

import (
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
)

const settingsRecord = "settings" // KindSetting

// prefs are the account's settings as this device knows them: KindSetting.
type prefs struct {
	at       uint64 // SentAt of the newest change
	settings content.Settings
}

// defaultPrefs tell the peer what was read and who is typing, as members expect
// of a chat; each can be switched off.
func defaultPrefs() prefs {
	return prefs{settings: content.Settings{ReadReceipts: true, TypingNotices: true}}
}

func (p *prefs) pack() []byte {
	b := newPacker()
	b.uint(p.at)
	b.bool(p.settings.ReadReceipts)
	b.bool(p.settings.TypingNotices)
	b.bool(p.settings.LinkPreviews)
	b.uint(uint64(p.settings.DefaultTimer))
	return b
}

func (d *device) loadPrefs(r vault.Reader) error {
	d.prefs = defaultPrefs()
	b, ok, err := lookup(r, vault.KindSetting, []byte(settingsRecord))
	if !ok {
		return err
	}
	u := unpack(b)
	d.prefs = prefs{at: u.uint(), settings: content.Settings{
		ReadReceipts: u.bool(), TypingNotices: u.bool(), LinkPreviews: u.bool(), DefaultTimer: uint32(u.uint()),
	}}
	return u.done()
}

// applySettings takes settings that are newer than the ones in force.
func (t *txn) applySettings(at uint64, s content.Settings) error {
	if at <= t.d.prefs.at {
		return nil
	}
	t.d.prefs = prefs{at, s}
	return t.Put(vault.KindSetting, []byte(settingsRecord), t.d.prefs.pack())
}

// setSettings changes the account's settings here and on the other devices.
func (d *device) setSettings(s content.Settings) error {
	if !d.ready() {
		return ErrNotReady
	}
	return d.act(func(t *txn) error {
		if err := t.applySettings(max(d.ms(), d.prefs.at+1), s); err != nil {
			return err
		}
		return t.tellOwn(s)
	})
}

// setVerified records that the member compared safety numbers, or takes it back.
func (d *device) setVerified(a messaging.AccountID, verified bool) error {
	s := d.logs[a]
	if d.peers[a] == nil || s == nil || s.log == nil {
		return ErrUnknownAccount
	}
	v := content.Verified{Account: a, Fingerprint: s.log.Fingerprint(), Verified: verified}
	return d.act(func(t *txn) error {
		if err := t.applyVerified(v); err != nil {
			return err
		}
		return t.tellOwn(v)
	})
}

// setState changes how a chat stands in the list, on all own devices.
func (d *device) setState(s content.ChatState) error {
	if d.chats[s.Chat] == nil {
		return ErrUnknownChat
	}
	return d.act(func(t *txn) error {
		if err := t.applyStates([]content.ChatState{s}); err != nil {
			return err
		}
		return t.tellOwn(content.ChatStates{Chats: []content.ChatState{s}})
	})
}

// act is one call of the member: a commit, and what becomes possible by it.
func (d *device) act(change func(*txn) error) error {
	if err := d.update(change); err != nil {
		return err
	}
	return d.progress()
}

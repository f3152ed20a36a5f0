package script

import (
	"context"
	"fmt"
	"time"

	"github.com/sottochat/sotto/cmd/term/member"
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/native"
)

type statusView struct {
	Standing string `json:"standing"`
	Online   bool   `json:"online"`
	Address  string `json:"address,omitempty"`
	Account  string `json:"account,omitempty"`
	Device   int    `json:"device,omitempty"`
	Over     string `json:"over,omitempty"` // why the connection does not come back
}

func standingName(s member.Standing) string {
	switch s {
	case member.SignedOut:
		return "signed_out"
	case member.Joining:
		return "joining"
	case member.Unfounded:
		return "unfounded"
	case member.Unlinked:
		return "unlinked"
	case member.Ready:
		return "ready"
	case member.Removed:
		return "removed"
	}
	return "unknown"
}

func statusOf(ctx context.Context, s *Script) (any, error) {
	now := s.Member.Now()
	v := statusView{Standing: standingName(now.Standing), Online: now.Online, Address: now.Origin}
	if now.Over != nil {
		v.Over = now.Over.Error()
	}
	a, err := s.Member.SelfID(ctx)
	if err == nil && a.Account != (messaging.AccountID{}) {
		v.Account, v.Device = a.Account.String(), int(a.Device)
	}
	return v, nil
}

type loginIn struct {
	base
	Address  string `json:"address"`
	TimeoutS int    `json:"timeout_s"`
}

// login signs in, and waits until it is known what comes next.
func login(ctx context.Context, s *Script, in loginIn) (any, error) {
	most, err := patience(in.TimeoutS, waitMember)
	if err != nil {
		return nil, err
	}
	origin, _, err := native.ParseAddress(in.Address)
	if err != nil {
		return nil, field("address", "https://chat.example or an invite link", "")
	}
	limited, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err = s.Member.SignIn(limited, origin, func(in *native.SignIn) {
		s.print(map[string]any{"event": "sign_in", "page": in.Page, "code": in.Code, "expires": in.Expires.Unix()})
	})
	if err != nil {
		return nil, err
	}
	err = s.until(ctx, most, func() (bool, error) {
		now := s.Member.Now()
		return now.Standing > member.Joining, now.Over
	})
	if err != nil {
		return nil, err
	}
	return statusOf(ctx, s)
}

func found(ctx context.Context, s *Script) (any, error) {
	code, err := s.Member.Found(ctx)
	if err != nil {
		return nil, err
	}
	// The code counts when it is in the log, which takes the connection as a device.
	if err := s.untilReady(ctx); err != nil {
		return nil, err
	}
	return map[string]string{"recovery_code": code}, nil
}

func (s *Script) untilReady(ctx context.Context) error {
	return s.until(ctx, waitServer*time.Second, func() (bool, error) {
		now := s.Member.Now()
		return now.Standing == member.Ready && now.Online, now.Over
	})
}

func recoveryCode(ctx context.Context, s *Script) (any, error) {
	code, err := s.Member.NewRecoveryCode(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"recovery_code": code}, nil
}

type codeIn struct {
	base
	Code string `json:"code"`
}

func recoverBy(ctx context.Context, s *Script, in codeIn) (any, error) {
	if err := s.Member.Core().Recover(ctx, in.Code); err != nil {
		return nil, err
	}
	return nil, s.untilReady(ctx)
}

type linkIn struct {
	base
	TimeoutS int `json:"timeout_s"`
}

// linkThis asks another device to let this one in: it prints the code at once,
// the digits when they are known, and answers when this device is in.
func linkThis(ctx context.Context, s *Script, in linkIn) (any, error) {
	most, err := patience(in.TimeoutS, waitMember)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	code, wait, err := s.Member.RequestLink(ctx)
	if err != nil {
		return nil, err
	}
	s.print(map[string]string{"event": "link_code", "code": code})
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = s.until(ctx, most, func() (bool, error) {
			digits, err := s.Member.Core().LinkDigits(ctx)
			if digits != "" {
				s.print(map[string]string{"event": "link_digits", "digits": digits})
			}
			return digits != "", err
		})
	}()
	err = wait(ctx)
	cancel()
	<-told
	if err != nil {
		return nil, err
	}
	return nil, s.untilReady(context.WithoutCancel(ctx))
}

func approve(ctx context.Context, s *Script, in codeIn) (any, error) {
	digits, err := s.Member.Core().ApproveLink(ctx, in.Code)
	if err != nil {
		return nil, err
	}
	return map[string]string{"digits": digits}, nil
}

type confirmIn struct {
	base
	Digits   string `json:"digits"`
	TimeoutS int    `json:"timeout_s"`
}

// confirm lets the new device in when the digits are those that approve gave, and
// answers when the history lies ready for it.
func confirm(ctx context.Context, s *Script, in confirmIn) (any, error) {
	most, err := patience(in.TimeoutS, waitMember)
	if err != nil {
		return nil, err
	}
	digits, err := s.Member.Core().LinkDigits(ctx)
	if err != nil {
		return nil, err
	}
	if digits == "" || digits != in.Digits {
		return nil, field("digits", "the six digits on the new device's screen, equal to the ones that approve answered", in.Digits)
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	id, offered, err := s.Member.ConfirmLink(ctx)
	if err != nil {
		return nil, err
	}
	if err := offered(ctx); err != nil {
		return nil, fmt.Errorf("the device is in, its history is not: %w", err)
	}
	return map[string]int{"device": int(id)}, nil
}

type deviceView struct {
	Device int   `json:"device"`
	Since  int64 `json:"since"` // Unix seconds
	This   bool  `json:"this,omitempty"`
}

func devices(ctx context.Context, s *Script) (any, error) {
	own, all, err := s.Member.Devices(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]deviceView, 0, len(all))
	for _, d := range all {
		out = append(out, deviceView{int(d.ID), d.Since.Unix(), d.ID == own})
	}
	return map[string]any{"devices": out}, nil
}

func revoke(ctx context.Context, s *Script, in struct {
	base
	Device int `json:"device"`
}) (any, error) {
	if in.Device < 1 || in.Device > int(messaging.MaxDeviceID) {
		return nil, field("device", "1 to 127", fmt.Sprint(in.Device))
	}
	return nil, s.Member.Core().RemoveDevice(ctx, messaging.DeviceID(in.Device))
}

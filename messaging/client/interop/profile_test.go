//go:build !js

package interop_test

import (
	"fmt"

	"github.com/sottochat/sotto/messaging/client/session"
)

// profile is a build of the peer and what our side and, where the build leaves
// it to its caller, the peer ask of each other.
type profile struct {
	name   string
	peer   *process
	config session.Config
	// flag is what the peer's caller says on SPQR; only builds 0.74 to 0.82 ask.
	flag bool
	// spqr: the two end up with it.
	spqr bool
}

// release tells the releases apart whose behaviour differs (testdata/peer/README.md).
func (p *process) release() (minor int) {
	var major int
	n, err := fmt.Sscanf(p.hello.Libsignal, "%d.%d", &major, &minor)
	switch {
	case err == nil && n == 2 && major == 0:
		return minor
	case p.hello.Features.UsePqFlag:
		return 79
	case !p.hello.Features.EncLocal:
		return 90
	}
	return newest
}

// newest stands for a version that cannot be read and has all features.
const newest = 1 << 20

func (p *process) demandsSPQR() bool  { return p.release() >= 92 }
func (p *process) asksOnSPQR() bool   { return p.hello.Features.UsePqFlag }
func (p *process) hasAddresses() bool { return p.release() >= 91 }

// remembersLastResort: an earlier library does not tell its store what a
// last-resort prekey was used with.
func (p *process) remembersLastResort() bool { return p.release() >= 81 }

// profiles lists the ways in which we and a build can talk. The first is the
// product's own, as far as the build allows.
func profiles(p *process) []profile {
	named := func(name string, spqr, addresses session.Demand, flag, with bool) profile {
		return profile{
			name: name, peer: p, flag: flag, spqr: with,
			config: session.Config{SPQR: spqr, Addresses: addresses},
		}
	}
	switch {
	case p.demandsSPQR():
		return []profile{
			named("as the product", session.Required, session.Required, false, true),
			named("when we negotiate", session.Optional, session.Optional, false, true),
		}
	case p.asksOnSPQR():
		return []profile{
			named("told to use SPQR", session.Required, session.Optional, true, true),
			named("told not to", session.Optional, session.Off, false, false),
		}
	}
	return []profile{
		named("when we demand", session.Required, session.Optional, false, true),
		named("when both negotiate", session.Optional, session.Off, false, true),
		named("when we lack SPQR", session.Off, session.Off, false, false),
	}
}

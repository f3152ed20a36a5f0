package main

import (
	"context"

	"github.com/sottochat/sotto/cmd/term/member"
)

func fullScreen(ctx context.Context, o options, m *member.Member) error { return nil }

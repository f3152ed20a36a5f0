package main

import (
	"context"
	"fmt"

	"github.com/sottochat/sotto/migrations"
)

// migrate brings the database to the newest schema. With ROLES_DATABASE_URL, a
// login that may create roles, it makes the roles first.
func (p program) migrate(ctx context.Context) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	if c.owner == "" {
		return fmt.Errorf("%w OWNER_DATABASE_URL: expected it or DATABASE_URL, received none", errSetting)
	}
	if admin := p.env("ROLES_DATABASE_URL"); admin != "" {
		if err := migrations.CreateRoles(ctx, admin); err != nil {
			return fmt.Errorf("%w: %w", errDatabase, err)
		}
	}
	if err := migrations.Up(c.owner); err != nil {
		return fmt.Errorf("%w: %w", errDatabase, err)
	}
	_, err = fmt.Fprintln(p.stdout, `{"migrated":true}`)
	return err
}

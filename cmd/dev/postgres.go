package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/migrations"
	"github.com/sottochat/sotto/tenant/pglocal"
)

// databaseName is the one database of the cluster.
const databaseName = "sotto"

// database names the demo's database as each role.
type database struct{ cluster *pglocal.Cluster }

func (d database) url(role string) string { return d.cluster.URL(role, databaseName) }

// startPostgres starts the private cluster and brings it to the newest schema.
func startPostgres(ctx context.Context, place string, parts *parts, say func(string)) (database, error) {
	if err := pglocal.Provide(ctx, say); err != nil {
		return database{}, fmt.Errorf("PostgreSQL could not be had: %w", err)
	}
	cluster, err := pglocal.Start(ctx, pglocal.Config{Dir: place, Roles: migrations.Roles(),
		Settings: map[string]string{"max_connections": "100", "log_timezone": "UTC", "timezone": "UTC"}})
	if err != nil {
		return database{}, fmt.Errorf("%w; the log ends with:\n%s\n(--reset begins with an empty database)",
			err, logEnd(filepath.Join(place, "postgres.log")))
	}
	parts.add(part{"PostgreSQL", cluster.Done(), func() error { cluster.Stop(); return nil }})
	if err := prepareDatabase(ctx, cluster.URL(pglocal.Superuser, "postgres")); err != nil {
		return database{}, err
	}
	d := database{cluster}
	return d, migrations.Up(d.url(migrations.Owner))
}

// prepareDatabase makes roles and database where they are missing.
func prepareDatabase(ctx context.Context, admin string) error {
	if err := migrations.CreateRoles(ctx, admin); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	defer conn.Close(ctx)
	var exists bool
	err = conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, databaseName).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, `create database `+databaseName+` owner `+migrations.Owner)
	}
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}

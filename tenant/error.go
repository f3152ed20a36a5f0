package tenant

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What a statement can meet, apart from success.
var (
	ErrNotFound    = errors.New("tenant: no such row")
	ErrConflict    = errors.New("tenant: a row with this key exists")
	ErrReference   = errors.New("tenant: a row that is referred to does not exist")
	ErrCheck       = errors.New("tenant: a value is outside its bounds")
	ErrDenied      = errors.New("tenant: not permitted by the database")
	ErrUnavailable = errors.New("tenant: the database does not answer")
	ErrAgain       = errors.New("tenant: the transaction met another one and may be tried again")
	ErrStatement   = errors.New("tenant: the database refused the statement")
)

// Error is what PostgreSQL reported, without the parts that may hold values of
// a row or text of a statement (message, detail, hint, where).
type Error struct {
	Code       string // SQLSTATE
	Table      string
	Constraint string
	class      error
}

func (e *Error) Error() string {
	s := e.class.Error() + " (SQLSTATE " + e.Code
	if e.Constraint != "" {
		s += ", " + e.Constraint
	}
	return s + ")"
}

// Unwrap returns one of the sentinels of this package.
func (e *Error) Unwrap() error { return e.class }

// clean turns a driver's error into one that is safe in a log or an answer.
func clean(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case errors.As(err, &pg):
		return &Error{Code: pg.Code, Table: pg.TableName, Constraint: pg.ConstraintName, class: classOf(pg.Code)}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return ErrUnavailable
	}
}

// classOf maps SQLSTATE (PostgreSQL documentation, appendix A) to a sentinel.
func classOf(code string) error {
	switch code {
	case "23505", "23P01":
		return ErrConflict
	case "23503":
		return ErrReference
	case "23514", "23502", "22001", "22003":
		return ErrCheck
	case "42501":
		return ErrDenied
	case "40001", "40P01", "55P03":
		return ErrAgain
	}
	switch code[:min(2, len(code))] {
	case "08", "53", "57", "58":
		return ErrUnavailable
	}
	return ErrStatement
}

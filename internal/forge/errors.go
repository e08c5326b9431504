package forge

import (
	"errors"
	"fmt"
	"time"
)

// The kinds of answer that callers branch on with errors.Is. An adapter wraps
// them with what it was doing.
var (
	ErrNotFound     = errors.New("not found")
	ErrExists       = errors.New("already exists")
	ErrConflict     = errors.New("changed meanwhile")
	ErrInvalid      = errors.New("refused as invalid")
	ErrForbidden    = errors.New("not permitted")
	ErrUnauthorized = errors.New("credentials not accepted")
	ErrRateLimited  = errors.New("rate limited")
	ErrUnavailable  = errors.New("service unavailable")
	// ErrUnclear means the request was sent and no whole answer came back: it
	// may or may not have happened. Look it up by key before any retry.
	ErrUnclear = errors.New("answer lost after sending")
)

// Error is a refused or failed forge call with what helps a person on.
type Error struct {
	Doing      string        // "creating a reference"
	Status     int           // HTTP status, 0 when there was no answer
	Message    string        // the forge's own words, cleaned and capped
	Needs      string        // permission that would have been accepted, "issues: write"
	RetryAfter time.Duration // of a rate limit, 0 if not told
	Kind       error         // one of the Err values above
}

// Error says what was being done, what came back and, if known, which
// permission is missing.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %v", e.Doing, e.Kind)
	if e.Status != 0 {
		s += fmt.Sprintf(" (%d)", e.Status)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Needs != "" {
		s += "; the token needs " + e.Needs
	}
	return s
}

// Unwrap gives the kind, for errors.Is.
func (e *Error) Unwrap() error { return e.Kind }

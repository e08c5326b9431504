package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
)

// logTries bounds how often an append is tried again after another writer was
// faster. The writers share one concurrency group, so more than one loser is
// already a misconfiguration.
const logTries = 5

// appendLog enters a cycle once. The blob sha of the version that was read is
// the token of the compare-and-swap; a lost race is read again.
func appendLog(ctx context.Context, f Files, p AppendLog, now time.Time, res *Result) error {
	var e journal.Entry
	if err := json.Unmarshal(p.Entry, &e); err != nil {
		return fmt.Errorf("reading the proposed log entry: %w", err)
	}
	e.At = now.UTC().Truncate(time.Second)
	var err error
	for range logTries {
		err = appendOnce(ctx, f, p.Branch, e)
		if errors.Is(err, journal.ErrEntered) {
			res.State = Already
			return nil
		}
		if !errors.Is(err, forge.ErrConflict) && !errors.Is(err, forge.ErrUnclear) && !errors.Is(err, forge.ErrExists) {
			return err
		}
	}
	return err
}

func appendOnce(ctx context.Context, f Files, branch string, e journal.Entry) error {
	have, err := f.File(ctx, journal.Path, branch)
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return err
	}
	if len(have.Content) >= journal.MaxSize {
		return rollLog(ctx, f, branch, have, e)
	}
	log, err := journal.Append(have.Content, e)
	if err != nil {
		return err
	}
	return put(ctx, f, journal.Path, branch, logMessage(e), log, have.SHA)
}

// rollLog writes the archive first. Killed in between, the next try finds the
// same bytes there and only begins the new log.
func rollLog(ctx context.Context, f Files, branch string, have forge.File, e journal.Entry) error {
	var lookErr error
	archive, fresh, err := journal.Roll(have.Content, e, func(path string) bool {
		old, err := f.File(ctx, path, branch)
		if err != nil && !errors.Is(err, forge.ErrNotFound) {
			lookErr = err
		}
		return err == nil && string(old.Content) != string(have.Content)
	})
	if err := errors.Join(err, lookErr); err != nil {
		return err
	}
	if _, err := f.File(ctx, archive, branch); errors.Is(err, forge.ErrNotFound) {
		if err := put(ctx, f, archive, branch, "seedbed: roll the log [skip ci]", have.Content, ""); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return put(ctx, f, journal.Path, branch, logMessage(e), fresh, have.SHA)
}

func logMessage(e journal.Entry) string {
	return fmt.Sprintf("seedbed: log of run %d [skip ci]", e.Run)
}

func put(ctx context.Context, f Files, path, branch, message string, content []byte, old string) error {
	_, _, err := f.PutFile(ctx, path, branch, message, content, old)
	return err
}

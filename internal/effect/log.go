package effect

import (
	"bytes"
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
func (a *Applier) appendLog(ctx context.Context, f Files, p AppendLog, res *Result) error {
	var e journal.Entry
	if err := json.Unmarshal(p.Entry, &e); err != nil {
		return fmt.Errorf("reading the proposed log entry: %w", err)
	}
	e.At = a.Now().UTC().Truncate(time.Second)
	unclear := false
	var err error
	for range logTries {
		res.SHA, err = a.appendOnce(ctx, f, p.Branch, e)
		switch {
		case errors.Is(err, journal.ErrEntered):
			if !unclear {
				res.State = Already
			}
			return nil
		case errors.Is(err, forge.ErrUnclear):
			unclear = true
		case !errors.Is(err, forge.ErrConflict) && !errors.Is(err, forge.ErrExists):
			return err
		}
	}
	return err
}

func (a *Applier) appendOnce(ctx context.Context, f Files, branch string, e journal.Entry) (commit string, err error) {
	have, err := f.File(ctx, journal.Path, branch)
	missing := errors.Is(err, forge.ErrNotFound)
	if err != nil && !missing {
		return "", err
	}
	if len(have.Content) >= a.logSize() {
		return rollLog(ctx, f, branch, have, e)
	}
	log, err := journal.Append(have.Content, e)
	if err != nil {
		return "", err
	}
	commit, err = put(ctx, f, journal.Path, branch, logMessage(e), log, have.SHA)
	if missing && errors.Is(err, forge.ErrNotFound) && a.Ports.Refs != nil {
		return beginBranch(ctx, a.Ports.Refs, branch, logMessage(e), log)
	}
	return commit, err
}

func (a *Applier) logSize() int {
	if a.LogSize > 0 {
		return a.LogSize
	}
	return journal.MaxSize
}

// beginBranch is for a log on a branch of its own that is not there yet: a
// commit without parents, so that no code stands beside the log. Creating the
// reference is the compare-and-swap.
func beginBranch(ctx context.Context, r Refs, branch, message string, log []byte) (commit string, err error) {
	tree, err := createTree(ctx, r, "", []forge.TreeEdit{{Path: journal.Path, Mode: "100644", Content: log}})
	if err != nil {
		return "", err
	}
	if commit, err = createCommit(ctx, r, message, tree, nil); err != nil {
		return "", err
	}
	return commit, r.CreateRef(ctx, "refs/heads/"+branch, commit)
}

// rollLog writes the archive first. Killed in between, the next try finds there
// the bytes it would write, or their beginning when somebody appended since,
// and goes on from that.
func rollLog(ctx context.Context, f Files, branch string, have forge.File, e journal.Entry) (commit string, err error) {
	var there forge.File // what is at the archive's path already
	var lookErr error
	archive, fresh, err := journal.Roll(have.Content, e, func(path string) bool {
		old, err := f.File(ctx, path, branch)
		if err != nil && !errors.Is(err, forge.ErrNotFound) {
			lookErr = err
		}
		there = old
		return err == nil && !bytes.HasPrefix(have.Content, old.Content)
	})
	if err := errors.Join(err, lookErr); err != nil {
		return "", err
	}
	if !bytes.Equal(there.Content, have.Content) {
		if _, err := put(ctx, f, archive, branch, "seedbed: roll the log [skip ci]", have.Content, there.SHA); err != nil {
			return "", err
		}
	}
	return put(ctx, f, journal.Path, branch, logMessage(e), fresh, have.SHA)
}

func logMessage(e journal.Entry) string {
	return fmt.Sprintf("seedbed: log of run %d [skip ci]", e.Run)
}

func put(ctx context.Context, f Files, path, branch, message string, content []byte, old string) (commit string, err error) {
	_, commit, err = f.PutFile(ctx, path, branch, message, content, old)
	return commit, err
}

package implement

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/command"
)

// commandLine is what the task's worker runs, empty when a model does the work.
func (w *worker) commandLine() string { return w.seed.Workers[w.task.Worker].Command }

// byCommand lets the worker's command change the files.
func (w *worker) byCommand(ctx context.Context, line string) error {
	if err := w.open(ctx, w.base); err != nil {
		return err
	}
	since := w.Now()
	changed, err := w.byLine(ctx, line)
	if err != nil {
		return err
	}
	if !changed {
		return noChange(fmt.Sprintf("`%s` changed nothing", line))
	}
	if err := w.commit(ctx, w.task.Title, "Made by the command: "+line); err != nil {
		return err
	}
	return w.tellSize(ctx, line, since)
}

// byLine runs a command and takes over what it did to tracked and new files.
// What setup left behind before is no part of it.
func (w *worker) byLine(ctx context.Context, line string) (changed bool, err error) {
	before, err := w.Repo.Snapshot(ctx, w.bench.Dir, w.tree)
	if err != nil {
		return false, err
	}
	side, err := w.run(ctx, check.Declared{Kind: "worker", Name: line, Run: line, Timeout: command.DefaultTimeout})
	if err != nil {
		return false, err
	}
	if !side.OK() {
		return false, commandFailed(line, side)
	}
	after, err := w.Repo.Snapshot(ctx, w.bench.Dir, w.tree)
	if err != nil {
		return false, err
	}
	if before == after {
		return false, nil
	}
	if before == w.tree {
		return true, w.moveTo(ctx, after)
	}
	return w.difference(ctx, before, after)
}

func (w *worker) tellSize(ctx context.Context, what string, since time.Time) error {
	set, err := w.objects.compare(ctx, w.base, w.head)
	if err != nil {
		return err
	}
	files, added, deleted := set.Counts()
	w.phase("command", since, "%s: %s, +%d -%d", strings.TrimSpace(what), count(files, "file"), added, deleted)
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

package main

import (
	"context"
	"errors"

	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/implement"
	"github.com/seedbed-dev/seedbed/internal/stage/review"
	"github.com/seedbed-dev/seedbed/internal/stage/test"
)

// The struct literals below are what each step may touch: a model and a
// sandbox, never a port that writes to the forge.

func (w *world) implement(ctx context.Context, m *modelFlags) error {
	return w.stage(ctx, "implement", func(j job) (rundir.Stage, error) {
		model, err := w.model(j, m)
		if err != nil {
			return rundir.Stage{}, err
		}
		box, why, err := w.runnerFor(j)
		if err != nil {
			return rundir.Stage{}, err
		}
		scratch, err := w.tempDir("implement")
		if err != nil {
			return rundir.Stage{}, err
		}
		return implement.Run(ctx, implement.Ports{Model: model, Repo: j.repo, Sandbox: box, NoSandbox: why, Now: w.now, Scratch: scratch,
			Redactor: w.redactor(), Ledger: j.ledger}, j.seed, j.dir)
	})
}

func (w *world) test(ctx context.Context, f *testFlags) error {
	if f.from != "" {
		if err := w.verifyDir(f); err != nil {
			return err
		}
	}
	return w.stage(ctx, "test", func(j job) (rundir.Stage, error) {
		box, why, err := w.runnerFor(j)
		if err != nil {
			return rundir.Stage{}, err
		}
		scratch, err := w.tempDir("test")
		if err != nil {
			return rundir.Stage{}, err
		}
		return test.Run(ctx, test.Ports{Repo: j.repo, Sandbox: box, NoSandbox: why, Now: w.now, Scratch: scratch,
			Redactor: w.redactor(), Ledger: j.ledger}, j.seed, j.dir)
	})
}

// testFlags are those of a verify job: what was built, and the accepted task,
// from two different jobs.
type testFlags struct {
	from     string
	accepted string
	task     string
}

// verifyDir makes the run directory of a verify job. The task and the commit it
// begins at come from the job that accepted it; of what the build job handed
// over the patch alone is taken, and nothing that it measured.
func (w *world) verifyDir(f *testFlags) error {
	t, err := pickedTask(f.accepted, f.task)
	if err != nil {
		return err
	}
	built, err := rundir.Open(f.from)
	if err != nil {
		return err
	}
	patch, err := built.Read(rundir.PatchFile)
	if err != nil {
		return err
	}
	run := w.newRun("verify", built.Run.Event)
	run.Task, run.Base = t, rundir.Snapshot{Commit: t.Base, At: w.now().UTC()}
	dir, err := rundir.Create(w.flags.runDir, run)
	if err != nil || patch == nil {
		return err
	}
	dir.Run.HeadTree = built.Run.HeadTree
	return dir.Write(rundir.PatchFile, patch)
}

func (w *world) review(ctx context.Context, m *modelFlags) error {
	return w.stage(ctx, "review", func(j job) (rundir.Stage, error) {
		model, err := w.model(j, m)
		if err != nil {
			return rundir.Stage{}, err
		}
		return review.Run(ctx, review.Ports{Model: model, Repo: j.repo, Now: w.now, Redactor: w.redactor()}, j.seed, j.dir)
	})
}

// runnerFor gives the sandbox as the stages' port, or says why there is none.
func (w *world) runnerFor(j job) (check.Runner, string, error) {
	box, err := w.sandboxFor(j.seed, j.dir.Run.Job)
	if errors.Is(err, sandbox.ErrUnavailable) {
		return nil, err.Error(), nil
	}
	if err != nil {
		return nil, "", err
	}
	return box, "", nil
}

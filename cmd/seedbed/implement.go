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

func (w *world) test(ctx context.Context, from string) error {
	if from != "" {
		if err := w.verifyDir(from); err != nil {
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

// verifyDir makes the run directory of a verify job from the one a build job
// handed over: the task and the patch, and nothing that was measured.
func (w *world) verifyDir(from string) error {
	built, err := rundir.Open(from)
	if err != nil {
		return err
	}
	patch, err := built.Read(rundir.PatchFile)
	if err != nil {
		return err
	}
	run := w.newRun("verify", built.Run.Event)
	run.Task, run.Base = built.Run.Task, built.Run.Base
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

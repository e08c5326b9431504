package main

import (
	"context"

	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/stage/implement"
	"github.com/seedbed-dev/seedbed/internal/stage/review"
	"github.com/seedbed-dev/seedbed/internal/stage/test"
)

// The struct literals below are what each step may touch: a model and a
// sandbox, never a port that writes to the forge.

func (w *world) implement(ctx context.Context, m *modelFlags) error {
	return w.stage(ctx, "implement", func(dir *rundir.Dir, s *seed.Seed, repo workspace) (rundir.Stage, error) {
		model, err := w.model(s, dir, m)
		if err != nil {
			return rundir.Stage{}, err
		}
		box, err := w.runnerFor(s, dir.Run.Job)
		if err != nil {
			return rundir.Stage{}, err
		}
		scratch, err := w.tempDir("implement")
		if err != nil {
			return rundir.Stage{}, err
		}
		return implement.Run(ctx, implement.Ports{Model: model, Repo: repo, Sandbox: box, Now: w.now, Scratch: scratch, Redactor: w.redactor()}, s, dir)
	})
}

func (w *world) test(ctx context.Context, from string) error {
	if from != "" {
		if err := w.verifyDir(from); err != nil {
			return err
		}
	}
	return w.stage(ctx, "test", func(dir *rundir.Dir, s *seed.Seed, repo workspace) (rundir.Stage, error) {
		box, err := w.runnerFor(s, dir.Run.Job)
		if err != nil {
			return rundir.Stage{}, err
		}
		scratch, err := w.tempDir("test")
		if err != nil {
			return rundir.Stage{}, err
		}
		return test.Run(ctx, test.Ports{Repo: repo, Sandbox: box, Now: w.now, Scratch: scratch, Redactor: w.redactor()}, s, dir)
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
	return w.stage(ctx, "review", func(dir *rundir.Dir, s *seed.Seed, repo workspace) (rundir.Stage, error) {
		model, err := w.model(s, dir, m)
		if err != nil {
			return rundir.Stage{}, err
		}
		return review.Run(ctx, review.Ports{Model: model, Repo: repo, Now: w.now, Redactor: w.redactor()}, s, dir)
	})
}

// runnerFor gives the sandbox as the stages' port; nil stays nil.
func (w *world) runnerFor(s *seed.Seed, job string) (check.Runner, error) {
	box, err := w.checkRunner(s, job)
	if err != nil || box == nil {
		return nil, err
	}
	return box, nil
}

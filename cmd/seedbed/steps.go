package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

func stepCommands(w *world) []*cobra.Command {
	return []*cobra.Command{planCommand(w), implementCommand(w), testCommand(w), reviewCommand(w), governCommand(w), deployCommand(w), runCommand(w)}
}

func defaultRunDir(w *world) string {
	if dir := w.env("RUNNER_TEMP"); dir != "" {
		return filepath.Join(dir, "seedbed")
	}
	return ".seedbed"
}

// openRun opens the run directory that plan made.
func (w *world) openRun() (*rundir.Dir, error) {
	if !rundir.Exists(w.flags.runDir) {
		return nil, usage("run seedbed plan first, or pass --run-dir", "no run directory at %s", w.flags.runDir)
	}
	dir, err := rundir.Open(w.flags.runDir)
	if errors.Is(err, rundir.ErrDigest) {
		return nil, &failure{outcome: rundir.ValidationBlocked, err: fmt.Errorf("%w [integrity]", err),
			hint: "the run directory was changed after it was written: start the run again"}
	}
	return dir, err
}

// stage runs one step on an open run directory: it reads the contract of the
// base commit, does the step, and writes the record.
func (w *world) stage(ctx context.Context, name string, do func(job) (rundir.Stage, error)) error {
	dir, err := w.openRun()
	if err != nil {
		return err
	}
	if rec, over := alreadyOver(dir); over {
		w.tell("%s has nothing to do: %s ended %s", name, rec.Stage, rec.Outcome)
		return w.record(dir, rundir.Stage{Stage: name, Outcome: rec.Outcome, Message: rec.Message, Started: w.now().UTC()}, false)
	}
	repo, err := w.baseClone(ctx, dir.Run.Base.Commit)
	if err != nil {
		return err
	}
	s, err := readSeed(ctx, repo, dir.Run.Base.Commit)
	if err != nil {
		return err
	}
	ledger, err := taskLedger(s, dir)
	if err != nil {
		return err
	}
	rec, err := do(job{dir: dir, seed: s, repo: w.workspace(repo), ledger: ledger})
	if err != nil {
		return err
	}
	return errors.Join(saveLedger(ledger, dir), w.record(dir, rec, true))
}

// job is what every step that works on a change is given.
type job struct {
	dir    *rundir.Dir
	seed   *seed.Seed
	repo   workspace
	ledger *budget.Ledger // of the task, over all its steps
}

// alreadyOver says whether plan ended without a task.
func alreadyOver(dir *rundir.Dir) (rundir.Stage, bool) {
	rec, ok := dir.Run.Last("plan")
	return rec, ok && rec.Outcome != rundir.Succeeded
}

// record stores a stage's record and tells it.
func (w *world) record(dir *rundir.Dir, rec rundir.Stage, keep bool) error {
	if keep {
		dir.Run.Stages = append(dir.Run.Stages, rec)
		if err := errors.Join(dir.Seal(rundir.TranscriptFile), dir.Save()); err != nil {
			return err
		}
	}
	if err := w.printStage(rec); err != nil {
		return err
	}
	if rec.Outcome == rundir.Succeeded {
		return nil
	}
	return &ended{rec.Outcome}
}

func (w *world) printStage(rec rundir.Stage) error {
	if err := w.outputs(rec.Outcome, rec.Reason); err != nil {
		return err
	}
	if w.flags.format == "json" {
		return w.printJSON(rec)
	}
	for _, p := range rec.Phases {
		fmt.Fprintf(w.stdout, "%-10s %5.1fs  %s\n", p.Name, float64(p.Millis)/1000, p.Note)
	}
	fmt.Fprintf(w.stdout, "%-10s %5.1fs  %s\n", rec.Stage, float64(rec.Millis)/1000, sentence(rec))
	if rec.Question != "" {
		fmt.Fprintf(w.stdout, "question: %s\n", rec.Question)
	}
	return nil
}

func sentence(rec rundir.Stage) string {
	if rec.Outcome == rundir.Succeeded {
		return rec.Message
	}
	return strings.TrimSuffix(fmt.Sprintf("%s: %s", rec.Outcome, rec.Message), ": ")
}

func (w *world) printJSON(v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.stdout, "%s\n", data)
	return err
}

// outputs sets the step's outputs in Actions.
func (w *world) outputs(o rundir.Outcome, reason string) error {
	if !w.context.Actions {
		return nil
	}
	return errors.Join(w.runner.Output("outcome", string(o)), w.runner.Output("exit_code", fmt.Sprint(o.ExitCode())),
		w.runner.Output("reason", reason))
}

// baseClone is a bare copy of the work tree's repository, or of the forge's
// when the work tree does not hold the commit.
func (w *world) baseClone(ctx context.Context, commit string) (*git.Repo, error) {
	if _, err := os.Stat(filepath.Join(w.flags.repo, ".git")); err == nil {
		repo, err := w.localClone(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := repo.Resolve(ctx, commit); err == nil {
			return repo, nil
		}
	}
	if w.token() == "" {
		return nil, &failure{outcome: rundir.Infrastructure, err: fmt.Errorf("commit %.8s is not in %s", commit, w.flags.repo),
			hint: "fetch it (actions/checkout with fetch-depth: 0)"}
	}
	return w.remoteClone(ctx)
}

func implementCommand(w *world) *cobra.Command {
	m := &modelFlags{}
	c := &cobra.Command{
		Use: "implement", Short: "Make the change a task asks for, step by step, in the sandbox",
		Args: noArgs,
		Annotations: map[string]string{envNote: modelEnv, outcomesNote: `  0 succeeded            the change is in the run directory
  1 no_change            with the reason
  1 quality_rejected     the change breaks a limit that govern would refuse
  3 environment_blocked  no sandbox, no model
  3 infrastructure_failed, unusable model reply after one repair
  4 needs_human          with the exact question
  5 budget_exhausted     what was made is kept`},
		RunE: func(c *cobra.Command, _ []string) error { return w.implement(c.Context(), m) },
	}
	repoFlag(w, c.Flags())
	runFlags(w, c.Flags())
	forgeFlags(w, c.Flags())
	formatFlag(w, c.Flags())
	m.add(c.Flags())
	return c
}

func testCommand(w *world) *cobra.Command {
	f := &testFlags{}
	c := &cobra.Command{
		Use: "test", Short: "Run the declared commands at base and head, in the sandbox",
		Args: noArgs,
		Annotations: map[string]string{outcomesNote: `  0 succeeded            green at the head
  1 validation_blocked   green at the base, red at the head, with the failing names
  3 environment_blocked  no sandbox
  4 needs_human          red at the base already: not this change's doing
  5 budget_exhausted     commands or minutes are used up`},
		RunE: func(c *cobra.Command, _ []string) error { return w.test(c.Context(), f) },
	}
	repoFlag(w, c.Flags())
	runFlags(w, c.Flags())
	forgeFlags(w, c.Flags())
	formatFlag(w, c.Flags())
	c.Flags().StringVar(&f.from, "from", "", "verify: measure the change of this run directory anew, into --run-dir")
	c.Flags().StringVar(&f.accepted, "accepted", "", "verify: run directory that holds the accepted tasks")
	c.Flags().StringVar(&f.task, "task", "", "verify: which of them, by its key's first 8 digits")
	return c
}

func reviewCommand(w *world) *cobra.Command {
	m := &modelFlags{}
	pull := 0
	c := &cobra.Command{
		Use: "review", Short: "Review a change: static findings, then the model's",
		Args: noArgs,
		Annotations: map[string]string{envNote: modelEnv, outcomesNote: `  0 succeeded            no blocking finding
  1 quality_rejected     findings that ask for rework
  3 infrastructure_failed, unusable model reply after one repair
  5 budget_exhausted`},
		RunE: func(c *cobra.Command, _ []string) error {
			if pull != 0 {
				return w.reviewPull(c.Context(), m, pull)
			}
			return w.review(c.Context(), m)
		},
	}
	repoFlag(w, c.Flags())
	runFlags(w, c.Flags())
	forgeFlags(w, c.Flags())
	formatFlag(w, c.Flags())
	c.Flags().IntVar(&pull, "pull", 0, "review this pull request, by its diff alone, into a new run directory")
	m.add(c.Flags())
	return c
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("seedbed "+c.Name()+" --help lists what it takes", "%s takes no arguments, found %q", c.Name(), args[0])
	}
	return nil
}

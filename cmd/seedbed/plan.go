package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/plan"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// planFlags are plan's own.
type planFlags struct {
	selectOnly bool
	issue      int
	from       string
	task       string
	accepted   string
	job        string
}

func planCommand(w *world) *cobra.Command {
	f, m := &planFlags{}, &modelFlags{}
	c := &cobra.Command{
		Use: "plan", Short: "Select what is worked on next, and in which steps",
		Long: `Plan finds the labelled issues, asks the forge who put the label on and whether
the words changed since, and writes the tasks, with the effects that claim them,
into the run directory. It writes nothing to the forge.`,
		Args: noArgs,
		Annotations: map[string]string{envNote: "  GITHUB_TOKEN       read token (input token)\n" + modelEnv, outcomesNote: `  0 succeeded            the run directory holds a task
  0 nothing_to_do        said so, with the reason
  2                      bad flags, seed.yaml or event
  3 environment_blocked  no token, no permission, no model
  4 needs_approval       the label does not count: who put it on, or what was edited
  4 needs_human          the plan has a question
  5 budget_exhausted     says which limit`},
		RunE: func(c *cobra.Command, _ []string) error { return w.plan(c.Context(), f, m) },
	}
	repoFlag(w, c.Flags())
	runFlags(w, c.Flags())
	forgeFlags(w, c.Flags())
	formatFlag(w, c.Flags())
	m.add(c.Flags())
	c.Flags().BoolVar(&f.selectOnly, "select", false, "only select and claim: no model, no steps")
	c.Flags().IntVar(&f.issue, "issue", 0, "this issue alone (default: the event's, else the queue)")
	c.Flags().StringVar(&f.from, "from", "", "take the task from this file (Markdown) instead of an issue")
	c.Flags().StringVar(&f.task, "task", "", "plan the steps of this accepted task: its key's first 8 digits")
	c.Flags().StringVar(&f.accepted, "accepted", "", "run directory that holds the accepted tasks")
	c.Flags().StringVar(&f.job, "job", "", "which job this is: accept, build or quick (default: accept with --select, build with --task, else quick)")
	return c
}

func (w *world) plan(ctx context.Context, f *planFlags, m *modelFlags) error {
	event, err := w.event()
	if err != nil {
		return err
	}
	o, err := w.planOptions(event, f)
	if err != nil {
		return err
	}
	ports := plan.Ports{Now: w.now}
	if o.Spec == nil {
		client, err := w.forge(ctx)
		if err != nil {
			return err
		}
		ports.Forge = client
	}
	dir, err := w.planDir(ctx, ports.Forge, event, f, o.Picked)
	if err != nil {
		return err
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
	j := job{dir: dir, seed: s, repo: w.workspace(repo), ledger: ledger}
	ports.Source = j.repo
	if !o.Only {
		if ports.Model, err = w.model(j, m); err != nil {
			return err
		}
	}
	rec, err := plan.Run(ctx, ports, s, dir, o)
	if err != nil {
		return err
	}
	return w.record(dir, rec, true)
}

func (w *world) planOptions(event forge.Event, f *planFlags) (plan.Options, error) {
	o := plan.Options{Event: event, Kill: w.flags.kill, Only: f.selectOnly, Issue: f.issue}
	if o.Issue == 0 {
		o.Issue = issueOf(event)
	}
	var err error
	switch {
	case f.from != "":
		o.Spec, o.Title, err = specFrom(f.from)
	case f.task != "":
		o.Picked, err = pickedTask(f.accepted, f.task)
	}
	return o, err
}

// issueOf is the one issue an event is about: its own, or the number given to a
// dispatch.
func issueOf(e forge.Event) int {
	if e.Kind == forge.EventDispatch {
		n, _ := strconv.Atoi(e.Inputs["issue"])
		return n
	}
	return 0 // a label wakes the queue: the issue is found there like any other
}

func specFrom(path string) (*task.Spec, string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", usage("--from takes a Markdown file", "reading the task: %w", err)
	}
	title, body, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	title = strings.TrimSpace(strings.TrimLeft(title, "# "))
	spec := task.ParseSpec(title, body)
	if spec.Goal == "" {
		return nil, "", usage("begin the file with a title line", "%s names no goal", path)
	}
	return &spec, title, nil
}

func pickedTask(accepted, key string) (*task.Task, error) {
	dirs, err := rundir.All(accepted)
	if err != nil {
		return nil, usage("pass --accepted DIR, the run directory of the accept job", "%w", err)
	}
	for _, d := range dirs {
		tasks, err := plan.Tasks(d)
		if err != nil {
			return nil, err
		}
		for _, t := range tasks {
			if t.Key8() == key || t.Key == key {
				return &t, nil
			}
		}
	}
	return nil, usage("the accept job lists the keys in its output matrix", "no accepted task %q in %s", key, accepted)
}

// planDir makes the run directory. The base is the default branch's head as the
// forge knows it, or HEAD of the work tree for a task from a file.
func (w *world) planDir(ctx context.Context, f plan.Forge, event forge.Event, flags *planFlags, picked *task.Task) (*rundir.Dir, error) {
	run := w.newRun(flags.jobName(), event)
	base, err := w.base(ctx, f, picked)
	if err != nil {
		return nil, err
	}
	run.Base = base
	dir, err := rundir.Create(w.flags.runDir, run)
	if err != nil {
		return nil, err
	}
	if dir.Run.Attempt < run.Attempt {
		dir.Run.Attempt, dir.Run.URL = run.Attempt, run.URL
	}
	return dir, dir.Save()
}

func (f *planFlags) jobName() string {
	switch {
	case f.job != "":
		return f.job
	case f.selectOnly:
		return "accept"
	case f.task != "":
		return "build"
	}
	return "quick"
}

func (w *world) newRun(job string, event forge.Event) rundir.Run {
	return rundir.Run{Binary: binaryVersion(), ID: w.context.RunID, Attempt: max(1, w.context.Attempt), URL: w.context.RunURL, Job: job, Event: event}
}

func (w *world) base(ctx context.Context, f plan.Forge, picked *task.Task) (rundir.Snapshot, error) {
	at := w.now().UTC()
	if f == nil {
		repo, err := w.localClone(ctx)
		if err != nil {
			return rundir.Snapshot{}, err
		}
		head, err := repo.Resolve(ctx, "HEAD")
		if err != nil {
			return rundir.Snapshot{}, usage("commit something first", "the repository has no commit: %w", err)
		}
		return rundir.Snapshot{Repository: originOf(ctx, w.flags.repo), Branch: "HEAD", Commit: head, At: at}, nil
	}
	client, err := w.forge(ctx)
	if err != nil {
		return rundir.Snapshot{}, err
	}
	r, err := client.Repository(ctx)
	if err != nil {
		return rundir.Snapshot{}, fmt.Errorf("reading the repository: %w", err)
	}
	snap := rundir.Snapshot{Repository: r.FullName(), Branch: r.DefaultBranch, At: at}
	if picked != nil {
		snap.Commit = picked.Base
		return snap, nil
	}
	ref, err := f.Ref(ctx, "refs/heads/"+r.DefaultBranch)
	if err != nil {
		return snap, fmt.Errorf("reading %s: %w", r.DefaultBranch, err)
	}
	snap.Commit = ref.SHA
	return snap, nil
}

// Package plan decides what is worked on next and in which steps.
//
// Select is deterministic and calls no model: it finds the labelled issues,
// asks the forge who put the label on and whether the words changed since,
// sorts, counts budgets, and returns tasks with the effects that claim them.
// Run adds, for one task, the steps an architect proposes, where a model is to
// be had. The package writes nothing outside the run directory: what it wants
// done goes into effects.json, for govern to judge and apply.
package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Forge is what selecting reads. Implementation: adapter/github; in tests the
// same adapter on internal/fakegithub.
type Forge interface {
	Issue(ctx context.Context, number int) (forge.Issue, error)
	IssuesWithLabel(ctx context.Context, label string) ([]forge.Issue, error)
	Timeline(ctx context.Context, number int) ([]forge.TimelineEvent, error)
	Edits(ctx context.Context, number int) (forge.Edits, error)
	Permission(ctx context.Context, login string) (forge.Permission, error)
	OpenPulls(ctx context.Context) ([]forge.Pull, error)
	PullsByHead(ctx context.Context, branch string) ([]forge.Pull, error)
	Ref(ctx context.Context, name string) (forge.Ref, error)
	RefsUnder(ctx context.Context, prefix string) ([]forge.Ref, error)
	File(ctx context.Context, path, ref string) (forge.File, error)
	WorkflowRun(ctx context.Context, id int64) (forge.Run, error)
	Viewer(ctx context.Context) (forge.User, error)
}

// Ports is everything this stage may use. Model is nil when there is none.
type Ports struct {
	Forge  Forge
	Source Source // the base commit
	Model  llm.Completer
	Now    func() time.Time
}

// Options is what the command line and the event decide.
type Options struct {
	Event  forge.Event
	Kill   string     // value of the kill switch
	Issue  int        // one issue by number, 0: the event's, else the queue
	Spec   *task.Spec // of --from FILE, with Issue 0: a task without an issue
	Title  string     // of Spec
	Only   bool       // select alone: no model, no steps
	Take   bool       // the forge is asked for leases and authority; false on a laptop with --from
	Picked *task.Task // a task selected before, by another job
}

// Run selects, or takes what was selected, and plans the first task's steps.
// The run directory then holds tasks.json, effects.json and, unless Only is
// set, the task to implement.
func Run(ctx context.Context, p Ports, s *seed.Seed, dir *rundir.Dir, o Options) (rundir.Stage, error) {
	rec := rundir.Stage{Stage: "plan", Started: p.Now().UTC(), Outcome: rundir.Succeeded}
	err := run(ctx, p, s, dir, o, &rec)
	rec.Millis = p.Now().Sub(rec.Started).Milliseconds()
	var end *ending
	if errors.As(err, &end) {
		rec.Outcome, rec.Reason, rec.Message, rec.Question = end.outcome, end.reason, end.message, end.question
		return rec, nil
	}
	return rec, err
}

func run(ctx context.Context, p Ports, s *seed.Seed, dir *rundir.Dir, o Options, rec *rundir.Stage) error {
	tasks, effects, err := choose(ctx, p, s, dir, o)
	if len(effects) > 0 {
		if writeErr := dir.WriteJSON(rundir.EffectsFile, effect.Proposal{Version: effect.Version, Effects: effects}); writeErr != nil {
			return writeErr
		}
	}
	if err != nil {
		return err
	}
	if err := dir.WriteJSON(rundir.TasksFile, tasks); err != nil {
		return err
	}
	rec.Message = selected(tasks, s)
	if o.Only {
		return nil
	}
	t := tasks[0]
	dir.Run.Task = &t // also when no steps are found: govern tells whose task it was
	err = addSteps(ctx, p, s, &t, rec)
	if err == nil {
		rec.Message = planned(t)
	}
	return errors.Join(err, dir.Save())
}

func choose(ctx context.Context, p Ports, s *seed.Seed, dir *rundir.Dir, o Options) ([]task.Task, []effect.Effect, error) {
	switch {
	case o.Picked != nil:
		return []task.Task{*o.Picked}, nil, nil
	case o.Spec != nil:
		return []task.Task{fromSpec(s, o, dir.Run.Base.Commit, p.Now())}, nil, nil
	}
	return Select(ctx, p, s, dir.Run, o)
}

// ending is an outcome that is no fault of the program.
type ending struct {
	outcome  rundir.Outcome
	reason   string
	message  string
	question string
}

// Error is the message for people.
func (e *ending) Error() string { return e.message }

func nothing(format string, args ...any) error {
	return &ending{outcome: rundir.NothingToDo, message: fmt.Sprintf(format, args...)}
}

// selected says what was taken and within which limits.
func selected(tasks []task.Task, s *seed.Seed) string {
	where := "anything but protected files"
	if paths := s.AutomationContract.AIAccess.WritePaths; len(paths) > 0 {
		where = strings.Join(paths, " ")
	}
	numbers := make([]string, 0, len(tasks))
	for _, t := range tasks {
		numbers = append(numbers, fmt.Sprintf("#%d", t.Issue))
	}
	return fmt.Sprintf("%s · may write %s · at most %d lines, %d tokens", strings.Join(numbers, " "), where,
		s.Budgets.Change.MaxLines, s.Budgets.Task.Tokens)
}

// planned says what the plan is.
func planned(t task.Task) string {
	steps := "1 step"
	if n := len(t.Steps); n != 1 {
		steps = fmt.Sprintf("%d steps", n)
	}
	return fmt.Sprintf("%s, %s risk · %s", t.Type, risk(t), steps)
}

func risk(t task.Task) string {
	if t.Spec.Risk == "" || t.Spec.Risk == "propose" {
		return "low"
	}
	return t.Spec.Risk
}

// Tasks reads tasks.json of a run directory.
func Tasks(dir *rundir.Dir) ([]task.Task, error) {
	data, err := dir.Read(rundir.TasksFile)
	if err != nil || data == nil {
		return nil, err
	}
	var tasks []task.Task
	if err := json.Unmarshal(data, &tasks); err != nil {
		return nil, fmt.Errorf("reading %s: %w", rundir.TasksFile, err)
	}
	return tasks, nil
}

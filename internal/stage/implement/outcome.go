package implement

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// stop ends the work with an outcome.
type stop struct {
	outcome                   rundir.Outcome
	reason, message, question string
}

func (s *stop) Error() string { return s.message }

// Reasons, as they stand in the record.
const (
	ReasonBaseline  = "baseline_red"
	ReasonStuck     = "stuck"
	ReasonRefused   = "model_refused"
	ReasonQuestion  = "question"
	ReasonHumanStep = "human_step"
	ReasonDisputed  = "disputed"
	ReasonOutside   = "outside_limits"
)

func noSandbox(why string) error {
	if why == "" {
		why = "run `seedbed doctor` for what is missing"
	}
	return &stop{outcome: rundir.Environment, reason: "no_sandbox",
		message: "no sandbox to run commands in: " + why + "; sandbox: none in seed.yaml does without"}
}

func noModel(t task.Task) error {
	return &stop{outcome: rundir.Environment, reason: "no_model",
		message: fmt.Sprintf("#%d needs a model and none is configured; set the secret OPENAI_API_KEY, or give the task a worker with a command", t.Issue)}
}

func sandboxFailed(err error) error {
	return &stop{outcome: rundir.Environment, reason: "sandbox", message: "the sandbox could not run a command: " + err.Error()}
}

func setupFailed(d check.Declared, side rundir.Side) error {
	return &stop{outcome: rundir.Environment, reason: "setup_failed",
		message: fmt.Sprintf("commands.setup: %s %s\n%s", d.Name, ending(side), tail(side.Output, 20))}
}

func noChange(reason string) error {
	if reason == "" {
		reason = "the edits leave every file as it was"
	}
	return &stop{outcome: rundir.NoChange, reason: "no_change", message: clip(oneLine(reason), 400)}
}

func outOfTime(s *seed.Seed) error {
	return &stop{outcome: rundir.BudgetExhausted, reason: "minutes",
		message: fmt.Sprintf("the task's %d minutes are used up (budgets.task.minutes, %s)", s.Budgets.Task.Minutes, s.At("budgets.task.minutes"))}
}

// ending says how a command ended.
func ending(s rundir.Side) string {
	switch {
	case s.TimedOut:
		return fmt.Sprintf("did not end within %d s", s.Millis/1000)
	case len(s.Failed) > 0:
		return fmt.Sprintf("failed: %s", names(s.Failed))
	}
	return fmt.Sprintf("ended with exit code %d", s.Exit)
}

// names lists tests by their short names, a few of them.
func names(list []string) string {
	const most = 5
	var short []string
	for _, n := range list[:min(len(list), most)] {
		short = append(short, shortName(n))
	}
	text := strings.Join(short, ", ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// shortName is a test's name without its package.
func shortName(name string) string {
	if strings.HasSuffix(name, "(package)") {
		return name
	}
	if i := strings.LastIndex(name, ".Test"); i >= 0 {
		return name[i+1:]
	}
	return name
}

// tail keeps the last lines of an output.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// record makes the stage's entry. An error that is no outcome comes back with
// it.
func (w *worker) record(ended error) (rundir.Stage, error) {
	st := rundir.Stage{Stage: Stage, Round: 1, Started: w.started, Millis: w.Now().Sub(w.started).Milliseconds(), Phases: w.phases, Tokens: w.tokens}
	if last, ok := w.dir.Run.Last(Stage); ok {
		st.Round = last.Round + 1
	}
	err := w.conclude(&st, ended)
	w.inert(&st.Message)
	w.inert(&st.Question)
	for i := range st.Phases {
		w.inert(&st.Phases[i].Note)
	}
	return st, err
}

// inert makes words of models and programs fit for a terminal and a log.
func (w *worker) inert(text *string) {
	*text = command.Clean(w.Redactor.Redact([]byte(*text)), maxLine)
}

// maxLine is far above any sentence of ours, so that none is broken.
const maxLine = 2000

func (w *worker) conclude(st *rundir.Stage, ended error) error {
	var end *stop
	var bad *llm.Unusable
	var failed *llm.Error
	switch {
	case ended == nil && w.over != "":
		st.Outcome, st.Reason, st.Message = rundir.QualityRejected, ReasonOutside, w.over
	case ended == nil:
		st.Outcome, st.Message = rundir.Succeeded, w.summary()
	case errors.As(ended, &end):
		st.Outcome, st.Reason, st.Message, st.Question = end.outcome, end.reason, end.message, end.question
	case llm.OverBudget(ended):
		st.Outcome, st.Reason, st.Message = rundir.BudgetExhausted, "budget", ended.Error()
	case errors.As(ended, &bad):
		st.Outcome, st.Reason, st.Message = rundir.Infrastructure, string(llm.BadReply), bad.Error()+". "+bad.Next()
	case errors.As(ended, &failed):
		w.modelFailed(st, failed)
	case errors.Is(ended, context.Canceled), errors.Is(ended, context.DeadlineExceeded):
		st.Outcome, st.Reason, st.Message = rundir.Infrastructure, "interrupted", "the run was interrupted; what was made is kept"
	default:
		st.Outcome, st.Reason, st.Message = rundir.Infrastructure, "repository", ended.Error()
		return ended
	}
	return nil
}

func (w *worker) modelFailed(st *rundir.Stage, e *llm.Error) {
	st.Outcome, st.Reason, st.Message = rundir.Infrastructure, string(e.Kind), e.Error()+". "+e.Next()
	switch e.Kind {
	case llm.Auth, llm.Quota:
		st.Outcome = rundir.Environment
	case llm.Refusal:
		st.Outcome, st.Reason = rundir.NeedsHuman, ReasonRefused
		st.Question = fmt.Sprintf("The model declined to work on #%d. Shall it be worded differently, or does a person do it?", w.task.Issue)
	}
}

// summary is the last thing that was seen to be true.
func (w *worker) summary() string {
	for i := len(w.phases) - 1; i >= 0; i-- {
		if w.phases[i].Note != "" {
			return w.phases[i].Note
		}
	}
	return "done"
}

func commandFailed(line string, side rundir.Side) error {
	return &stop{outcome: rundir.NeedsHuman, reason: "command_failed", message: fmt.Sprintf("`%s` %s\n%s", line, ending(side), tail(side.Output, 20)),
		question: fmt.Sprintf("`%s` does not work on this repository as it is. What should be run instead?", line)}
}

func baselineRed(r redness) error {
	return &stop{outcome: rundir.NeedsHuman, reason: ReasonBaseline,
		message:  fmt.Sprintf("red before any change: `%s` %s\n%s", r.command, ending(r.side), tail(r.side.Output, 20)),
		question: fmt.Sprintf("`%s` fails on the base commit already. Who puts that right first?", r.command)}
}

func stuck(t task.Task, r redness) error {
	return &stop{outcome: rundir.NeedsHuman, reason: ReasonStuck,
		message: fmt.Sprintf("still red after the edit and one repair: `%s` %s\n%s", r.command, ending(r.side), tail(r.side.Output, 20)),
		question: fmt.Sprintf("%q is not done: %s still %s. The change so far is kept. Is the test right, and if so, what should the code do?",
			clip(oneLine(t.Title), 80), "`"+r.command+"`", ending(r.side))}
}

func humanStep(s task.Step) error {
	return &stop{outcome: rundir.NeedsHuman, reason: ReasonHumanStep, message: "the plan has a step for a person: " + clip(oneLine(s.Title), 100),
		question: clip(oneLine(strings.TrimSpace(s.Title+". "+s.Detail)), 400)}
}

func disputed(words string) error {
	return &stop{outcome: rundir.NeedsHuman, reason: ReasonDisputed, message: "the implementer does not agree with the review: " + clip(oneLine(words), 300),
		question: "Reviewer and implementer do not agree: " + clip(oneLine(words), 300) + " Who is right?"}
}

func asksBack(question string) error {
	return &stop{outcome: rundir.NeedsHuman, reason: ReasonQuestion, message: "the model asks before it goes on", question: clip(oneLine(question), 400)}
}

func mayNotRun(line string) error {
	return &stop{outcome: rundir.NeedsHuman, reason: ReasonHumanStep, message: fmt.Sprintf("the plan wants to run %q, which commands.allow does not name", clip(line, 100)),
		question: fmt.Sprintf("Shall %q be run? Then add it to commands.allow, or run it yourself.", clip(line, 100))}
}

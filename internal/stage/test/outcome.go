package test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// stop ends the stage with an outcome.
type stop struct {
	outcome                   rundir.Outcome
	reason, message, question string
}

func (s *stop) Error() string { return s.message }

// ReasonBaseline says that what fails failed before the change as well.
const ReasonBaseline = "baseline_red"

// compare turns two sides into an outcome. What the change broke counts before
// what was broken.
func (t *tester) compare() error {
	var ours, theirs []string
	for _, c := range t.checks.Commands {
		if c.Head.OK() {
			continue
		}
		switch fresh := newFailures(c); {
		case c.Base.OK():
			ours = append(ours, c.Command+": "+ending(*c.Head, c.Head.Failed))
		case len(fresh) > 0:
			ours = append(ours, c.Command+": "+ending(*c.Head, fresh)+" (others failed before)")
		default:
			theirs = append(theirs, c.Command+": "+ending(*c.Base, c.Base.Failed))
		}
	}
	switch {
	case len(ours) > 0:
		return &stop{outcome: rundir.ValidationBlocked, reason: "red", message: strings.Join(ours, "; ")}
	case len(theirs) > 0:
		return &stop{outcome: rundir.NeedsHuman, reason: ReasonBaseline, message: "red before the change as well: " + strings.Join(theirs, "; "),
			question: "These fail on the base commit already: " + strings.Join(theirs, "; ") + ". Who puts that right first?"}
	}
	return nil
}

// newFailures are the names that fail at head and did not at base.
func newFailures(c rundir.Command) []string {
	if c.Base == nil {
		return c.Head.Failed
	}
	return slices.DeleteFunc(slices.Clone(c.Head.Failed), func(n string) bool { return slices.Contains(c.Base.Failed, n) })
}

// ending says how a command ended, with the names given.
func ending(s rundir.Side, failed []string) string {
	const most = 10
	switch {
	case s.TimedOut:
		return fmt.Sprintf("did not end within %d s", s.Millis/1000)
	case len(failed) > most:
		return fmt.Sprintf("%s and %d more fail", strings.Join(failed[:most], ", "), len(failed)-most)
	case len(failed) == 1:
		return failed[0] + " fails"
	case len(failed) > 0:
		return strings.Join(failed, ", ") + " fail"
	}
	return fmt.Sprintf("exit code %d", s.Exit)
}

func noSandbox(why string) error {
	if why == "" {
		why = "run `seedbed doctor` for what is missing"
	}
	return &stop{outcome: rundir.Environment, reason: "no_sandbox",
		message: "no sandbox to test in: " + why + "; sandbox: none in seed.yaml does without"}
}

func setupFailed(side string, d check.Declared, r rundir.Side) error {
	message := fmt.Sprintf("commands.setup at %s: %s: %s", side, d.Name, ending(r, nil))
	if side == "head" {
		return &stop{outcome: rundir.ValidationBlocked, reason: "setup_failed", message: message}
	}
	return &stop{outcome: rundir.Environment, reason: "setup_failed", message: message}
}

// tally is one line about a side: tests by number where names are known.
func (t *tester) tally(side string) string {
	passed, total, green := 0, 0, 0
	for i := range t.list {
		s := t.side(i, side)
		passed, total = passed+s.Passed, total+s.Total
		if s.OK() {
			green++
		}
	}
	text := fmt.Sprintf("%d of %s green", green, count(len(t.list), "command"))
	if total > 0 {
		text = fmt.Sprintf("%d of %s green, %s", passed, count(total, "test"), text)
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// record makes the stage's entry. An error that is no outcome comes back with
// it.
func (t *tester) record(ended error) (rundir.Stage, error) {
	st := rundir.Stage{Stage: Stage, Round: 1, Started: t.started, Millis: t.Now().Sub(t.started).Milliseconds(), Phases: t.phases}
	if last, ok := t.dir.Run.Last(Stage); ok {
		st.Round = last.Round + 1
	}
	var end *stop
	var over *budget.Exceeded
	switch {
	case ended == nil:
		st.Outcome, st.Message = rundir.Succeeded, t.summary()
	case errors.As(ended, &end):
		st.Outcome, st.Reason, st.Message, st.Question = end.outcome, end.reason, end.message, end.question
	case errors.As(ended, &over):
		st.Outcome, st.Reason, st.Message = rundir.BudgetExhausted, "commands", over.Error()
	case errors.Is(ended, context.Canceled), errors.Is(ended, context.DeadlineExceeded):
		st.Outcome, st.Reason, st.Message = rundir.Infrastructure, "interrupted", "the run was interrupted before both sides were measured"
	default:
		st.Outcome, st.Reason, st.Message = rundir.Infrastructure, "repository", ended.Error()
		return st, ended
	}
	return st, nil
}

func (t *tester) summary() string {
	var parts []string
	if len(t.list) == 0 {
		parts = append(parts, "nothing was run: seed.yaml declares no command to run here")
	} else {
		parts = append(parts, t.tally("head"))
	}
	if t.skipped != "" {
		parts = append(parts, t.skipped)
	}
	return strings.Join(parts, "; ")
}

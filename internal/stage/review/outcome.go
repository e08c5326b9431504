package review

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// stop ends the stage with an outcome.
type stop struct {
	outcome                   rundir.Outcome
	reason, message, question string
}

func (s *stop) Error() string { return s.message }

// Reasons, as they stand in the record.
const (
	ReasonRework = "rework" // another round is allowed
	ReasonRounds = "rounds" // the rounds are used up
)

// judgement turns a verdict into an outcome. A person's change is told about
// and never sent back.
func (r *reviewer) judgement() error {
	if r.verdict != Rework || r.pull != nil {
		return nil
	}
	round, most := r.dir.Run.Review.Round, r.seed.Budgets.Task.ReviewRounds
	if round <= most {
		return &stop{outcome: rundir.QualityRejected, reason: ReasonRework, message: r.oneLine()}
	}
	return &stop{outcome: rundir.NeedsHuman, reason: ReasonRounds, message: r.oneLine(),
		question: fmt.Sprintf("After %s of review these remain: %s. Is the reviewer right, or may it pass so?", count(round, "round"), r.firstErrors())}
}

// oneLine is "2 of 2 files, 1 finding, rework".
func (r *reviewer) oneLine() string {
	looked := fmt.Sprintf("%d of %s reviewed", len(r.looked), count(len(r.set.Files), "file"))
	if r.same && r.dir.Run.Review != nil {
		looked = fmt.Sprintf("%d of %s reviewed before, unchanged", r.dir.Run.Review.Looked, count(r.dir.Run.Review.Of, "file"))
	}
	parts := []string{looked, count(len(r.findings), "finding")}
	if r.Model == nil {
		parts = append(parts, "static checks alone, no model")
	}
	if r.dropped > 0 {
		parts = append(parts, count(r.dropped, "remark")+" dropped: no such line in the diff")
	}
	return strings.Join(append(parts, "verdict "+r.verdict), ", ")
}

func (r *reviewer) firstErrors() string {
	const most = 3
	var list []string
	for _, f := range r.findings {
		if f.Severity == finding.Error && len(list) < most {
			list = append(list, f.String())
		}
	}
	text := strings.Join(list, "; ")
	if more := r.errors() - len(list); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// record makes the stage's entry. An error that is no outcome comes back with
// it.
func (r *reviewer) record(ended error) (rundir.Stage, error) {
	st := rundir.Stage{Stage: Stage, Round: 1, Started: r.started, Millis: r.Now().Sub(r.started).Milliseconds(), Phases: r.phases, Tokens: r.tokens}
	if last, ok := r.dir.Run.Last(Stage); ok {
		st.Round = last.Round + 1
	}
	var end *stop
	var bad *llm.Unusable
	var failed *llm.Error
	switch {
	case ended == nil:
		st.Outcome, st.Message = rundir.Succeeded, r.oneLine()
	case errors.As(ended, &end):
		st.Outcome, st.Reason, st.Message, st.Question = end.outcome, end.reason, end.message, end.question
	case llm.OverBudget(ended):
		st.Outcome, st.Reason, st.Message = rundir.BudgetExhausted, "budget", ended.Error()
	case errors.As(ended, &bad):
		st.Outcome, st.Reason, st.Message = rundir.Infrastructure, string(llm.BadReply), bad.Error()+". "+bad.Next()
	case errors.As(ended, &failed):
		modelFailed(&st, failed)
	case errors.Is(ended, context.Canceled), errors.Is(ended, context.DeadlineExceeded):
		st.Outcome, st.Reason, st.Message = rundir.Infrastructure, "interrupted", "the run was interrupted before the review was done"
	default:
		st.Outcome, st.Reason, st.Message = rundir.Infrastructure, "repository", ended.Error()
		return st, ended
	}
	r.inert(&st.Message)
	r.inert(&st.Question)
	for i := range st.Phases {
		r.inert(&st.Phases[i].Note)
	}
	return st, nil
}

func modelFailed(st *rundir.Stage, e *llm.Error) {
	st.Outcome, st.Reason, st.Message = rundir.Infrastructure, string(e.Kind), e.Error()+". "+e.Next()
	switch e.Kind {
	case llm.Auth, llm.Quota:
		st.Outcome = rundir.Environment
	case llm.Refusal:
		st.Outcome, st.Reason = rundir.NeedsHuman, "model_refused"
		st.Question = "The model declined to review this change. Does a person review it?"
	}
}

// post is the review of a pull request: one summary, and a comment on each
// line with something to say.
func (r *reviewer) post() effect.PostReview {
	p := effect.PostReview{Pull: r.pull.Number, SHA: r.pull.SHA, Event: "COMMENT"}
	var b strings.Builder
	if r.summary != "" {
		b.WriteString(r.summary + "\n\n")
	}
	b.WriteString(r.oneLine() + "\n")
	for _, f := range r.findings {
		if f.Line > 0 && r.anchored(f.Path, f.Line) {
			p.Comments = append(p.Comments, forge.LineComment{Path: f.Path, Line: f.Line, Body: comment(f)})
			continue
		}
		b.WriteString("- " + f.String() + "\n")
	}
	p.Body = b.String()
	return p
}

func comment(f finding.Finding) string {
	text := fmt.Sprintf("**%s** %s `[%s]`", f.Severity, f.Message, f.Rule)
	if f.Hint != "" {
		text += "\n\n" + f.Hint
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// clip cuts a text after n characters and says so.
func clip(text string, n int) string {
	runes := []rune(strings.TrimSpace(text))
	if len(runes) <= n {
		return string(runes)
	}
	return string(runes[:n-3]) + "..."
}

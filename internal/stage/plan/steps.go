package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/prompt"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Source is the repository at the base commit, for reading. Implementation:
// adapter/git.
type Source interface {
	Paths(ctx context.Context, commit string) ([]string, error)
	Read(ctx context.Context, commit, path string) ([]byte, bool, error)
}

// addSteps asks the architect for steps, unless a command does the work or
// there is no model: then the task is one step.
func addSteps(ctx context.Context, p Ports, s *seed.Seed, t *task.Task, rec *rundir.Stage) error {
	if t.Worker != "" {
		t.Steps = []task.Step{{Kind: "command", Title: "run worker " + t.Worker}}
		return nil
	}
	if p.Model == nil {
		return &ending{outcome: rundir.Environment, reason: "no_model",
			message: "this task needs a model and none is configured: set the secret OPENAI_API_KEY, or model.base_url to an " +
				"endpoint on localhost, or give the task a worker with a command"}
	}
	title, body, err := words(ctx, p, t)
	if err != nil {
		return err
	}
	asked, err := architect(ctx, p, s, *t, title, body)
	if err != nil {
		return err
	}
	var reply prompt.Plan
	answer, err := llm.Ask(ctx, p.Model, asked.Request, &reply, reply.Check)
	if err != nil {
		return modelEnding(err)
	}
	rec.Tokens += answer.Reply.Usage.Total()
	return take(t, reply)
}

// words are the approved words; the issue must still hold exactly these.
func words(ctx context.Context, p Ports, t *task.Task) (title, body string, err error) {
	if t.Issue == 0 {
		return t.Title, t.Spec.Goal + "\n\n" + t.Spec.Notes, nil
	}
	issue, err := p.Forge.Issue(ctx, t.Issue)
	if err != nil {
		return "", "", fmt.Errorf("reading issue #%d: %w", t.Issue, err)
	}
	if task.Words(issue.Title, issue.Body) != t.WordsDigest {
		return "", "", &ending{outcome: rundir.NeedsApproval, reason: "edited",
			message: fmt.Sprintf("#%d was edited after it was approved; put the label on again", t.Issue)}
	}
	return issue.Title, issue.Body, nil
}

func architect(ctx context.Context, p Ports, s *seed.Seed, t task.Task, title, body string) (prompt.Asked, error) {
	in := prompt.ForArchitect{Task: t, Title: title, Body: body}
	paths, err := p.Source.Paths(ctx, t.Base)
	if err != nil {
		return prompt.Asked{}, fmt.Errorf("listing files at %s: %w", t.Base, err)
	}
	for _, path := range paths {
		if ok, _ := s.Readable(path); ok {
			in.Paths = append(in.Paths, path)
		}
	}
	for _, file := range s.Context.InstructionFiles {
		data, found, err := p.Source.Read(ctx, t.Base, file)
		if err != nil {
			return prompt.Asked{}, fmt.Errorf("reading %s: %w", file, err)
		}
		if found {
			in.Docs = append(in.Docs, prompt.Document{Path: file, Text: string(data)})
		}
	}
	return prompt.Architect(s, in), nil
}

// take puts the architect's answer into the task. Its opinion on risk can only
// raise what the task said; a question ends the plan.
func take(t *task.Task, reply prompt.Plan) error {
	if len(reply.Questions) > 0 {
		return &ending{outcome: rundir.NeedsHuman, reason: "ambiguous", message: "the plan has a question",
			question: strings.Join(reply.Questions, " ")}
	}
	for _, s := range reply.Steps {
		t.Steps = append(t.Steps, task.Step{Kind: s.Kind, Title: s.Title, Detail: s.Detail})
	}
	if t.Type == "other" {
		t.Type = reply.Type
	}
	if rank(reply.Risk) > rank(t.Spec.Risk) {
		t.Spec.Risk = reply.Risk
	}
	if t.Spec.ProgramGoal == "" {
		t.Spec.ProgramGoal = reply.ProgramGoal
	}
	if len(t.Scope) == 0 {
		t.Scope = reply.Scope
	}
	return nil
}

func rank(risk string) int {
	switch risk {
	case "medium":
		return 1
	case "high":
		return 2
	}
	return 0
}

func modelEnding(err error) error {
	var bad *llm.Unusable
	var failed *llm.Error
	switch {
	case llm.OverBudget(err):
		return &ending{outcome: rundir.BudgetExhausted, reason: "budget", message: err.Error()}
	case errors.As(err, &bad):
		return &ending{outcome: rundir.Infrastructure, reason: string(llm.BadReply), message: bad.Error() + ". " + bad.Next()}
	case !errors.As(err, &failed):
		return err
	case failed.Kind == llm.Refusal:
		return &ending{outcome: rundir.NeedsHuman, reason: "model_refused", message: failed.Error(),
			question: "The model declined this task. Shall it be worded differently, or does a person do it?"}
	case failed.Kind == llm.Auth || failed.Kind == llm.Quota:
		return &ending{outcome: rundir.Environment, reason: string(failed.Kind), message: failed.Error() + ". " + failed.Next()}
	}
	return &ending{outcome: rundir.Infrastructure, reason: string(failed.Kind), message: failed.Error() + ". " + failed.Next()}
}

package prompt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Plan is the architect's reply: one task made ready for work.
type Plan struct {
	Type        string   `json:"type"` // bug | feature | refactor | docs | test | chore | other
	Risk        string   `json:"risk"` // low | medium | high
	Steps       []Step   `json:"steps"`
	Scope       []string `json:"scope"`     // globs inside what may be written; empty: all of it
	Questions   []string `json:"questions"` // what only a person can say; empty: nothing
	ProgramGoal string   `json:"programmatic_goal"`
}

// Step is one commit's worth of work. Kind is command, code or human.
type Step struct {
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Bounds of a plan.
const (
	maxSteps     = 20
	maxQuestions = 5
)

// Check says what a plan that could be decoded still lacks.
func (p *Plan) Check() error {
	switch {
	case !slices.Contains([]string{"bug", "feature", "refactor", "docs", "test", "chore", "other"}, p.Type):
		return fmt.Errorf("$.type: %q is none of bug, feature, refactor, docs, test, chore, other", p.Type)
	case !slices.Contains([]string{"low", "medium", "high"}, p.Risk):
		return fmt.Errorf("$.risk: %q is none of low, medium, high", p.Risk)
	case len(p.Steps) == 0 && len(p.Questions) == 0:
		return errors.New("$.steps: neither a step nor a question")
	case len(p.Steps) > maxSteps:
		return fmt.Errorf("$.steps: %d steps, at most %d", len(p.Steps), maxSteps)
	case len(p.Questions) > maxQuestions:
		return fmt.Errorf("$.questions: %d questions, at most %d", len(p.Questions), maxQuestions)
	}
	for i, s := range p.Steps {
		if !slices.Contains([]string{"command", "code", "human"}, s.Kind) {
			return fmt.Errorf("$.steps[%d].kind: %q is none of command, code, human", i, s.Kind)
		}
		if s.Title == "" {
			return fmt.Errorf("$.steps[%d].title: empty", i)
		}
	}
	return nil
}

var planSchema = schema("plan", `{"type":"object","additionalProperties":false,
"required":["type","risk","steps","scope","questions","programmatic_goal"],"properties":{
"type":{"type":"string","enum":["bug","feature","refactor","docs","test","chore","other"]},
"risk":{"type":"string","enum":["low","medium","high"]},
"steps":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["kind","title","detail"],"properties":{
"kind":{"type":"string","enum":["command","code","human"]},"title":{"type":"string"},"detail":{"type":"string"}}}},
"scope":{"type":"array","items":{"type":"string"}},
"questions":{"type":"array","items":{"type":"string"}},
"programmatic_goal":{"type":"string"}}}`)

// ForArchitect is what a plan is made from. Issue is the approved title and
// body; Paths are the files that may be read.
type ForArchitect struct {
	Task  task.Task
	Title string
	Body  string
	Paths []string
	Docs  []Document // instruction files at base
}

type architectView struct {
	Rules
	Title, Body string
	Listing     string
	Docs        []Document
	Notes       []Note
}

// Architect asks for a Plan.
func Architect(s *seed.Seed, in ForArchitect) Asked {
	b := newBuilder(RoleArchitect, "plan")
	b.schema = planSchema
	v := architectView{Rules: RulesOf(s, in.Task)}
	v.Title = b.fence.clean("issue title", in.Title, MaxText)
	v.Body = b.fence.clean("issue body", in.Body, MaxText)
	v.Docs = b.documents(in.Docs)
	v.Listing = b.listing(in.Paths)
	v.Notes = b.fence.notes
	return b.build(v)
}

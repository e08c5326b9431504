// Package prompt holds what each role is asked and how its answer is shaped.
//
// Building is pure: the same inputs give the same bytes, on any machine and at
// any time. Whatever strangers wrote (issues, comments, code, test output) goes
// in as data: cleaned, capped, and between marks whose token occurs nowhere in
// the text, so that no text can end its own quotation. What was taken out is
// told as notes, to the model and to people.
//
// The package calls no model and reads no file. It does not choose what to
// quote and does not judge what comes back.
package prompt

import (
	"embed"
	"encoding/json"
	"strings"
	"sync"

	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Roles, as they stand in llm.Request.Role and in the seed's model.roles.
const (
	RoleArchitect   = "architect"
	RoleImplementer = "implementer"
	RoleReviewer    = "reviewer"
)

// Document is one file quoted to a model. Cut says that Text is not the whole
// file.
type Document struct {
	Path string
	Text string
	Cut  string // "lines 1-200 of 900", empty for a whole file
}

// Asked is a finished request with the notes about what was taken out of it.
type Asked struct {
	Request llm.Request
	Notes   []Note
}

// Most bytes of each part of a prompt. Files come already chosen within the
// seed's context limits and are capped only against accidents.
const (
	MaxText   = 64 << 10 // an issue, a comment, a field of the task
	maxOutput = 24 << 10 // what a command printed
	maxFile   = 1 << 20
	maxPaths  = 400 // entries of a file list
)

//go:embed *.tmpl
var templates embed.FS

// parsed is read when the first prompt is written: most commands write none.
var parsed = sync.OnceValue(func() page { return parsePage(templates) })

// builder makes one request of a role's two templates, "ROLE system" and
// "ROLE user".
type builder struct {
	role, step string
	schema     *llm.Schema
	fence      *fence
}

func newBuilder(role, step string) *builder {
	return &builder{role: role, step: step, fence: &fence{}}
}

// build renders twice: the first round collects every quoted text, so that the
// token can be chosen, the second writes them.
func (b *builder) build(in any) Asked {
	b.render("user", in)
	b.fence.choose()
	system, user := b.render("system", in), b.render("user", in)
	req := llm.Request{Role: b.role, Step: b.step, Schema: b.schema, Messages: []llm.Message{
		{Role: llm.System, Content: system}, {Role: llm.User, Content: user},
	}}
	return Asked{Request: req, Notes: b.fence.notes}
}

func (b *builder) render(part string, in any) string {
	return strings.TrimSpace(parsed().write(b.role+" "+part, in, b.fence.quote)) + "\n"
}

// Rules is what a role is told of the seed. It is the owner's own text, from
// the base commit, and so no data of strangers.
type Rules struct {
	Project, Description, Problem string
	NonGoals                      []string
	Stack                         string
	Write, Deny, Scope            []string
	Instructions                  []string
	Standards                     []string
	Allowed, Forbidden            []string
	Priorities                    []string
	Invariants                    []string
	Secrets                       []string
	TestPaths                     []string
	MaxFiles, MaxLines            int
	Tests                         []string
}

// RulesOf picks from the seed what concerns a task.
func RulesOf(s *seed.Seed, t task.Task) Rules {
	a := s.AutomationContract.AIAccess
	r := Rules{
		Project: s.Project.Name, Description: s.Project.Description, Problem: s.Domain.ProblemStatement, NonGoals: s.Domain.NonGoals,
		Write: a.WritePaths, Deny: a.DisallowedWrites, Scope: t.Scope, Instructions: s.Context.InstructionFiles,
		Allowed: s.CodingStandards.Patterns.Allowed, Forbidden: s.CodingStandards.Patterns.Forbidden,
		Priorities: s.GrowthObjectives.Priorities, Secrets: s.QualityGates.Security.Secrets.Rules, TestPaths: s.Commands.TestPaths,
		MaxFiles: s.Budgets.Change.MaxFiles, MaxLines: s.Budgets.Change.MaxLines,
	}
	r.Stack = stackOf(s)
	r.Standards = standardsOf(s)
	for _, i := range s.Evaluation.Correctness.Invariants {
		r.Invariants = append(r.Invariants, i.Text)
	}
	for _, c := range s.Commands.Test {
		r.Tests = append(r.Tests, c.Run)
	}
	return r
}

func stackOf(s *seed.Seed) string {
	t := s.Architecture.TechStack
	var parts []string
	for _, p := range append([]string{s.Architecture.Style, t.Language}, append(append(t.Runtime, t.Frontend...), t.Backend...)...) {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}

func standardsOf(s *seed.Seed) (list []string) {
	c := s.CodingStandards
	add := func(what, value string) {
		if value != "" {
			list = append(list, what+": "+value)
		}
	}
	add("language", c.Language)
	add("formatter", c.Style.Formatter)
	add("linter", c.Style.Linter)
	for _, kind := range sortedKeys(c.Style.Naming) {
		add("naming of "+kind, c.Style.Naming[kind])
	}
	add("documentation required for", strings.Join(c.Documentation.RequiredFor, ", "))
	add("documentation format", c.Documentation.Format)
	return list
}

// schema wraps a JSON Schema written as text.
func schema(name, text string) *llm.Schema {
	return &llm.Schema{Name: name, JSON: json.RawMessage(text)}
}

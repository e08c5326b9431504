package prompt

import (
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Steps of the implementer, as they stand in llm.Request.Step.
const (
	StepTestFirst = "test-first" // write a test that fails on the code as it is
	StepEdit      = "edit"       // do the step
	StepDebug     = "debug"      // the tests are red after the edit
	StepRework    = "rework"     // the reviewer found something
)

// ForImplementer is what one change of files is asked with. Work is the step of
// the plan; the rest depends on what is asked.
type ForImplementer struct {
	Ask      string // one of the steps above
	Task     task.Task
	Work     task.Step
	Paths    []string          // files that may be read
	Files    []Document        // those quoted whole, as they are now
	Docs     []Document        // instruction files at base
	Prompt   string            // the worker's own instructions, from the seed
	Diff     string            // what was done so far
	Output   string            // what the failing command printed
	Failed   []string          // names of failing tests
	Findings []finding.Finding // of the reviewer
}

type implementerView struct {
	Rules
	ForImplementer
	Title, Goal, Constraints, ReviewGoal, ProgramGoal, Remarks string
	Work                                                       task.Step
	Listing                                                    string
	Said, Red                                                  string
	Notes                                                      []Note
}

// Implementer asks for an explanation and edit blocks; see change.ParseReply
// for their form.
func Implementer(s *seed.Seed, in ForImplementer) Asked {
	b := newBuilder(RoleImplementer, in.Ask)
	v := implementerView{Rules: RulesOf(s, in.Task), ForImplementer: in}
	f := b.fence
	v.Title = f.clean("task title", in.Task.Title, MaxText)
	v.Goal = f.clean("goal", in.Task.Spec.Goal, MaxText)
	v.Constraints = f.clean("constraints", in.Task.Spec.Constraints, MaxText)
	v.ReviewGoal = f.clean("how a person sees it is done", in.Task.Spec.ReviewGoal, MaxText)
	v.ProgramGoal = f.clean("test that proves it", in.Task.Spec.ProgramGoal, MaxText)
	v.Remarks = f.clean("notes", in.Task.Spec.Notes, MaxText)
	v.Work = task.Step{Title: f.clean("step", in.Work.Title, MaxText), Detail: f.clean("step detail", in.Work.Detail, MaxText)}
	v.Listing = b.listing(in.Paths)
	v.Files, v.Docs = b.documents(in.Files), b.documents(in.Docs)
	v.Diff = f.code("change so far", in.Diff, MaxText)
	v.Output = f.code("command output", in.Output, maxOutput)
	v.Red = f.code("failing tests", strings.Join(in.Failed, "\n"), maxOutput)
	v.Said = f.clean("findings", findingLines(in.Findings), MaxText)
	v.Notes = f.notes
	return b.build(v)
}

func findingLines(list []finding.Finding) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(string(f.Severity) + " " + f.Text() + "\n")
	}
	return b.String()
}

// documents cleans quoted files. HTML comments stay: in a file they are lines
// like any other, and an edit has to match them.
func (b *builder) documents(list []Document) []Document {
	var out []Document
	for _, d := range list {
		d.Text = b.fence.code(finding.Quote(d.Path), d.Text, maxFile)
		d.Path = finding.Quote(d.Path)
		out = append(out, d)
	}
	return out
}

// listing is one path a line, odd names quoted, and how many were left out.
func (b *builder) listing(paths []string) string {
	var out strings.Builder
	for _, p := range paths[:min(len(paths), maxPaths)] {
		out.WriteString(finding.Quote(p) + "\n")
	}
	if more := len(paths) - maxPaths; more > 0 {
		fmt.Fprintf(&out, "... and %d more\n", more)
	}
	return out.String()
}

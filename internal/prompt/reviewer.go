package prompt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Reviewed is the reviewer's reply about one part of a change.
type Reviewed struct {
	Findings []Remark `json:"findings"`
	Verdict  string   `json:"verdict"` // approve | rework
	Summary  string   `json:"summary"`
}

// Remark is one finding of a model. Line is a line of the new side of the diff.
type Remark struct {
	Path       string `json:"path"`
	Line       int    `json:"line"`
	Severity   string `json:"severity"` // error | warning | note
	Message    string `json:"message"`
	Suggestion string `json:"suggestion"`
}

const maxRemarks = 100

// Check says what a reply that could be decoded still lacks. Whether a remark's
// line exists is for the caller, who has the diff.
func (r *Reviewed) Check() error {
	if !slices.Contains([]string{"approve", "rework"}, r.Verdict) {
		return fmt.Errorf("$.verdict: %q is none of approve, rework", r.Verdict)
	}
	if len(r.Findings) > maxRemarks {
		return fmt.Errorf("$.findings: %d entries, at most %d", len(r.Findings), maxRemarks)
	}
	for i, f := range r.Findings {
		if !slices.Contains([]string{"error", "warning", "note"}, f.Severity) {
			return fmt.Errorf("$.findings[%d].severity: %q is none of error, warning, note", i, f.Severity)
		}
		if f.Message == "" {
			return fmt.Errorf("$.findings[%d].message: empty", i)
		}
	}
	return nil
}

var reviewSchema = schema("review", `{"type":"object","additionalProperties":false,"required":["findings","verdict","summary"],"properties":{
"findings":{"type":"array","items":{"type":"object","additionalProperties":false,
"required":["path","line","severity","message","suggestion"],"properties":{
"path":{"type":"string"},"line":{"type":"integer"},"severity":{"type":"string","enum":["error","warning","note"]},
"message":{"type":"string"},"suggestion":{"type":"string"}}}},
"verdict":{"type":"string","enum":["approve","rework"]},"summary":{"type":"string"}}}`)

// Part is one file's diff with the numbers of the new side written before each
// line.
type Part struct {
	Path string
	Diff string
}

// ForReviewer is what one look at a change is asked with. Task is empty for a
// person's pull request, Title and Body then are its own.
type ForReviewer struct {
	Task        task.Task
	Title, Body string
	Parts       []Part
	Looked, Of  int      // files shown here, files in the change
	Red         []string // tests that fail with the change
}

type reviewerView struct {
	Rules
	ForReviewer
	Goal, Constraints, ReviewGoal, Failing string
	Notes                                  []Note
}

// Reviewer asks for a Reviewed.
func Reviewer(s *seed.Seed, in ForReviewer) Asked {
	b := newBuilder(RoleReviewer, "review")
	b.schema = reviewSchema
	v := reviewerView{Rules: RulesOf(s, in.Task), ForReviewer: in}
	f := b.fence
	v.Title = f.clean("title", in.Title, MaxText)
	v.Body = f.clean("description", in.Body, MaxText)
	v.Goal = f.clean("goal", in.Task.Spec.Goal, MaxText)
	v.Constraints = f.clean("constraints", in.Task.Spec.Constraints, MaxText)
	v.ReviewGoal = f.clean("how a person sees it is done", in.Task.Spec.ReviewGoal, MaxText)
	v.Failing = f.code("failing tests", strings.Join(in.Red, "\n"), maxOutput)
	v.Parts = nil
	for _, p := range in.Parts {
		d := b.documents([]Document{{Path: p.Path, Text: p.Diff}})[0]
		v.Parts = append(v.Parts, Part{Path: d.Path, Diff: d.Text})
	}
	v.Notes = f.notes
	return b.build(v)
}

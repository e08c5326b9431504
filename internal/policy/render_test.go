package policy

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/finding"
)

// overstep is a change that breaks a budget and edits a workflow.
func overstep(t *testing.T) Verdict {
	t.Helper()
	text := plainSeed + "automation_contract: {ai_access: {disallowed_writes: [\"infra/**\"]}}\nbudgets:\n  change: {max_files: 20, max_lines: 40}\n" +
		"constraints: {repo: {max_lines_per_file: 400}}\n"
	before := snapshot{{".github/workflows/ci.yml", change.ModeFile, "on: push\njobs:\n  test:\n"}}
	after := before.under(snapshot{{".github/workflows/ci.yml", change.ModeFile, "on: push\njobs:\n  test:\n    timeout-minutes: 5\n"},
		{"internal/report/a.go", change.ModeFile, strings.Repeat("a\n", 23)}, {"internal/web/<img src=x>.go", change.ModeFile, strings.Repeat("b\n", 30)}})
	f := Facts{Version: FactsVersion, Binary: "v0.1.0", Agent: true, BaseBranch: "main",
		Sandbox: []command.Layer{{Name: "landlock", InForce: true}, {Name: "namespaces", Detail: "not permitted"}}}
	_, v := Judge(parseSeed(t, text), seriesOf(t, before, after, nil), f)
	return v
}

func golden(t *testing.T, name, have string) {
	t.Helper()
	file := "testdata/render/" + name
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s\nhave:\n%s\nwant:\n%s", name, have, want)
	}
}

func TestText(t *testing.T) {
	text := overstep(t).Text()
	golden(t, "refused.txt", text)
	for _, line := range strings.Split(text, "\n") {
		if n := utf8.RuneCountInString(line); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestMarkdown(t *testing.T) {
	v := overstep(t)
	golden(t, "refused.md", v.Markdown(MaxMarkdown))
	for limit := 0; limit < 6000; limit += 41 {
		if have := v.Markdown(limit); len(have) > limit || !utf8.ValidString(have) {
			t.Fatalf("limit %d: %d bytes", limit, len(have))
		}
	}
}

// TestMarkdownSaysWhatIsMissing: five thousand findings fit in a comment, cut
// and said so.
func TestMarkdownSaysWhatIsMissing(t *testing.T) {
	v := overstep(t)
	for i := range 5000 {
		v.Results[0].Findings = append(v.Results[0].Findings, finding.Finding{Path: fmt.Sprintf("%d.go", i), Rule: "paths", Severity: finding.Error, Message: "@ana fixes #1", Hint: "h", Seed: "s", Who: "w"})
	}
	have := v.Markdown(MaxMarkdown)
	if len(have) > MaxMarkdown || !strings.Contains(have, finding.Truncated+": ") || !strings.HasSuffix(strings.TrimSpace(strings.Split(have, "\nWarnings")[0]), "</details>") {
		t.Errorf("%d bytes, end %q", len(have), have[max(0, len(have)-300):])
	}
}

func TestCheck(t *testing.T) {
	v := overstep(t)
	check := v.Check("headsha")
	if check.Name != CheckName || check.Status != "completed" || check.Conclusion != "failure" || check.HeadSHA != "headsha" {
		t.Errorf("%+v", check)
	}
	if want := "REFUSED: 2 rules said no (protected, budget)"; check.Title != want {
		t.Errorf("have %q, want %q", check.Title, want)
	}
	if len(check.Annotations) != 1 || check.Annotations[0].Path != ".github/workflows/ci.yml" || check.Annotations[0].Line != 4 || check.Annotations[0].Level != "failure" {
		t.Errorf("annotations %+v", check.Annotations)
	}
}

// TestDecisionsAreSaidAlike is the one table of what a decision becomes.
func TestDecisionsAreSaidAlike(t *testing.T) {
	pass := Result{Rule: "paths", Outcome: Pass}
	for _, c := range []struct {
		decision           Decision
		result             Result
		summary            string
		status, conclusion string
		exit               int
		advisoryConclusion string
		advisoryExit       int
	}{
		{Allowed, Result{Rule: "size", Outcome: NotApplicable}, "ALLOWED: 1 passes, 1 does not apply", "completed", "success", 0, "success", 0},
		{NeedsApproval, Result{Rule: "approval", Outcome: Pending, Needs: []string{"@ana or anyone with write"}}, "NEEDS APPROVAL: @ana or anyone with write", "completed", "action_required", 4, "success", 0},
		{Waiting, Result{Rule: "checks", Outcome: Pending, Waits: []string{"lint", "test"}}, "WAITING: lint, test", "in_progress", "", 4, "success", 0},
		{Rework, Result{Rule: "review", Outcome: Fail}, "REWORK: 1 rule said no (review)", "completed", "failure", 1, "success", 0},
		{Reject, Result{Rule: "budget", Outcome: Fail}, "REFUSED: 1 rule said no (budget)", "completed", "failure", 1, "success", 0},
		{CouldNotJudge, Result{Rule: "checks", Outcome: Error}, "COULD NOT JUDGE: 1 rule could not look (checks)", "completed", "failure", 3, "failure", 3},
	} {
		results := []Result{pass, c.result}
		v := Verdict{Decision: decide(results), Results: results}
		if v.Decision != c.decision {
			t.Errorf("%s: decided %s", c.decision, v.Decision)
		}
		status, conclusion := v.Conclusion()
		if v.Summary() != c.summary || status != c.status || conclusion != c.conclusion || v.Exit() != c.exit {
			t.Errorf("%s: have %q %s/%s exit %d", c.decision, v.Summary(), status, conclusion, v.Exit())
		}
		v.Advisory = true
		if _, conclusion := v.Conclusion(); conclusion != c.advisoryConclusion || v.Exit() != c.advisoryExit || !strings.HasPrefix(v.Summary(), "advisory: ") {
			t.Errorf("%s, advisory: %s, exit %d, %q", c.decision, conclusion, v.Exit(), v.Summary())
		}
	}
	for _, v := range []Verdict{{}, {Decision: "made up"}, {Decision: "made up", Advisory: true}} {
		if _, conclusion := v.Conclusion(); conclusion != "failure" || v.Exit() != 3 {
			t.Errorf("%+v: %s, %d", v, conclusion, v.Exit())
		}
	}
}

func TestExplainMerge(t *testing.T) {
	s := parseSeed(t, "mode: auto\n")
	have := ExplainMerge(MergesAlone(s, Facts{BaseBranch: "main"}, made(t, map[string]string{"a": "b"})))
	want := "merges alone? no: 3 of 4 switches off\n" +
		"  on   mode: auto (seed.yaml:4)\n" +
		"  off  phase: 4 or more (default)\n" +
		"  off  allow_auto_merge: true (default)\n" +
		"  off  a pre-approved place (default)\n"
	if have != want {
		t.Errorf("have:\n%s\nwant:\n%s", have, want)
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", 150)
	for _, line := range []string{"", "short", long, "a " + long + " b", "    " + long, strings.Repeat("word ", 60), strings.Repeat("wörd ", 60), strings.Repeat(" ", 200)} {
		have := wrap(line, "    ")
		if strings.Join(strings.Fields(have), " ") != strings.Join(strings.Fields(line), " ") {
			t.Errorf("words of %q changed: %q", line, have)
		}
		for _, l := range strings.Split(have, "\n") {
			if utf8.RuneCountInString(l) > columns && len(strings.Fields(l)) > 1 {
				t.Errorf("too wide: %q", l)
			}
		}
	}
}

func TestWarnings(t *testing.T) {
	s := parseSeed(t, "automation_contract: {ai_access: {disallowed_writes: [\"infra/\", \"docs/**\"]}}\nconstraints: {repo: {max_lines_per_file: 400}}\n")
	c := seriesOf(t, snapshot{{"docs/x.md", change.ModeFile, "x"}}, snapshot{{"docs/x.md", change.ModeFile, "y"}}, nil)
	_, v := Judge(s, c, Facts{})
	have := strings.Join(v.Warnings, "\n")
	for _, want := range []string{"disallowed_writes \"infra/\" names no file at base; was \"infra/**\" meant?", "max_lines_per_file: not acted on by this version"} {
		if !strings.Contains(have, want) {
			t.Errorf("want %q in:\n%s", want, have)
		}
	}
	if strings.Contains(have, "docs/") {
		t.Errorf("warned of a pattern that names a file:\n%s", have)
	}
}

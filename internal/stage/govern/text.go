package govern

import (
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// refusalText is the one comment that says no: every rule at once, each with
// the smallest thing that would make it pass.
func refusalText(v policy.Verdict, run rundir.Run, tokens int64, s *seed.Seed) string {
	blockers := blocking(v)
	var b strings.Builder
	fmt.Fprintf(&b, "**Not published: %s said no.** Nothing was pushed. %s\n", count(len(failedRules(v)), "rule"), patchPlace(run, s))
	for i, f := range blockers {
		if i == 20 {
			fmt.Fprintf(&b, "\n… and %d more, all in the run.\n", len(blockers)-i)
			break
		}
		fmt.Fprintf(&b, "\n%d. %s", i+1, remark(f))
	}
	for _, r := range v.Results {
		if r.Outcome == policy.Error {
			fmt.Fprintf(&b, "\n- `[%s]` could not judge: %s", r.Rule, effect.Inert(r.Reason))
		}
	}
	fmt.Fprintf(&b, "\n\nSpent %s of %s tokens; trying again costs about the same: put `%s` on again. Done with it? Take `%s` off. Rule wrong? seed.yaml is yours.",
		group(tokens), group(int64(s.Budgets.Task.Tokens)), trigger(s), trigger(s))
	return b.String()
}

func patchPlace(run rundir.Run, s *seed.Seed) string {
	if run.URL == "" {
		return "The patch is in the run directory."
	}
	days := int(s.Privacy.Retention.Hours() / 24)
	return fmt.Sprintf("The patch is in [the run](%s) (kept %s).", run.URL, count(days, "day"))
}

// remark is one finding as a sentence of a comment.
func remark(f finding.Finding) string {
	place := ""
	if f.Path != "" {
		place = "`" + strings.TrimSuffix(strings.ReplaceAll(f.Place(), "`", "'"), ": ") + "` "
	}
	text := place + effect.Inert(f.Message) + " `[" + f.Rule + "]`"
	if f.Seed != "" {
		text += ", " + f.Seed
	}
	if f.Hint != "" {
		text += ". → " + effect.Inert(f.Hint)
	}
	return text + "."
}

func blocking(v policy.Verdict) []finding.Finding {
	var list []finding.Finding
	for _, r := range v.Results {
		if r.Outcome == policy.Fail {
			list = append(list, r.Findings...)
		}
	}
	finding.Sort(list)
	return list
}

// stoppedText tells a task that ended without a change to judge.
func stoppedText(rec rundir.Stage, run rundir.Run, tokens int64, s *seed.Seed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**Stopped in *%s*: %s.** Nothing was published.", rec.Stage, strings.ReplaceAll(string(rec.Outcome), "_", " "))
	if rec.Message != "" {
		fmt.Fprintf(&b, "\n\n%s", quoted(rec.Message))
	}
	if rec.Question != "" {
		fmt.Fprintf(&b, "\n\n**Question:** %s", effect.Inert(rec.Question))
	}
	fmt.Fprintf(&b, "\n\n%s tokens spent. Next: put `%s` on again to retry.", group(tokens), trigger(s))
	if run.URL != "" {
		fmt.Fprintf(&b, " [The run](%s).", run.URL)
	}
	return b.String()
}

// quoted shows text of a program or model as an indented block: nothing in it
// is alive, and it cannot end the block.
func quoted(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i == 40 {
			b.WriteString("    truncated: first 40 lines\n")
			break
		}
		b.WriteString("    " + strings.TrimRight(line, "\r") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// openText is the sticky comment while a pull request is open.
func openText(o *standing, v policy.Verdict) string {
	head := fmt.Sprintf("Pull request #%d is open", o.pull.Number)
	switch v.Decision {
	case policy.Reject, policy.Rework, policy.CouldNotJudge:
		var b strings.Builder
		fmt.Fprintf(&b, "**%s and may not be merged:** %s said no.\n", head, count(len(failedRules(v)), "rule"))
		for i, f := range blocking(v) {
			fmt.Fprintf(&b, "\n%d. %s", i+1, remark(f))
		}
		return b.String()
	}
	return head + ": " + waitText(v) + "."
}

// waitText says in one line what is missing.
func waitText(v policy.Verdict) string {
	var parts []string
	if needs := v.Needs(); len(needs) > 0 {
		parts = append(parts, "needs an approval by "+names(needs))
	}
	if waits := v.Waits(); len(waits) > 0 {
		parts = append(parts, "waits for "+names(waits))
	}
	var skipped []string
	for _, r := range v.Results {
		if r.Outcome == policy.NotEvaluated {
			skipped = append(skipped, r.Rule)
		}
	}
	if len(skipped) > 0 {
		parts = append(parts, "a person looks at what was not evaluated ("+names(skipped)+")")
	}
	if len(parts) == 0 {
		return strings.ReplaceAll(string(v.Decision), "_", " ")
	}
	return strings.Join(parts, "; ")
}

func mergedText(o *standing, merge, odd string) string {
	text := fmt.Sprintf("Done: merged by pull request #%d as `%s`. The log entry is in `AUTOGEN_LOG.md`.", o.pull.Number, short(merge))
	if odd != "" {
		text += "\n\n**Look at this:** " + effect.Inert(odd)
	}
	return text
}

// pullTitle is the outcome in a line: what the plan's one step set out to do,
// else the issue's title.
func pullTitle(m *made) string {
	var titles []string
	for _, step := range m.task.Steps {
		if step.Kind == "code" && step.Title != "" {
			titles = append(titles, step.Title)
		}
	}
	if len(titles) == 1 {
		return effect.Inert(titles[0])
	}
	return effect.Inert(m.task.Title)
}

// pullBody is what a reviewer reads: what and why, proof, how to try and undo
// it, what nobody looked at, who is needed, and folded below the rest with the
// hidden block.
func pullBody(m *made, v policy.Verdict, in Input) (string, error) {
	files, added, deleted := m.series.Whole.Counts()
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** For #%d · risk %s · %s, +%d −%d\n", pullTitle(m), m.task.Issue, v.Risk, count(files, "file"), added, deleted)
	if len(m.seed.QualityGates.CIRequiredChecks) > 0 {
		b.WriteString("⚠ Your CI may not have started on this branch: if a check is missing, press **Approve and run**.\n")
	}
	b.WriteString("\n" + proofTable(m))
	fmt.Fprintf(&b, "\n**Try it:** %s  **Undo:** revert the merge (%s).\n", tryIt(m.task), count(len(m.series.Commits), "commit"))
	fmt.Fprintf(&b, "**Not looked at:** %s.  **Needs:** %s.\n", notLooked(v), needs(v))
	b.WriteString("\n<details><summary>Risk, budget, follow-ups, provenance</summary>\n\n")
	b.WriteString(details(m, v, in))
	b.WriteString("\n</details>\n\n")
	block, err := blockFor(m, v, in).Render()
	return b.String() + block, err
}

func proofTable(m *made) string {
	var b strings.Builder
	b.WriteString("| proof | before | after |\n|---|---|---|\n")
	if m.checks == nil || len(m.checks.Commands) == 0 {
		return b.String() + "| none: seed.yaml names no test command | | |\n"
	}
	for _, c := range m.checks.Commands {
		for _, name := range newTests(c) {
			fmt.Fprintf(&b, "| `%s` (new) | not there | passes |\n", code(name))
		}
		fmt.Fprintf(&b, "| `%s`, %s | %s | %s |\n", code(c.Command), where(m), ran(c.Base), ran(c.Head))
	}
	return b.String()
}

func where(m *made) string {
	if m.proven {
		return "fresh clone"
	}
	return "build job"
}

func code(s string) string { return strings.NewReplacer("`", "'", "|", "\\|", "\n", " ").Replace(s) }

// newTests names tests that are seen after and not before, five at most.
func newTests(c rundir.Command) []string {
	if c.Base == nil || c.Head == nil || !c.Head.OK() {
		return nil
	}
	had := map[string]bool{}
	for _, t := range c.Base.Tests {
		had[t] = true
	}
	var fresh []string
	for _, t := range c.Head.Tests {
		if !had[t] && len(fresh) < 5 {
			fresh = append(fresh, t)
		}
	}
	return fresh
}

func ran(s *rundir.Side) string {
	switch {
	case s == nil:
		return "not run"
	case s.TimedOut:
		return "timed out"
	case s.Total > 0:
		return fmt.Sprintf("%d of %d", s.Passed, s.Total)
	case s.OK():
		return "passes"
	}
	return fmt.Sprintf("exit %d", s.Exit)
}

func tryIt(t task.Task) string {
	if t.Spec.ReviewGoal == "" {
		return "read the diff; the task named no way to see it."
	}
	return effect.Inert(t.Spec.ReviewGoal)
}

func notLooked(v policy.Verdict) string {
	var list []string
	for _, r := range v.Results {
		if r.Outcome == policy.NotEvaluated {
			list = append(list, r.Rule+" ("+effect.Inert(r.Reason)+")")
		}
	}
	if len(list) == 0 {
		return "nothing that a rule here judges"
	}
	return names(list)
}

func needs(v policy.Verdict) string {
	list := append(v.Needs(), v.Waits()...)
	if len(list) == 0 {
		return "nobody"
	}
	for i := range list {
		list[i] = effect.Inert(list[i])
	}
	return names(list)
}

func details(m *made, v policy.Verdict, in Input) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- Risk: %s\n- Budget: %s of %s tokens\n", v.Risk, group(m.tokens()), group(int64(m.seed.Budgets.Task.Tokens)))
	if r := m.dir.Run.Review; r != nil {
		fmt.Fprintf(&b, "- Review: %d of %d files, %s\n", r.Looked, r.Of, effect.Inert(r.Verdict))
	}
	fmt.Fprintf(&b, "- Sandbox: %s\n", layers(m.dir.Run.Sandbox))
	for _, a := range m.task.Spec.Assumed {
		fmt.Fprintf(&b, "- Assumed: %s\n", effect.Inert(a))
	}
	fmt.Fprintf(&b, "- Approved by the label of `@%s`\n- Base `%s`, judged tree `%s`, policy `%s`, Seedbed %s\n",
		m.task.ApprovedBy.Login, short(m.task.Base), short(v.HeadTree), short(v.Policy), in.Binary)
	if in.Run.URL != "" {
		fmt.Fprintf(&b, "- [The run](%s)\n", in.Run.URL)
	}
	return b.String()
}

// layers names what kept the repository's code in, and what was missing.
func layers(list []command.Layer) string {
	var in, out []string
	for _, l := range list {
		if l.InForce {
			in = append(in, l.Name)
		} else {
			out = append(out, strings.TrimSpace(l.Name+" "+l.Detail))
		}
	}
	if len(in)+len(out) == 0 {
		return "no command was run"
	}
	text := effect.Inert(names(in))
	if len(out) > 0 {
		text += "; missing: " + effect.Inert(names(out))
	}
	return text
}

func blockFor(m *made, v policy.Verdict, in Input) task.Block {
	b := task.Block{Task: m.task.Key, Issue: m.task.Issue, Type: m.task.Type, Attempt: m.task.Attempt, Base: v.Base, Tree: v.HeadTree,
		Policy: v.Policy, Binary: v.Binary, Risk: string(v.Risk), Tokens: m.tokens(), Sandbox: m.dir.Run.Sandbox}
	for _, c := range m.series.Commits {
		subject, _, _ := strings.Cut(c.Message, "\n")
		b.Steps = append(b.Steps, task.BlockStep{Tree: c.Set.Head.SHA, Subject: subject})
	}
	if in.Run.URL != "" {
		b.Runs = []string{in.Run.URL}
	}
	if r := m.dir.Run.Review; r != nil {
		b.Review = r.Verdict
	}
	for _, r := range m.facts.Reported {
		b.Reported = append(b.Reported, task.BlockCommand{Command: r.Command, Base: r.Base, Head: r.Head, Passed: r.Passed, Total: r.Total})
	}
	return b
}

func trigger(s *seed.Seed) string { return s.AutomationContract.TaskLabels.Triggers[0] }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// group writes a number with separators: 12,345.
func group(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

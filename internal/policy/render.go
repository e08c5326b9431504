package policy

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/forge"
)

// A verdict is said in one wording everywhere: terminal, check run, comment and
// job summary all take their sentences from here.

const columns = 100

// heads are the words a verdict begins with.
var heads = map[Decision]string{
	Allowed: "ALLOWED", NeedsApproval: "NEEDS APPROVAL", NeedsRFC: "NEEDS RFC", Waiting: "WAITING",
	Rework: "REWORK", Reject: "REFUSED", CouldNotJudge: "COULD NOT JUDGE",
}

// Summary is the verdict in one line: "ALLOWED: 19 pass, 3 do not apply".
func (v Verdict) Summary() string {
	s := v.head() + ": " + v.gist()
	if v.Advisory {
		s = "advisory: " + s
	}
	return s
}

func (v Verdict) head() string {
	if h, ok := heads[v.Decision]; ok {
		return h
	}
	return heads[CouldNotJudge]
}

func (v Verdict) gist() string {
	switch v.Decision {
	case Allowed:
		return v.counts()
	case NeedsApproval, NeedsRFC:
		return orElse(strings.Join(v.Needs(), "; "), "a person")
	case Waiting:
		return orElse(strings.Join(v.Waits(), ", "), "a check")
	case Rework, Reject:
		return said(v.named(Fail), "said no")
	}
	if names := v.named(Error); len(names) > 0 {
		return said(names, "could not look")
	}
	return "no rule applied"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// said is "2 rules said no (budget, protected)".
func said(rules []string, what string) string {
	return fmt.Sprintf("%s %s (%s)", plural(len(rules), "rule"), what, strings.Join(rules, ", "))
}

func (v Verdict) named(o Outcome) []string {
	var names []string
	for _, r := range v.Results {
		if r.Outcome == o {
			names = append(names, r.Rule)
		}
	}
	return names
}

// counts is "9 pass, 2 not looked at, 3 do not apply".
func (v Verdict) counts() string {
	var parts []string
	for _, o := range []struct {
		outcome   Outcome
		one, many string
	}{
		{Pass, "passes", "pass"}, {Fail, "fails", "fail"}, {Error, "could not look", "could not look"}, {Pending, "waits", "wait"},
		{NotEvaluated, "was not looked at", "were not looked at"}, {NotApplicable, "does not apply", "do not apply"},
	} {
		switch n := v.Count(o.outcome); n {
		case 0:
		case 1:
			parts = append(parts, "1 "+o.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, o.many))
		}
	}
	return strings.Join(parts, ", ")
}

// words names an outcome in tables.
func (o Outcome) words() string {
	switch o {
	case Pass:
		return "pass"
	case Fail:
		return "FAIL"
	case Pending:
		return "waits"
	case NotApplicable:
		return "does not apply"
	case NotEvaluated:
		return "not looked at"
	}
	return "COULD NOT LOOK"
}

// Text is the whole verdict for a terminal, at most 100 columns wide: summary,
// one line a rule, findings, warnings, sandbox.
func (v Verdict) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, wrap(v.Summary(), "  "))
	fmt.Fprintln(&b, wrap(v.about(), "  "))
	for _, r := range v.Results {
		fmt.Fprintln(&b, wrap(fmt.Sprintf("  %-12s  %-14s  %s", r.Rule, r.Outcome.words(), r.Reason), strings.Repeat(" ", 32)))
	}
	for _, f := range v.Findings() {
		for _, line := range strings.Split(f.Text(), "\n") {
			fmt.Fprintln(&b, wrap(line, "      "))
		}
	}
	section(&b, "warnings", v.Warnings)
	section(&b, "sandbox", v.Sandbox)
	return b.String()
}

// about says what the verdict is bound to.
func (v Verdict) about() string {
	s := fmt.Sprintf("risk %s · base %s · tree %s · seed %s", v.Risk, short(v.Base), short(v.HeadTree), short(v.Policy))
	if len(v.RiskReasons) > 0 {
		s += " · because " + listed(v.RiskReasons)
	}
	return s
}

func section(b *strings.Builder, name string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(b, name)
	for _, l := range lines {
		fmt.Fprintln(b, wrap("  "+l, "    "))
	}
}

// wrap breaks a line at spaces so that none is wider than the terminal; a
// longer word stays whole on its own line, so that it can be copied.
func wrap(line, indent string) string {
	if utf8.RuneCountInString(line) <= columns {
		return line
	}
	var out []string
	for utf8.RuneCountInString(line) > columns {
		at := breakAt(line)
		if at < 0 {
			break
		}
		out = append(out, strings.TrimRight(line[:at], " "))
		line = indent + strings.TrimLeft(line[at:], " ")
	}
	return strings.Join(append(out, line), "\n")
}

// breakAt is the byte of the last space within the width, after the words have
// begun; if there is none the first one beyond.
func breakAt(line string) int {
	start := len(line) - len(strings.TrimLeft(line, " "))
	best, column := -1, 0
	for i, r := range line {
		if column++; column > columns+1 && best >= 0 {
			break
		}
		if r == ' ' && i > start {
			best = i
		}
	}
	return best
}

// MaxMarkdown is the room that a comment or check summary leaves for a verdict;
// GitHub takes 65,536 characters.
const MaxMarkdown = 60000

// Markdown is the verdict for a comment, a check's summary or a job summary, at
// most limit bytes. Foreign text in it is inert.
func (v Verdict) Markdown(limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n%s\n\n", finding.Inert(v.Summary()), finding.Inert(v.about()))
	tail := v.markdownTail()
	if room := limit - b.Len() - len(tail); room > 0 {
		if list := finding.Markdown(v.Findings(), room-1); list != "" {
			b.WriteString(list + "\n")
		}
	}
	if b.Len()+len(tail) <= limit {
		b.WriteString(tail)
	}
	return clip(b.String(), limit)
}

func (v Verdict) markdownTail() string {
	var b strings.Builder
	b.WriteString("<details><summary>" + plural(len(v.Results), "rule") + ": " + v.counts() + "</summary>\n\n| rule | | why |\n|---|---|---|\n")
	for _, r := range v.Results {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Rule, r.Outcome.words(), finding.Inert(r.Reason))
	}
	b.WriteString("\n</details>\n")
	for _, s := range []struct {
		name  string
		lines []string
	}{{"Warnings", v.Warnings}, {"Sandbox", v.Sandbox}} {
		if len(s.lines) > 0 {
			b.WriteString("\n" + s.name + "\n\n")
			for i, l := range s.lines {
				if i == 20 {
					fmt.Fprintf(&b, "- %s: %d more\n", finding.Truncated, len(s.lines)-i)
					break
				}
				b.WriteString("- " + finding.Inert(cut(l)) + "\n")
			}
		}
	}
	return b.String()
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const end = "\n" + finding.Truncated + "\n"
	if limit < len(end) {
		return ""
	}
	return strings.ToValidUTF8(s[:limit-len(end)], "") + end
}

// Conclusion maps the verdict to a check run's status and conclusion
// (https://docs.github.com/rest/checks/runs). It is never neutral or skipped,
// which would satisfy a required check. An advisory verdict concludes success,
// but not one that could not be reached.
func (v Verdict) Conclusion() (status, conclusion string) {
	switch {
	case v.Advisory && v.head() != heads[CouldNotJudge]:
		return "completed", "success"
	case v.Decision == Allowed:
		return "completed", "success"
	case v.Decision == NeedsApproval, v.Decision == NeedsRFC:
		return "completed", "action_required"
	case v.Decision == Waiting:
		return "in_progress", ""
	}
	return "completed", "failure"
}

// Check is the check run that tells the verdict at a head. It holds all
// annotations; GitHub takes 50 a request, so the adapter pages.
func (v Verdict) Check(headSHA string) forge.CheckReport {
	status, conclusion := v.Conclusion()
	return forge.CheckReport{Name: CheckName, HeadSHA: headSHA, Status: status, Conclusion: conclusion,
		ExternalID: v.Policy + "/" + v.Base + "/" + v.HeadTree,
		Title:      cut(v.Summary()), Summary: v.Markdown(MaxMarkdown), Annotations: finding.Annotations(v.Findings())}
}

// Exit is the exit code of a command that ends with this verdict: 0 allowed or
// advisory, 1 refused, 3 could not judge, 4 a person or a check is needed.
func (v Verdict) Exit() int {
	switch {
	case v.head() == heads[CouldNotJudge]:
		return 3
	case v.Advisory, v.Decision == Allowed:
		return 0
	case v.Decision == Rework, v.Decision == Reject:
		return 1
	}
	return 4
}

// ExplainMerge says whether a change merges without a person:
// "merges alone? no: 3 of 4 switches off", then the switches.
func ExplainMerge(switches []Switch) string {
	off := 0
	for _, s := range switches {
		if !s.On {
			off++
		}
	}
	var b strings.Builder
	if off == 0 {
		b.WriteString("merges alone? if low risk and no rule asks for a person: all switches on\n")
	} else {
		fmt.Fprintf(&b, "merges alone? no: %d of %s off\n", off, plural(len(switches), "switch"))
	}
	for _, s := range switches {
		state := "off"
		if s.On {
			state = "on"
		}
		fmt.Fprintf(&b, "  %-3s  %s (%s)\n", state, s.Name, s.Seed)
	}
	return b.String()
}

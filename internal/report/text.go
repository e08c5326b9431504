package report

import (
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// width is the widest line, in characters.
const width = 100

// Text is the status for a terminal. Titles are anybody's words: they are made
// inert and cut.
func (st Status) Text() string {
	var b text
	b.line("%s · %s at %.8s · mode %s · %s UTC", st.Repository, st.Branch, st.Commit, st.Mode, task.Clock(st.At))
	b.queue(st.Queue)
	b.pulls(st.Pulls)
	b.line("\nBudgets")
	for _, u := range st.Budgets {
		b.line("  %-28s %11s of %-11s %s", u.Key, group(u.Used), group(u.Limit), u.Place)
	}
	b.log(st.Log)
	return b.String()
}

type text struct{ strings.Builder }

// line writes one line, cut where it would wrap.
func (b *text) line(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	lead := ""
	if strings.HasPrefix(s, "\n") {
		lead, s = "\n", s[1:]
	}
	b.WriteString(lead + strings.TrimRight(cut(inert(s)), " ") + "\n")
}

func inert(s string) string {
	return strings.ReplaceAll(command.Clean([]byte(s), 1<<16), "\n", " ")
}

func cut(s string) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

func (b *text) queue(tasks []Task) {
	if len(tasks) == 0 {
		b.line("\nQueue: empty")
		return
	}
	b.line("\nQueue (%d)", len(tasks))
	for _, t := range tasks {
		state := t.State
		if state == "" {
			state = "queued"
		}
		b.line("  %-6s %-11s %-10s %s", fmt.Sprintf("#%d", t.IssueNumber), state, t.Type, t.Title)
	}
}

func (b *text) pulls(list []Pull) {
	if len(list) == 0 {
		b.line("\nOpen pull requests of agents: none")
		return
	}
	b.line("\nOpen pull requests of agents (%d)", len(list))
	for _, p := range list {
		b.line("  %-6s %-20s %s", fmt.Sprintf("#%d", p.Number), p.Verdict, p.Title)
	}
}

func (b *text) log(l Log) {
	switch {
	case l.Fault != "":
		b.line("\nLog on %s: BROKEN, so what was spent is unknown: %s", l.Branch, l.Fault)
		return
	case l.Last == nil:
		b.line("\nLog on %s: no entry yet", l.Branch)
		return
	}
	b.line("\nLog on %s: %d entries, chain ok; the last %s UTC", l.Branch, l.Entries, task.Clock(l.Last.At))
	for _, t := range l.Last.Tasks {
		pull := ""
		if t.Pull != 0 {
			pull = fmt.Sprintf(" as #%d", t.Pull)
		}
		b.line("  #%-5d %s%s · %s · +%d -%d · %s tokens · %s", t.Issue, t.Outcome, pull, t.Decision, t.Added, t.Deleted, group(t.Tokens), t.Title)
	}
}

// group writes a number with separators: 12,345.
func group(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

package cycletest

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
)

// state is everything that people find in the repository in the end, without
// what may differ between two cycles that did the same: times, object names of
// commits (which hold a time), run links, attempts.
func (w *world) state() string {
	w.Helper()
	var b strings.Builder
	w.issues(&b)
	w.refs(&b)
	w.pulls(&b)
	w.logEntries(&b)
	return masked(b.String())
}

var masks = []struct {
	re *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`\b[0-9a-f]{40}\b|\b[0-9a-f]{64}\b`), "HASH"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b|\b[0-9a-f]{8}\b`), "SHORT"},
	{regexp.MustCompile(`https?://[^\s)]+/actions/runs/\d+(?:/attempts/\d+)?`), "RUN"},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`"attempt":\d+`), `"attempt":N`},
}

func masked(s string) string {
	for _, m := range masks {
		s = m.re.ReplaceAllString(s, m.to)
	}
	return s
}

func (w *world) issues(b *strings.Builder) {
	w.Helper()
	for n := 1; ; n++ {
		i, err := w.ana.Issue(w.Context(), n)
		if errors.Is(err, forge.ErrNotFound) {
			return
		}
		w.ok(err)
		sort.Strings(i.Labels)
		fmt.Fprintf(b, "#%d %s %q by %s %v\n", i.Number, i.State, i.Title, i.Author.Login, i.Labels)
		comments, err := w.ana.Comments(w.Context(), n)
		w.ok(err)
		for _, c := range comments {
			fmt.Fprintf(b, "  comment by %s: %q\n", c.Author.Login, c.Body)
		}
	}
}

func (w *world) refs(b *strings.Builder) {
	w.Helper()
	for _, prefix := range []string{"refs/heads/", "refs/seedbed/", "refs/tags/"} {
		refs, err := w.ana.RefsUnder(w.Context(), prefix)
		w.ok(err)
		for _, ref := range refs {
			fmt.Fprintf(b, "%s", ref.Name)
			sha := ref.SHA
			for n := 0; sha != "" && n < 12; n++ {
				c, err := w.ana.Commit(w.Context(), sha)
				w.ok(err)
				subject, _, _ := strings.Cut(c.Message, "\n")
				fmt.Fprintf(b, " <- %q (%d)", runNumber.ReplaceAllString(subject, "run N"), len(c.Parents))
				sha = ""
				if len(c.Parents) > 0 {
					sha = c.Parents[0]
				}
			}
			b.WriteString("\n")
		}
	}
}

var runNumber = regexp.MustCompile(`\brun \d+`)

func (w *world) pulls(b *strings.Builder) {
	w.Helper()
	refs, err := w.ana.RefsUnder(w.Context(), "refs/heads/seedbed/")
	w.ok(err)
	for _, ref := range refs {
		pulls, err := w.ana.PullsByHead(w.Context(), strings.TrimPrefix(ref.Name, "refs/heads/"))
		w.ok(err)
		for _, p := range pulls {
			fmt.Fprintf(b, "pull #%d %s merged %v %q\n%s\n", p.Number, p.State, p.Merged, p.Title, p.Body)
			checks, err := w.ana.Checks(w.Context(), p.Head.SHA)
			w.ok(err)
			for _, c := range checks {
				fmt.Fprintf(b, "  check %s %s %s\n", c.Name, c.Status, c.Conclusion)
			}
		}
	}
}

// logEntries leaves out what a cycle in several runs cannot know: how many
// effects the earlier runs did.
func (w *world) logEntries(b *strings.Builder) {
	w.Helper()
	f, err := w.ana.File(w.Context(), journal.Path, "main")
	if errors.Is(err, forge.ErrNotFound) {
		b.WriteString("no log\n")
		return
	}
	w.ok(err)
	entries, err := journal.Parse(f.Content)
	w.ok(err)
	for _, e := range entries {
		fmt.Fprintf(b, "log %s: %+v\n", e.Key, e.Tasks)
	}
}

package policy

import (
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/secret"
)

// judgeSecrets looks for credentials in what the change puts into the history:
// added lines, names and commit messages, of the whole and of each commit. It
// names kind and place; the value is never shown.
func judgeSecrets(in input) Result {
	s := secretJudge{in: in, seen: map[string]bool{}, hits: map[*fileLines][]secret.Hit{}}
	s.set(in.change.Whole, "")
	for _, c := range in.change.Commits {
		s.message(c)
		s.set(c.Set, c.SHA)
	}
	switch {
	case len(s.found) > 0:
		return Result{Outcome: Fail, Reason: plural(len(s.found), "finding"), Findings: append(s.found, s.unread...)}
	case len(s.unread) > 0:
		return Result{Outcome: NotEvaluated, Reason: plural(len(s.unread), "file") + " too large to read", Findings: s.unread}
	}
	return Result{Outcome: Pass, Reason: "added lines, names and commit messages"}
}

type secretJudge struct {
	in     input
	seen   map[string]bool
	hits   map[*fileLines][]secret.Hit // by lines, which commits share
	found  []finding.Finding
	unread []finding.Finding
}

const hintSecret = "take it out, and revoke it if it was ever real"

func (s *secretJudge) add(f finding.Finding, commit string) {
	what := f.Path + "\x00" + f.Message
	key := fmt.Sprintf("%s\x00%d", what, f.Line)
	if s.seen[key] || commit != "" && s.seen[what] {
		return
	}
	s.seen[key], s.seen[what] = true, true
	if commit != "" {
		f.Message += " (in commit " + short(commit) + ")"
	}
	f.Severity, f.Seed, f.Who = finding.Error, "built in", s.in.mender()
	s.found = append(s.found, f)
}

func (s *secretJudge) set(set change.Set, commit string) {
	for _, f := range set.Files {
		if f.Status == change.Deleted {
			continue
		}
		s.name(f, commit)
		s.content(f, commit)
	}
}

func (s *secretJudge) name(f change.File, commit string) {
	if f.Status == change.Modified {
		return
	}
	if hits := secret.Scan([]byte(f.Path)); len(hits) > 0 {
		s.add(finding.Finding{Message: fmt.Sprintf("%s in a file name", describe(hits[0])), Hint: "another name; revoke it if it was ever real"}, commit)
		return
	}
	if isEnvFile(f.Path) {
		s.add(finding.Finding{Path: f.Path, Message: "an environment file, which holds credentials by custom",
			Hint: "commit " + finding.Quote(f.Path) + ".example without values"}, commit)
	}
}

// isEnvFile tells .env and its kin, but for samples.
func isEnvFile(path string) bool {
	_, base := splitLast(canonical(path))
	if base != ".env" && !strings.HasPrefix(base, ".env.") {
		return false
	}
	for _, sample := range []string{".example", ".sample", ".template", ".dist"} {
		if strings.HasSuffix(base, sample) {
			return false
		}
	}
	return true
}

// content scans the added lines as one text, so that a value broken over lines
// is whole again. What looks binary is cut at line ends like any other file.
func (s *secretJudge) content(f change.File, commit string) {
	if !f.Loaded {
		s.tooLarge(f)
		return
	}
	if f.Status == change.Renamed {
		return // the same bytes as at base
	}
	lines := s.in.lines.of(f)
	for _, h := range s.scan(lines) {
		at := finding.Finding{Path: f.Path, Message: describe(h) + " in an added line", Hint: hintSecret}
		if h.Line >= 1 && h.Line <= len(lines.added) {
			at.Line = lines.added[h.Line-1].New
		}
		s.add(at, commit)
	}
}

func (s *secretJudge) scan(lines *fileLines) []secret.Hit {
	if hits, ok := s.hits[lines]; ok {
		return hits
	}
	var text strings.Builder
	for _, l := range lines.added {
		text.WriteString(l.Text)
		text.WriteByte('\n')
	}
	s.hits[lines] = secret.Scan([]byte(text.String()))
	return s.hits[lines]
}

func (s *secretJudge) tooLarge(f change.File) {
	key := "large\x00" + f.Path
	if s.seen[key] {
		return
	}
	s.seen[key] = true
	s.unread = append(s.unread, finding.Finding{Path: f.Path, Severity: finding.Warning, Seed: "built in", Who: s.in.approvers(),
		Message: fmt.Sprintf("over %d MiB, not searched", change.MaxBlob>>20), Hint: "leave this file out, or look through it and approve"})
}

func (s *secretJudge) message(c change.Commit) {
	for _, h := range secret.Scan([]byte(c.Message)) {
		s.add(finding.Finding{Message: fmt.Sprintf("%s in the message of commit %s, line %d", describe(h), short(c.SHA), h.Line),
			Hint: "write the message anew; revoke the secret if it was ever real"}, "")
	}
}

// describe names the kind and, when it is not plain, the encoding.
func describe(h secret.Hit) string {
	if h.Encoding == "" || h.Encoding == "plain" {
		return h.Kind
	}
	return h.Kind + " (" + h.Encoding + ")"
}

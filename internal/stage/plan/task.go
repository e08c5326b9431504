package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// fromIssue makes the task of an approved issue. Kind, scope and worker come
// from words and labels before any model is asked.
func fromIssue(s *seed.Seed, issue forge.Issue, g task.Grant, base string) task.Task {
	kind := classify(s, issue)
	trigger := fmt.Sprintf("issue:%d", issue.Number)
	return task.Task{
		Version: task.Version, Key: task.Key(kind.ID, kind.Scope, trigger, ""), Issue: issue.Number, Type: kind.ID,
		Title: issue.Title, Spec: task.ParseSpec(issue.Title, issue.Body), Scope: kind.Scope, Worker: worker(s, issue, kind),
		Trigger: trigger, ApprovedBy: g.By, ApprovedAt: g.At, WordsDigest: task.Words(issue.Title, issue.Body),
		Base: base, Attempt: 1, CreatedBy: "human",
	}
}

// fromSpec makes a task of a file, for a laptop: no issue, no forge.
func fromSpec(s *seed.Seed, o Options, base string, now time.Time) task.Task {
	issue := forge.Issue{Title: o.Title, Body: o.Spec.Goal + "\n" + o.Spec.Notes}
	kind := classify(s, issue)
	words := task.Words(o.Title, o.Spec.Goal)
	trigger := "file:" + words[:16]
	return task.Task{Version: task.Version, Key: task.Key(kind.ID, kind.Scope, trigger, ""), Type: kind.ID, Title: o.Title,
		Spec: *o.Spec, Scope: kind.Scope, Worker: worker(s, issue, kind), Trigger: trigger, ApprovedAt: now.UTC(),
		WordsDigest: words, Base: base, Attempt: 1, CreatedBy: "human"}
}

// classify picks the task type whose label is on the issue or whose keyword is
// in its words; the type without keywords is the fallback; without any types
// a few words tell a bug from the rest.
func classify(s *seed.Seed, issue forge.Issue) seed.TaskType {
	text := strings.ToLower(issue.Title + "\n" + issue.Body)
	fallback := seed.TaskType{ID: guess(text)}
	for _, t := range s.TaskTypes {
		if t.Label != "" && issue.HasLabel(t.Label) {
			return t
		}
	}
	for _, t := range s.TaskTypes {
		if len(t.Keywords) == 0 {
			fallback = t
		}
		for _, word := range t.Keywords {
			if hasWord(text, strings.ToLower(word)) {
				return t
			}
		}
	}
	return fallback
}

func guess(text string) string {
	for _, word := range []string{"bug", "crash", "wrong", "broken", "fails", "panic", "incorrect", "regression"} {
		if hasWord(text, word) {
			return "bug"
		}
	}
	return "other"
}

func hasWord(text, word string) bool {
	for rest := text; ; {
		at := strings.Index(rest, word)
		if at < 0 {
			return false
		}
		end := at + len(word)
		if (at == 0 || !letter(rest[at-1])) && (end == len(rest) || !letter(rest[end])) {
			return true
		}
		rest = rest[at+1:]
	}
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' }

// worker picks a command worker: by label worker:NAME, else by the task type.
func worker(s *seed.Seed, issue forge.Issue, kind seed.TaskType) string {
	for _, l := range issue.Labels {
		if name, ok := strings.CutPrefix(l, "worker:"); ok {
			if _, known := s.Workers[name]; known {
				return name
			}
		}
	}
	if _, known := s.Workers[kind.Worker]; known {
		return kind.Worker
	}
	return ""
}

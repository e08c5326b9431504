package llm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Scripted is a double: a function per "role/step", or "role" for every step of
// a role without its own. A request nobody wrote a function for is an error.
type Scripted map[string]func(Request) (Reply, error)

// Complete implements Completer.
func (s Scripted) Complete(ctx context.Context, req Request) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, err
	}
	answer, ok := s[req.Role+"/"+req.Step]
	if !ok {
		answer, ok = s[req.Role]
	}
	if !ok {
		return Reply{}, &Error{Kind: Unknown, Message: fmt.Sprintf("unexpected call %s/%s: the script has no entry for it", req.Role, req.Step)}
	}
	return answer(req)
}

// Say is a script entry that always answers text, with known usage.
func Say(text string) func(Request) (Reply, error) {
	return func(req Request) (Reply, error) {
		usage := Usage{Input: EstimateTokens(req), Output: len(text)/4 + 1, Known: true}
		return Reply{Content: text, Finish: FinishStop, Usage: usage, Model: "scripted"}, nil
	}
}

// Recorded is a double that answers from a recording written by hand, in the
// transcript's format with a match object per line. Each entry answers once,
// the first that matches; an unexpected request fails with what came and the
// entry that comes nearest, and Unused tells what was left over.
type Recorded struct {
	name string

	mu      sync.Mutex
	entries []entry
}

type entry struct {
	Line
	number int // 1-based, in the recording
	used   bool
}

// NewRecorded takes a recording; name is used in errors. Every line needs a
// match object and a reply or a failure.
func NewRecorded(name string, t Transcript) (*Recorded, error) {
	r := &Recorded{name: name}
	if t.Cut > 0 {
		return nil, fmt.Errorf("%s: the last line has no newline", name)
	}
	for i, line := range t.Lines {
		if line.Match == nil || (line.Reply == nil) == (line.Failure == nil) {
			return nil, fmt.Errorf("%s: entry %d needs a match object and either a reply or a failure", name, i+1)
		}
		r.entries = append(r.entries, entry{Line: line, number: i + 1})
	}
	return r, nil
}

// Complete implements Completer.
func (r *Recorded) Complete(ctx context.Context, req Request) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	prompt := promptText(req)
	for i := range r.entries {
		e := &r.entries[i]
		if !e.used && len(mismatches(*e.Match, req, prompt)) == 0 {
			e.used = true
			return e.answer()
		}
	}
	return Reply{}, &Error{Kind: Unknown, Message: r.unexpected(req, prompt)}
}

func (e *entry) answer() (Reply, error) {
	if f := e.Failure; f != nil {
		return Reply{}, &Error{Kind: f.Kind, Status: f.Status, Message: f.Message}
	}
	return *e.Reply, nil
}

// promptText is everything the model would read, for Contains.
func promptText(req Request) string {
	var b strings.Builder
	for _, m := range req.Messages {
		b.WriteString(m.Content)
		b.WriteByte('\n')
	}
	return b.String()
}

// mismatches lists what of the match the request does not meet.
func mismatches(m Match, req Request, prompt string) []string {
	var out []string
	if m.Role != "" && m.Role != req.Role {
		out = append(out, fmt.Sprintf("role %q", m.Role))
	}
	if m.Step != "" && m.Step != req.Step {
		out = append(out, fmt.Sprintf("step %q", m.Step))
	}
	for _, part := range m.Contains {
		if !strings.Contains(prompt, part) {
			out = append(out, fmt.Sprintf("text %q", clip(part, 80)))
		}
	}
	return out
}

func (r *Recorded) unexpected(req Request, prompt string) string {
	came := fmt.Sprintf("%s: unexpected call %s/%s, prompt ends %q", r.name, req.Role, req.Step, tail(prompt, 120))
	nearest, missing := r.nearest(req, prompt)
	switch {
	case nearest == nil:
		return came + "; the recording is empty"
	case len(missing) == 0:
		return fmt.Sprintf("%s; entry %d fits but was used already", came, nearest.number)
	default:
		return fmt.Sprintf("%s; nearest is entry %d, which wants %s", came, nearest.number, strings.Join(missing, ", "))
	}
}

// nearest is the entry with the fewest mismatches, a wrong role or step
// counting more than a missing text; unused entries go first.
func (r *Recorded) nearest(req Request, prompt string) (*entry, []string) {
	var best *entry
	var missing []string
	bestCost := 0
	for i := range r.entries {
		e := &r.entries[i]
		found := mismatches(*e.Match, req, prompt)
		cost := 2 * len(found)
		for _, f := range found {
			if !strings.HasPrefix(f, "text") {
				cost += 20
			}
		}
		if e.used {
			cost++
		}
		if best == nil || cost < bestCost {
			best, missing, bestCost = e, found, cost
		}
	}
	return best, missing
}

func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) <= n {
		return s
	}
	return "..." + strings.ToValidUTF8(s[len(s)-n:], "")
}

// Unused is an error naming every entry that was never asked for, nil when
// there is none.
func (r *Recorded) Unused() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, e := range r.entries {
		if !e.used {
			errs = append(errs, fmt.Errorf("%s: entry %d (%s/%s, contains %q) was never asked for",
				r.name, e.number, e.Match.Role, e.Match.Step, e.Match.Contains))
		}
	}
	return errors.Join(errs...)
}

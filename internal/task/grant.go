package task

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// Grant is who approved an issue's words and when, or why nobody did. It is
// derived from the forge's own records: a label by itself proves nothing.
type Grant struct {
	By        forge.User
	At        time.Time
	Label     string
	LastState time.Time // when one of our state labels was last put on
	Refusal   string    // empty: granted
	Hint      string    // what a person does about it
}

// LastGrant finds who last put on a trigger label that the issue still carries.
func LastGrant(events []forge.TimelineEvent, triggers []string, issue forge.Issue) Grant {
	var g Grant
	for _, e := range events {
		switch {
		case e.Kind != "labeled":
		case slices.Contains(triggers, e.Label) && issue.HasLabel(e.Label):
			if !e.At.Before(g.At) {
				g.By, g.At, g.Label = e.Actor, e.At, e.Label
				g.By.Bot = g.By.Bot || e.ViaApp
			}
		case strings.HasPrefix(e.Label, "seed:") && e.At.After(g.LastState):
			g.LastState = e.At
		}
	}
	if g.Label == "" {
		g.Refusal = "carries none of " + strings.Join(triggers, " ")
		g.Hint = "put " + triggers[0] + " on"
	}
	return g
}

// Checked adds what the labeller may do now and whether the words were edited
// at or after the moment of the label.
//
// An account without an id is gone: its login may be anybody's by now. A grant
// that was refused before stays refused for its first reason.
func (g Grant) Checked(perm forge.Permission, edits forge.Edits) Grant {
	if g.Refusal != "" {
		return g
	}
	if g.By.ID == 0 || g.By.Bot || !perm.Push {
		who := g.By.Login
		if who == "" || g.By.ID == 0 {
			who = "an unknown account"
		}
		g.Refusal = fmt.Sprintf("was labelled %s by %s, who may not write here", g.Label, who)
		g.Hint = "somebody with write permission puts the label on"
		return g
	}
	if at, edited := edits.After(g.At); edited {
		g.Refusal = fmt.Sprintf("was edited %s, after %s was put on %s", Clock(at), g.Label, Clock(g.At))
		g.Hint = "put the label on again"
	}
	return g
}

// Clock is how messages show a moment, in UTC.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// Package claim holds what taking an issue and turning one away mean, as
// effects. Plan proposes them, for people to see; govern makes them anew from
// the forge's own records and applies its own: what a job that ran foreign code
// hands over is never written down under our name.
package claim

import (
	"fmt"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// leaseTime is how long a lease is good for when its run cannot be asked.
const leaseTime = 6 * time.Hour

// Take is the lease, the label and one answer on the issue.
func Take(by effect.Stage, s *seed.Seed, run rundir.Run, t task.Task, now time.Time) []effect.Effect {
	now = now.UTC().Truncate(time.Second)
	lease := task.Lease{Version: task.Version, Issue: t.Issue, Task: t.Key, Run: run.ID, Attempt: run.Attempt, RunURL: run.URL,
		Tokens: int64(s.Budgets.Task.Tokens), Taken: now, Expires: now.Add(leaseTime)}
	return []effect.Effect{
		effect.New(by, fmt.Sprintf("lease-%d", t.Issue), "", effect.TakeLease{Lease: lease}),
		effect.New(by, fmt.Sprintf("labels-%d-working", t.Issue), "", effect.SetLabels{Issue: t.Issue, Add: []string{task.Working.Label()},
			Remove: []string{task.NeedsYou.Label(), task.Proposed.Label(), task.Approved.Label()}}),
		effect.New(by, effect.StickyKey(t.Issue), "acknowledges", effect.PutComment{Issue: t.Issue, Body: acknowledgement(s, run, t)}),
		effect.New(by, fmt.Sprintf("eyes-%d", t.Issue), "", effect.PutReaction{Issue: t.Issue, Content: "eyes"}),
	}
}

func acknowledgement(s *seed.Seed, run rundir.Run, t task.Task) string {
	where := "any file that is not protected"
	if paths := s.AutomationContract.AIAccess.WritePaths; len(paths) > 0 {
		where = "only under `" + strings.Join(paths, "`, `") + "`"
	}
	watch := ""
	if run.URL != "" {
		watch = " [Watch the run](" + run.URL + ")."
	}
	return fmt.Sprintf("Accepted by the label of `@%s`. I will write %s, at most %d lines and %d tokens.%s To stop: take the label off.",
		t.ApprovedBy.Login, where, s.Budgets.Change.MaxLines, s.Budgets.Task.Tokens, watch)
}

// TurnAway takes off a label that does not count and says why, once. Without
// such a label, and on pull requests, there is nothing to do.
func TurnAway(by effect.Stage, g task.Grant, issue forge.Issue) []effect.Effect {
	if g.Refusal == "" || g.Label == "" || issue.IsPull {
		return nil
	}
	body := fmt.Sprintf("**Not started:** issue #%d %s.\n\nNothing was read by a model. Next: %s.", issue.Number, g.Refusal, g.Hint)
	return []effect.Effect{
		effect.New(by, fmt.Sprintf("labels-%d-off", issue.Number), g.Refusal, effect.SetLabels{Issue: issue.Number, Remove: []string{g.Label}}),
		effect.New(by, effect.StickyKey(issue.Number), "says why", effect.PutComment{Issue: issue.Number, Body: body}),
	}
}

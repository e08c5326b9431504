package policy

import (
	"fmt"

	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// judgeLoop stops agents: the kill switch, the pause label, and chains of agent
// changes that lead to one another.
func judgeLoop(in input) Result {
	l, limit := in.facts.Loop, in.seed.Budgets.Loop.MaxHops
	var found []finding.Finding
	if task.Killed(l.Kill) {
		found = append(found, finding.Finding{Severity: finding.Error, Message: "the kill switch is on (" + quoted(l.Kill) + ")",
			Hint: "clear the variable to let agents go on", Seed: "built in", Who: "whoever may set the repository's variables"})
	}
	if l.Paused {
		found = append(found, finding.Finding{Severity: finding.Error, Message: "paused by label",
			Hint: "take the pause label off", Seed: "built in", Who: "anyone with triage permission"})
	}
	if l.Hops > int64(limit) {
		found = append(found, finding.Finding{Severity: finding.Error, Message: fmt.Sprintf("%d agent changes led to this one, at most %d", l.Hops, limit),
			Hint: "a person starts the next one", Seed: in.place("budgets.loop.max_hops"), Who: in.owner() + " may raise the limit"})
	}
	if len(found) > 0 {
		return Result{Outcome: Fail, Reason: plural(len(found), "reason") + " to stop", Findings: found}
	}
	return Result{Outcome: Pass, Reason: fmt.Sprintf("%d of %d hops, not paused", l.Hops, limit)}
}

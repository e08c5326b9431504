package policy

import "github.com/seedbed-dev/seedbed/internal/finding"

// rule is one row of the table: what it is called, whether it is about agents
// only, whether a breach can be mended by rework, whether it needs what the
// others said, and how it judges.
type rule struct {
	name      string
	agentOnly bool
	hard      bool // a breach rejects; a soft one goes back to the implementer
	last      bool // runs after the others
	judge     func(input) Result
}

// rules is every rule this version has, in the order people read them. The
// limits whose rule does not exist yet are in unbuilt.
var rules = []rule{
	{name: "paths", agentOnly: false, hard: true, judge: judgePaths},
	{name: "protected", agentOnly: false, hard: true, last: true, judge: judgeProtected},
	{name: "budget", agentOnly: true, hard: true, judge: judgeBudget},
	{name: "secrets", agentOnly: false, hard: true, judge: judgeSecrets},
	{name: "tests", agentOnly: true, judge: judgeTests},
	{name: "review", agentOnly: true, judge: judgeReview},
	{name: "checks", judge: judgeChecks},
	{name: "approval", last: true, judge: judgeApproval},
	{name: "integrity", hard: true, judge: judgeIntegrity},
	{name: "loop", agentOnly: true, hard: true, judge: judgeLoop},
}

func (r rule) run(in input) Result {
	if what, bad := in.facts.Unreadable[r.name]; bad {
		return Result{Rule: r.name, Outcome: Error, Reason: "could not read " + what}
	}
	if r.agentOnly && !in.facts.Agent {
		return Result{Rule: r.name, Outcome: NotApplicable, Reason: "a person's change"}
	}
	res := r.judge(in)
	res.Rule = r.name
	for i := range res.Findings {
		res.Findings[i].Rule = r.name
	}
	finding.Sort(res.Findings)
	return res
}

func known(name string) bool {
	for _, r := range rules {
		if r.name == name {
			return true
		}
	}
	return false
}

func hard(name string) bool {
	for _, r := range rules {
		if r.name == name {
			return r.hard
		}
	}
	return true // a row from elsewhere is never softened
}

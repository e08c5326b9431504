package policy

import (
	"fmt"
	"sort"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/forge"
)

// CheckName is the name of the check that Seedbed itself posts. It is never
// counted among the checks a verdict rests on.
const CheckName = "seedbed"

// judgeChecks wants each required check to have concluded success at the head:
// skipped, neutral, stale and missing are not success. What verify measured in
// a fresh clone can block; it stands in for no required check.
func judgeChecks(in input) Result {
	c := checkJudge{in: in}
	for i, name := range in.seed.QualityGates.CIRequiredChecks {
		c.required(name, fmt.Sprintf("quality_gates.ci_required_checks[%d]", i))
	}
	for _, r := range in.facts.Reported {
		c.reported(r)
	}
	return c.result()
}

type checkJudge struct {
	in     input
	green  int
	failed []finding.Finding
	waits  []string
	wait   []finding.Finding
	unsure []finding.Finding
}

func (c *checkJudge) result() Result {
	sort.Strings(c.waits)
	all := append(append(append([]finding.Finding(nil), c.failed...), c.wait...), c.unsure...)
	switch {
	case len(c.failed) > 0:
		return Result{Outcome: Fail, Reason: plural(len(c.failed), "check") + " red", Findings: all, Waits: c.waits}
	case len(c.wait) > 0:
		return Result{Outcome: Pending, Reason: c.pendingReason(), Findings: all, Waits: c.waits}
	case len(c.unsure) > 0:
		return Result{Outcome: NotEvaluated, Reason: plural(len(c.unsure), "command") + " that shows nothing", Findings: all}
	case c.green > 0:
		return Result{Outcome: Pass, Reason: fmt.Sprintf("%d of %d green", c.green, c.green)}
	case c.in.facts.Agent && c.in.seed.Mode == "auto":
		return Result{Outcome: NotEvaluated, Reason: "no check is required and none was reported", Findings: []finding.Finding{{
			Severity: finding.Warning, Message: "nothing shows that this change works",
			Hint: "set commands.test or quality_gates.ci_required_checks, or approve it", Seed: c.in.place("quality_gates.ci_required_checks"), Who: c.in.approvers()}}}
	}
	return Result{Outcome: NotApplicable, Reason: "no check is required and none was reported"}
}

func (c *checkJudge) pendingReason() string {
	if !c.in.facts.ChecksRead {
		return "CI has not started"
	}
	return "waiting for " + strings.Join(c.waits, ", ")
}

// required judges one name. Several runs of the name must all have succeeded:
// else a second job could answer for the first.
func (c *checkJudge) required(name, key string) {
	seed := c.in.place(key)
	if strings.EqualFold(strings.TrimSpace(name), CheckName) {
		c.wait = append(c.wait, finding.Finding{Severity: finding.Warning, Message: quoted(name) + " is the judge's own check and cannot be required of itself",
			Hint: "take it out of ci_required_checks", Seed: seed, Who: c.in.owner()})
		c.waits = append(c.waits, name)
		return
	}
	var states []string
	for _, run := range c.in.facts.Checks {
		if run.Name == name && c.in.facts.ChecksRead && run.HeadSHA == c.in.facts.HeadCommit && run.HeadSHA != "" {
			states = append(states, checkState(run))
		}
	}
	sort.Strings(states)
	state := worstState(states)
	switch {
	case state == "success":
		c.green++
	case isRed(state):
		c.failed = append(c.failed, finding.Finding{Severity: finding.Error, Message: fmt.Sprintf("required check %s: %s", quoted(name), state),
			Hint: "mend what it reports, or run it again", Seed: seed, Who: c.in.mender()})
	default:
		c.waits = append(c.waits, name)
		c.wait = append(c.wait, finding.Finding{Severity: finding.Warning, Message: fmt.Sprintf("required check %s: %s at %s", quoted(name), state, c.head()),
			Hint: waitHint(state), Seed: seed, Who: "the check " + quoted(name)})
	}
}

func (c *checkJudge) head() string {
	if c.in.facts.HeadCommit == "" {
		return "the head"
	}
	return short(c.in.facts.HeadCommit)
}

func waitHint(state string) string {
	switch state {
	case "no result":
		return "start it on this commit, or let it start"
	case "running":
		return "wait for it"
	}
	return "run it again until it says success"
}

// checkState is the conclusion of a finished run, else "running".
func checkState(run forge.Check) string {
	status, conclusion := strings.ToLower(run.Status), strings.ToLower(run.Conclusion)
	if status != "" && status != "completed" || conclusion == "" || conclusion == "pending" || conclusion == "expected" {
		return "running"
	}
	return conclusion
}

// worstState folds the runs of one name: any red is red, then any that is not
// success, and success only if all are.
func worstState(states []string) string {
	if len(states) == 0 {
		return "no result"
	}
	for _, s := range states {
		if isRed(s) {
			return s
		}
	}
	for _, s := range states {
		if s != "success" {
			return s
		}
	}
	return "success"
}

func isRed(state string) bool {
	switch state {
	case "failure", "error", "timed_out", "cancelled", "startup_failure":
		return true
	}
	return false
}

// reported judges one command of the fresh-clone run.
func (c *checkJudge) reported(r Reported) {
	seed, name := c.in.place("commands.test"), quoted(r.Command)
	switch {
	case r.Head == "pass":
		c.green++
	case r.Head == "fail" && r.Base == "fail":
		c.unsure = append(c.unsure, finding.Finding{Severity: finding.Warning, Message: name + " is red at base already, so it shows nothing",
			Hint: "mend the base first, or look and approve", Seed: seed, Who: c.in.approvers()})
	case r.Head == "fail":
		c.failed = append(c.failed, finding.Finding{Severity: finding.Error, Message: name + " fails" + counted(r) + before(r),
			Hint: "make it pass", Seed: seed, Who: c.in.mender()})
	default:
		c.unsure = append(c.unsure, finding.Finding{Severity: finding.Warning, Message: name + " was not run on this change",
			Hint: "run it, or look and approve", Seed: seed, Who: c.in.approvers()})
	}
}

func counted(r Reported) string {
	if r.Total == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of %d pass", r.Passed, r.Total)
}

func before(r Reported) string {
	if r.Base == "pass" {
		return "; green at base"
	}
	return ""
}

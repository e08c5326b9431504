package policy

import (
	"strings"

	"github.com/seedbed-dev/seedbed/internal/finding"
)

// judgeReview lets a reviewer's opinion of exactly this tree lower the verdict.
// It never raises it: an approving reviewer changes nothing, and an opinion of
// another tree is ignored and said.
func judgeReview(in input) Result {
	r := in.facts.Review
	switch {
	case r == nil || r.Verdict == "" || r.Verdict == "none":
		return Result{Outcome: NotApplicable, Reason: "no reviewer gave an opinion"}
	case r.Tree == "" || r.Tree != in.change.Whole.Head.SHA:
		return Result{Outcome: NotApplicable, Reason: "the opinion is about tree " + quoted(short(r.Tree)) + ", not this one"}
	case strings.EqualFold(r.Verdict, "approve"):
		return Result{Outcome: Pass, Reason: "the reviewer found nothing to rework"}
	}
	return Result{Outcome: Fail, Reason: "the reviewer wants it reworked", Findings: []finding.Finding{{
		Severity: finding.Error, Message: "the reviewer of this tree says " + quoted(r.Verdict), Hint: "mend what the review's findings name",
		Seed: "built in", Who: "the implementer, in the next round"}}}
}

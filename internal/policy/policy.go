// Package policy judges a change against a seed.
//
// Judge is a pure function of the seed at the base commit, the change and the
// facts: no network, no clock, no model, no file system. The same three values
// give the same verdict, byte for byte, for ever. Facts are gathered before by
// the stage that holds the ports and are stored beside the verdict.
//
// Each rule has one file and one row in the table in rules.go. A rule passes,
// fails, waits, errs, does not apply, or was not evaluated; only pass and
// not_applicable let a change through by themselves. What was not evaluated
// needs a person who approved exactly this tree. Could-not-judge never counts
// as approval, and no approval outweighs a rule that fails.
//
// Approved is the proof that a judge ran: its fields can be filled only here,
// and effect.Apply publishes and merges nothing without one.
package policy

import (
	"sort"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// VerdictVersion is the version of the stored verdict. A field may be added
// without a new version; a changed meaning needs one.
const VerdictVersion = 1

// Outcome is what one rule says.
type Outcome string

// The outcomes of a rule.
const (
	Pass          Outcome = "pass"
	Fail          Outcome = "fail"
	Pending       Outcome = "pending"
	Error         Outcome = "error"
	NotApplicable Outcome = "not_applicable"
	NotEvaluated  Outcome = "not_evaluated"
)

// Decision is what the whole verdict says.
type Decision string

// The decisions, worst first. CouldNotJudge stands for any rule in error.
const (
	CouldNotJudge Decision = "could_not_judge"
	Reject        Decision = "reject"
	Rework        Decision = "rework"
	NeedsRFC      Decision = "needs_rfc"
	NeedsApproval Decision = "needs_approval"
	Waiting       Decision = "pending"
	Allowed       Decision = "allowed"
)

// Result is one rule's say. Needs names who must approve, Waits the checks that
// have not reported; both are sorted.
type Result struct {
	Rule     string            `json:"rule"`
	Outcome  Outcome           `json:"outcome"`
	Reason   string            `json:"reason,omitempty"`
	Findings []finding.Finding `json:"findings,omitempty"`
	Needs    []string          `json:"needs,omitempty"`
	Waits    []string          `json:"waits,omitempty"`
}

// Verdict is the whole answer. It is bound to Base, HeadTree, Policy and
// Binary: a verdict about anything else says nothing about this change.
type Verdict struct {
	Version  int      `json:"version"`
	Base     string   `json:"base"`      // commit
	HeadTree string   `json:"head_tree"` // tree
	Policy   string   `json:"policy"`    // digest of seed.yaml at base
	Binary   string   `json:"binary"`    // version of Seedbed
	Decision Decision `json:"decision"`
	Advisory bool     `json:"advisory,omitempty"` // enforce: false
	Risk     Tier     `json:"risk"`
	// RiskReasons are the facts behind the tier, the weightiest first.
	RiskReasons []string `json:"risk_reasons,omitempty"`
	Results     []Result `json:"results"`
	Warnings    []string `json:"warnings,omitempty"`
	Sandbox     []string `json:"sandbox,omitempty"` // layers in force and missing, as sentences
}

// Approved says what a judged tree may be used for. The zero value permits
// nothing.
type Approved struct {
	base, tree     string
	publish, merge bool
}

// MayPublish says whether exactly this tree may be put on a branch for people
// to look at.
func (a Approved) MayPublish(tree string) bool { return a.publish && tree != "" && a.tree == tree }

// MayMerge says whether exactly this tree may be merged onto exactly this base.
func (a Approved) MayMerge(base, tree string) bool {
	return a.merge && tree != "" && a.tree == tree && a.base == base
}

// Tree is the judged tree.
func (a Approved) Tree() string { return a.tree }

// input is what every rule sees.
type input struct {
	seed   *seed.Seed
	change change.Series
	facts  Facts
	lines  *lineReader
	risk   Tier
	asks   []string // rules that want a person's yes whatever the tier
	yes    approvals

	never, person, manifests *globIndex
	protected                []protectedFile
	refused                  map[string]bool // protected paths that no agent may write
}

func newInput(s *seed.Seed, c change.Series, f Facts) input {
	in := input{seed: s, change: c, facts: f, lines: newLineReader(),
		never: newGlobIndex(neverByAgents), person: newGlobIndex(alwaysAPerson),
		manifests: newGlobIndex([]pattern{{manifests, "manifest"}})}
	in.protected, in.refused = findProtected(in), map[string]bool{}
	for _, p := range in.protected {
		in.refused[p.path] = p.never
	}
	return in
}

// Judge gives the verdict and what it permits. Two rules run last, since how
// many people must say yes depends on what the others could not look at.
func Judge(s *seed.Seed, c change.Series, f Facts) (Approved, Verdict) {
	in := newInput(s, c, f)
	v := Verdict{
		Version: VerdictVersion, Base: c.Whole.Base.Commit, HeadTree: c.Whole.Head.SHA, Policy: s.Digest(),
		Binary: f.Binary, Advisory: !s.Enforce, Warnings: warnings(in), Sandbox: f.sandboxLines(),
	}
	in.risk, v.RiskReasons = riskOf(in)
	v.Risk = in.risk
	v.Results = make([]Result, len(rules))
	for i, r := range rules {
		if !r.last {
			v.Results[i] = r.run(in)
		}
	}
	unbuilt := unbuiltLimits(in)
	in.asks = asks(in, v.Results, unbuilt)
	in.yes = countApprovals(in)
	for i, r := range rules {
		if r.last {
			v.Results[i] = r.run(in)
		}
	}
	v.Results = append(append(v.Results, unbuilt...), unreadElsewhere(f)...)
	v.Decision = decide(v.Results)
	return approve(v), v
}

// unreadElsewhere is an error for each fact that could not be read and belongs
// to no rule of this version: it may matter, so nothing is approved on it.
func unreadElsewhere(f Facts) []Result {
	var list []Result
	for name, what := range f.Unreadable {
		if !known(name) {
			list = append(list, Result{Rule: name, Outcome: Error, Reason: "could not read " + what})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Rule < list[j].Rule })
	return list
}

// asks names the rules that want a person: those that could not look, and those
// that always do.
func asks(in input, lists ...[]Result) []string {
	var names []string
	for _, list := range lists {
		for _, r := range list {
			if r.Outcome == NotEvaluated {
				names = append(names, r.Rule)
			}
		}
	}
	if len(in.protected) > 0 {
		names = append(names, "protected")
	}
	if len(foreignCommits(in)) > 0 {
		names = append(names, "integrity")
	}
	sort.Strings(names)
	return names
}

func approve(v Verdict) Approved {
	a := Approved{base: v.Base, tree: v.HeadTree}
	switch v.Decision {
	case Allowed:
		a.publish, a.merge = true, true
	case NeedsApproval, Waiting:
		a.publish = true
	}
	return a
}

// decide folds the results into one decision. Zero applicable rules is an
// error: a judge that looked at nothing has no opinion. What was not evaluated
// is let through by the approval rule alone, and that rule passes then only on
// a person's yes to exactly this tree.
func decide(results []Result) Decision {
	worst, applicable, settled := Allowed, 0, false
	for _, r := range results {
		if r.Rule == "approval" && r.Outcome == Pass {
			settled = true
		}
	}
	for _, r := range results {
		if r.Outcome != NotApplicable {
			applicable++
		}
		d := r.decision()
		if r.Outcome == NotEvaluated && settled {
			d = Allowed
		}
		if rank(d) < rank(worst) {
			worst = d
		}
	}
	if applicable == 0 {
		return CouldNotJudge
	}
	return worst
}

func (r Result) decision() Decision {
	switch r.Outcome {
	case Pass, NotApplicable:
		return Allowed
	case Fail:
		if hard(r.Rule) {
			return Reject
		}
		return Rework
	case NotEvaluated:
		return NeedsApproval
	case Pending:
		if len(r.Needs) > 0 {
			return NeedsApproval
		}
		return Waiting
	}
	return CouldNotJudge
}

var order = []Decision{CouldNotJudge, Reject, Rework, NeedsRFC, NeedsApproval, Waiting, Allowed}

func rank(d Decision) int {
	for i, o := range order {
		if o == d {
			return i
		}
	}
	return 0 // an unknown decision is the worst one
}

// Result gives what one rule said, and whether the verdict holds that rule.
func (v Verdict) Result(rule string) (Result, bool) {
	for _, r := range v.Results {
		if r.Rule == rule {
			return r, true
		}
	}
	return Result{}, false
}

// Findings gives all findings of all rules for reading: what blocks first, then
// by place.
func (v Verdict) Findings() []finding.Finding {
	var all []finding.Finding
	for _, r := range v.Results {
		all = append(all, r.Findings...)
	}
	finding.Sort(all)
	sort.SliceStable(all, func(i, j int) bool { return all[i].Severity.Rank() < all[j].Severity.Rank() })
	return all
}

// Needs names everybody a rule asks for, each once, sorted.
func (v Verdict) Needs() []string {
	return collect(v.Results, func(r Result) []string { return r.Needs })
}

// Waits names every check that has not reported, each once, sorted.
func (v Verdict) Waits() []string {
	return collect(v.Results, func(r Result) []string { return r.Waits })
}

func collect(results []Result, pick func(Result) []string) []string {
	seen := map[string]bool{}
	var all []string
	for _, r := range results {
		for _, s := range pick(r) {
			if !seen[s] {
				seen[s] = true
				all = append(all, s)
			}
		}
	}
	sort.Strings(all)
	return all
}

// Count gives the number of rules with this outcome.
func (v Verdict) Count(o Outcome) int {
	n := 0
	for _, r := range v.Results {
		if r.Outcome == o {
			n++
		}
	}
	return n
}

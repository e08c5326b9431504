package policy

import (
	"sort"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// unbuiltRule is a rule that this version does not have, with the keys of the
// seed that it will judge. What the seed reserves is told by seed.Reserved
// alone; this table only says under which rule's name people read of it.
type unbuiltRule struct {
	name      string
	keys      []string // prefixes of keys
	agentOnly bool
	unset     string // why it does not apply when the seed asks for nothing
}

var unbuilt = []unbuiltRule{
	{name: "complexity", keys: []string{"constraints.repo.max_complexity"}, unset: "no limit set"},
	{name: "size", keys: []string{"constraints.repo"}, unset: "no limit set"},
	{name: "imports", keys: []string{"constraints.modules"}, unset: "no forbidden imports set"},
	{name: "dependencies", keys: []string{"constraints.dependencies", "quality_gates.security.dependency_policy"}, unset: "no policy set, no manifest touched"},
	{name: "coverage", keys: []string{"quality_gates.coverage"}, unset: "no floor set"},
	{name: "invariants", keys: []string{"evaluation.correctness.invariants", "quality_gates.performance"}, unset: "none has a command"},
	{name: "scope", keys: []string{"domains", "workers", "task_types"}, agentOnly: true, unset: "no domain or worker is bound to paths"},
	{name: "flags", keys: []string{"feature_flags"}, unset: "no flag declared"},
	{name: "ethics", keys: []string{"ethics"}, unset: "no policy set"},
	{name: "consent", keys: []string{"consent"}, unset: "nothing to agree to"},
	{name: "risk", keys: []string{"risk", "approvals"}, unset: "built-in tiers only"},
	{name: "limits", keys: []string{""}, unset: "no other limit is waiting for its rule"}, // whatever no row above names
}

// unbuiltLimits says of each rule that does not exist yet whether the seed asks
// for it: then it was not evaluated, with the line, and a person must look;
// else it does not apply.
func unbuiltLimits(in input) []Result {
	uses := map[string][]seed.Use{}
	for _, u := range in.seed.ReservedInUse() {
		if u.Limit {
			name := unbuiltFor(u.Path)
			uses[name] = append(uses[name], u)
		}
	}
	var results []Result
	for _, r := range unbuilt {
		results = append(results, r.say(in, uses[r.name]))
	}
	return results
}

func unbuiltFor(path string) string {
	for _, r := range unbuilt {
		for _, key := range r.keys {
			if rest, ok := strings.CutPrefix(path, key); ok && (key == "" || rest == "" || rest[0] == '.' || rest[0] == '[') {
				return r.name
			}
		}
	}
	return "" // unreachable: the last row takes all
}

func (r unbuiltRule) say(in input, uses []seed.Use) Result {
	if r.agentOnly && !in.facts.Agent {
		return Result{Rule: r.name, Outcome: NotApplicable, Reason: "a person's change"}
	}
	var found []finding.Finding
	for _, u := range uses {
		found = append(found, finding.Finding{Rule: r.name, Severity: finding.Warning, Message: u.Path + ": not acted on by this version",
			Hint: "a person looks at it and approves, or the line goes", Seed: u.Place.String(), Who: in.approvers()})
	}
	if r.name == "dependencies" && in.facts.Agent {
		found = append(found, in.touchedManifests()...)
	}
	if len(found) == 0 {
		return Result{Rule: r.name, Outcome: NotApplicable, Reason: r.unset}
	}
	finding.Sort(found)
	return Result{Rule: r.name, Outcome: NotEvaluated, Reason: "no rule for it in this version", Findings: found}
}

// touchedManifests holds an agent's change to what decides whose code runs,
// until the rule that reads manifests exists.
func (in input) touchedManifests() []finding.Finding {
	var found []finding.Finding
	for _, f := range in.change.Whole.Files {
		for _, path := range sides(f) {
			if in.isManifest(judged(path)) {
				found = append(found, finding.Finding{Rule: "dependencies", Path: path, Severity: finding.Warning, Message: "a dependency manifest or lock file, not judged by this version",
					Hint: "look at what it adds and approve", Seed: "built in", Who: in.approvers()})
			}
		}
	}
	return found
}

// warnings are said with every verdict and change nothing: keys that this
// version does not act on, and deny patterns that name nothing at base, which
// are most often a slip of the pen.
func warnings(in input) []string {
	var list []string
	for _, u := range in.seed.ReservedInUse() {
		list = append(list, u.String())
	}
	for _, p := range in.seed.Patterns() {
		if strings.HasPrefix(p.Key, "automation_contract.ai_access.disallowed_writes") && !in.namesAnything(p.Glob) {
			w := p.Place.String() + ": disallowed_writes " + quoted(p.Glob) + " names no file at base"
			if p.Meant != "" {
				w += "; was " + quoted(p.Meant) + " meant?"
			}
			list = append(list, w)
		}
	}
	sort.Strings(list)
	return list
}

// namesAnything goes by the exact meaning of the glob, not the wider one it is
// judged by.
func (in input) namesAnything(glob string) bool {
	for _, e := range in.change.Whole.Base.Entries {
		if len(e.Path) <= maxPathBytes && seed.Match(glob, e.Path) {
			return true
		}
	}
	return false
}

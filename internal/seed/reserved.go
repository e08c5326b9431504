package seed

import (
	"fmt"
	"slices"
	"strings"
)

// Reservation is a key that is read and checked but that this version does not
// act on yet.
type Reservation struct {
	// Key in the form of Keys: domains, budgets.cycle.usd, workers.*.prompt. It covers everything below it.
	Key string
	// Only lists the values that are not acted on; empty means any.
	Only []string
	// Limit is true for a key that restricts: while it is reserved, a verdict is not_evaluated and a person decides.
	Limit bool
	// Reason in a few words.
	Reason string
}

// Reserved is the one table of keys not acted on yet. A row goes when the rule
// or reader that acts on its key arrives.
func Reserved() []Reservation {
	const (
		prompt   = "no prompt quotes it yet"
		counted  = "it is not counted yet"
		measured = "no rule measures it yet"
		growth   = "growth without an issue is not built yet"
		judged   = "no rule judges it yet"
		money    = "nothing is turned into money yet"
	)
	return []Reservation{
		{Key: "approvals.cost", Limit: true, Reason: judged},
		{Key: "approvals.project_start", Limit: true, Reason: judged},
		{Key: "approvals.rfc", Limit: true, Reason: judged},
		{Key: "billing", Reason: money},
		{Key: "budgets.attention", Limit: true, Reason: counted},
		{Key: "budgets.cycle.minutes", Limit: true, Reason: counted},
		{Key: "budgets.cycle.usd", Limit: true, Reason: money},
		{Key: "budgets.loop.same_failure", Limit: true, Reason: counted},
		{Key: "budgets.open.issues", Limit: true, Reason: counted},
		{Key: "budgets.open.per_actor_per_hour", Limit: true, Reason: counted},
		{Key: "budgets.plan", Limit: true, Reason: counted},
		{Key: "commands.allow", Reason: "a model's step runs no commands of its own yet"},
		{Key: "commands.metrics", Reason: measured},
		{Key: "commands.services", Only: []string{"ci"}, Reason: "tests always run here"},
		{Key: "commands.test[].coverage", Reason: measured},
		{Key: "consent", Limit: true, Reason: judged},
		{Key: "constraints.dependencies.max_new_dependencies_per_pr", Limit: true, Reason: measured},
		{Key: "constraints.dependencies.max_total", Limit: true, Reason: measured},
		{Key: "constraints.dependencies.require_issue_link_for_new_dependency", Limit: true, Reason: judged},
		{Key: "constraints.modules.forbidden_imports", Limit: true, Reason: judged},
		{Key: "constraints.repo.max_complexity", Limit: true, Reason: measured},
		{Key: "constraints.repo.max_files", Limit: true, Reason: measured},
		{Key: "constraints.repo.max_function_length_loc", Limit: true, Reason: measured},
		{Key: "constraints.repo.max_lines_per_file", Limit: true, Reason: measured},
		{Key: "constraints.repo.max_total_lines", Limit: true, Reason: measured},
		{Key: "deploy.observe", Limit: true, Reason: "only the health probe is watched yet"},
		{Key: "deploy.provider", Only: []string{"heroku", "github-environment"}, Reason: "only the command provider is built yet"},
		{Key: "deploy.resources", Limit: true, Reason: "resources are not compared yet"},
		{Key: "domains", Limit: true, Reason: "work is not split by domain yet"},
		{Key: "ethics", Limit: true, Reason: judged},
		{Key: "evaluation.correctness.invariants[].check", Limit: true, Reason: judged},
		{Key: "evaluation.regression_detection", Reason: prompt},
		{Key: "evaluation.reward_signals", Reason: measured},
		{Key: "feature_flags", Limit: true, Reason: judged},
		{Key: "growth.auto_approve", Reason: growth},
		{Key: "growth.proposals", Reason: growth},
		{Key: "growth.sources", Reason: growth},
		{Key: "growth.vision", Reason: growth},
		{Key: "model.fallback", Reason: "one model is asked"},
		{Key: "model.price_per_million", Reason: money},
		{Key: "model.roles.*.fallback", Reason: "one model is asked"},
		{Key: "model.roles.*.price_per_million", Reason: money},
		{Key: "notify.remind_after", Reason: "no reminders are sent yet"},
		{Key: "notify.remind_max", Reason: "no reminders are sent yet"},
		{Key: "notify.team", Reason: "nobody is paged yet"},
		{Key: "notify.webhook_secret", Reason: "nobody is paged yet"},
		{Key: "quality_gates.coverage.critical_paths", Limit: true, Reason: measured},
		{Key: "quality_gates.coverage.global_minimum", Limit: true, Reason: measured},
		{Key: "quality_gates.performance.budgets", Limit: true, Reason: measured},
		{Key: "quality_gates.security.dependency_policy.allowlist_mode", Limit: true, Reason: judged},
		{Key: "quality_gates.security.dependency_policy.allowlisted_packages", Reason: judged},
		{Key: "quality_gates.security.secrets", Reason: prompt},
		{Key: "risk.human_signoff", Limit: true, Reason: judged},
		{Key: "risk.rfc_required_for", Limit: true, Reason: judged},
		{Key: "selection", Reason: "the queue is worked in the order of labels"},
		{Key: "workers.*.evidence", Limit: true, Reason: judged},
		{Key: "workers.*.paths", Limit: true, Reason: judged},
		{Key: "workers.*.prompt", Reason: prompt},
	}
}

// Use is a reserved key that a seed uses.
type Use struct {
	// Path of the key as the file has it.
	Path string `json:"path"`
	// Place of the key.
	Place Place `json:"place"`
	// Reason from the table.
	Reason string `json:"reason"`
	// Limit is true when a verdict must count it as not_evaluated.
	Limit bool `json:"limit"`
}

// String is the warning every verdict carries.
func (u Use) String() string {
	return fmt.Sprintf("seed.yaml:%d:%d: %s: not acted on by this version: %s", u.Place.Line, u.Place.Column, u.Path, u.Reason)
}

// ReservedInUse lists the reserved keys that the file uses, by place. A key
// that is written but says nothing (off, false for a limit, an empty list,
// mapping or text) is not in use.
func (s *Seed) ReservedInUse() []Use {
	var out []Use
	table := Reserved()
	for at, place := range s.places {
		if s.blank[at] {
			continue
		}
		for _, r := range table {
			if covers(r.Key, at) && s.inUse(r, at) {
				out = append(out, Use{Path: at, Place: place, Reason: r.Reason, Limit: r.Limit})
			}
		}
	}
	slices.SortFunc(out, func(a, b Use) int { return comparePaths(a.Path, b.Path) })
	sortByPlace(out, func(u Use) Place { return u.Place })
	return out
}

func (s *Seed) inUse(r Reservation, at string) bool {
	value, isScalar := s.scalars[at]
	if r.Limit && value == "false" {
		return false
	}
	return len(r.Only) == 0 || isScalar && slices.Contains(r.Only, value)
}

// covers reports whether a concrete path is exactly the key of a row: the same
// number of parts, * for any name, [] for any index.
func covers(key, path string) bool {
	want, have := strings.Split(key, "."), strings.Split(path, ".")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] == "*" && !strings.Contains(have[i], "[") {
			continue
		}
		if base, isList := strings.CutSuffix(want[i], "[]"); isList {
			name, index, ok := strings.Cut(have[i], "[")
			if !ok || name != base || index == "" {
				return false
			}
			continue
		}
		if want[i] != have[i] {
			return false
		}
	}
	return true
}

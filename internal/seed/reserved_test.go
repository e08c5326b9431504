package seed

import (
	"slices"
	"strings"
	"testing"
)

// Each row names keys that exist, has a reason, and none hides another.
func TestReservedRows(t *testing.T) {
	rows := Reserved()
	for i, r := range rows {
		if !slices.Contains(Keys(), r.Key) && !slices.ContainsFunc(Keys(), func(k string) bool {
			return covers(strings.ReplaceAll(r.Key, "[]", "[0]"), strings.ReplaceAll(k, "[]", "[0]"))
		}) {
			t.Errorf("%s is no key", r.Key)
		}
		if r.Reason == "" {
			t.Errorf("%s has no reason", r.Key)
		}
		for j, other := range rows {
			if i != j && strings.HasPrefix(r.Key+".", other.Key+".") {
				t.Errorf("%s is covered by %s already", r.Key, other.Key)
			}
		}
		if i > 0 && rows[i-1].Key >= r.Key {
			t.Errorf("%s stands after %s", r.Key, rows[i-1].Key)
		}
	}
}

func TestReservedInUse(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{"", ""},
		{"budgets: {change: {max_files: 3}}", ""},
		{"budgets: {plan: {tokens: 5}}", "seed.yaml:4:11: budgets.plan: not acted on by this version: it is not counted yet | limit"},
		{"constraints: {repo: {max_files: 9, max_total_lines: off}}", "seed.yaml:4:22: constraints.repo.max_files: not acted on by this version: no rule measures it yet | limit"},
		{"constraints: {repo: {max_files: 0}}", "seed.yaml:4:22: constraints.repo.max_files: not acted on by this version: no rule measures it yet | limit"},
		{"constraints: {dependencies: {require_issue_link_for_new_dependency: false}}", ""},
		{"quality_gates: {security: {dependency_policy: {allowlist_mode: true}}}", "seed.yaml:4:48: quality_gates.security.dependency_policy.allowlist_mode: not acted on by this version: no rule judges it yet | limit"},
		{"quality_gates: {coverage: {global_minimum: off, critical_paths: []}}", ""},
		{"evaluation: {correctness: {invariants: [a]}}", ""},
		{"evaluation: {correctness: {invariants: [a, {text: b, check: c}]}}", "seed.yaml:4:54: evaluation.correctness.invariants[1].check: not acted on by this version: no rule judges it yet | limit"},
		{"deploy: {provider: command}", ""},
		{"deploy: {provider: heroku}", "seed.yaml:4:10: deploy.provider: not acted on by this version: only the command provider is built yet"},
		{"workers: {w: {command: ls}}", ""},
		{"workers: {w: {command: ls, prompt: p}}", "seed.yaml:4:28: workers.w.prompt: not acted on by this version: no prompt quotes it yet"},
		{"domains: []\nbilling: {}\nmodel: {fallback: []}", ""},
		{"model: {roles: {tester: {fallback: [m]}}}", "seed.yaml:4:26: model.roles.tester.fallback: not acted on by this version: one model is asked"},
		{"growth: {auto_approve: none}\nbilling: {currency: EUR}", "seed.yaml:4:10: growth.auto_approve: not acted on by this version: growth without an issue is not built yet\nseed.yaml:5:1: billing: not acted on by this version: nothing is turned into money yet"},
	} {
		var lines []string
		for _, u := range mustParse(t, smallest+c.body+"\n").ReservedInUse() {
			line := u.String()
			if u.Limit {
				line += " | limit"
			}
			lines = append(lines, line)
		}
		if have := strings.Join(lines, "\n"); have != c.want {
			t.Errorf("%s\nhave %s\nwant %s", c.body, have, c.want)
		}
	}
}

// Every reserved key that the reference seed uses is told, and it uses all but
// those whose values are acted on there.
func TestReferenceUsesEveryReservedKey(t *testing.T) {
	s := mustParse(t, string(readFile(t, "../../examples/seed-reference/seed.yaml")))
	used := s.ReservedInUse()
	for _, r := range Reserved() {
		if len(r.Only) == 0 && !slices.ContainsFunc(used, func(u Use) bool { return covers(r.Key, u.Path) }) {
			t.Errorf("%s is in use and not told", r.Key)
		}
	}
}

package importtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seedbed-dev/seedbed/"

// pkg is what `go list -json` tells of a package, without its tests.
type pkg struct {
	ImportPath string
	Imports    []string
}

func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

func (p pkg) in(folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return p.name() == f || strings.HasPrefix(p.name(), f+"/") })
}

// ours lists the imports inside the module.
func (p pkg) ours() []pkg {
	var list []pkg
	for _, i := range p.Imports {
		if strings.HasPrefix(i, module) {
			list = append(list, pkg{ImportPath: i})
		}
	}
	return list
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// values are the packages that hold data and its rules. Everything may import
// them, so they import nothing but one another.
var values = []string{
	"internal/seed", "internal/task", "internal/change", "internal/forge", "internal/finding", "internal/budget",
	"internal/secret", "internal/llm", "internal/command", "internal/rundir", "internal/journal",
}

// judging sits on the values: pure, or data with one place that acts.
var judging = []string{"internal/policy", "internal/prompt", "internal/effect", "internal/check", "internal/claim"}

// rules is the wall plan. breaks says of one import whether it breaks the rule.
var rules = []struct {
	reason string
	breaks func(from, to pkg) bool
}{
	{"values import only values: whatever they need would come along everywhere",
		func(from, to pkg) bool { return from.in(values...) && !to.in(values...) }},
	{"a stage imports no sibling: a stage that could call another would share its powers",
		func(from, to pkg) bool {
			return from.in("internal/stage") && to.in("internal/stage") && from.name() != to.name()
		}},
	{"a stage imports no adapter: what it may touch is what cmd hands it",
		func(from, to pkg) bool { return from.in("internal/stage") && to.in("internal/adapter") }},
	{"adapters import only values: they serve ports and know no story",
		func(from, to pkg) bool { return from.in("internal/adapter") && !to.in(values...) }},
	{"the judge knows values alone: a verdict depends on nothing that happens",
		func(from, to pkg) bool { return from.in("internal/policy") && !to.in(values...) }},
	{"nothing below cmd imports it or setup: data flows one way",
		func(from, to pkg) bool {
			return to.in("cmd", "internal/setup", "internal/report") && !from.in("cmd", "internal/setup", "internal/report")
		}},
	{"the fake GitHub stands alone: it must not share a mistake with what it tests",
		func(from, to pkg) bool { return from.in("internal/fakegithub") && !to.in("internal/fakegithub") }},
	{"only cmd, setup and tests start the fake GitHub",
		func(from, to pkg) bool { return to.in("internal/fakegithub") && !from.in("cmd", "internal/setup") }},
	{"what judges and builds prompts imports no stage and no adapter",
		func(from, to pkg) bool { return from.in(judging...) && to.in("internal/stage", "internal/adapter") }},
}

func TestImportsFollowTheWalls(t *testing.T) {
	for _, from := range packages(t) {
		for _, to := range from.ours() {
			for _, r := range rules {
				if r.breaks(from, to) {
					t.Errorf("%s imports %s\n\t%s", from.name(), to.name(), r.reason)
				}
			}
		}
	}
}

// keepers are the packages that alone import a library, so that its types stay
// in one room.
var keepers = map[string]string{
	"github.com/google/go-github/":          "internal/adapter/github",
	"github.com/openai/openai-go":           "internal/adapter/openai",
	"github.com/sethvargo/go-githubactions": "internal/adapter/runner",
	"github.com/landlock-lsm/":              "internal/adapter/sandbox",
	"github.com/spf13/cobra":                "cmd",
}

func TestLibrariesStayInOneRoom(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			for library, keeper := range keepers {
				if !strings.HasPrefix(i, library) {
					continue
				}
				seen[library] = true
				if !p.in(keeper) {
					t.Errorf("%s imports %s, which is for %s alone", p.name(), i, keeper)
				}
			}
		}
	}
	for library := range keepers {
		if !seen[library] {
			t.Errorf("nobody imports %s: the rule guards nothing", library)
		}
	}
}

// TestRulesCanFail shows for each rule an import that breaks it.
func TestRulesCanFail(t *testing.T) {
	breaking := [][2]string{
		{"internal/task", "internal/effect"}, {"internal/stage/plan", "internal/stage/govern"}, {"internal/stage/plan", "internal/adapter/git"},
		{"internal/adapter/git", "internal/effect"}, {"internal/policy", "internal/effect"}, {"internal/effect", "internal/setup"},
		{"internal/fakegithub", "internal/forge"}, {"internal/stage/plan", "internal/fakegithub"}, {"internal/prompt", "internal/adapter/git"},
	}
	if len(breaking) != len(rules) {
		t.Fatalf("%d examples for %d rules", len(breaking), len(rules))
	}
	for i, pair := range breaking {
		if !rules[i].breaks(pkg{ImportPath: module + pair[0]}, pkg{ImportPath: module + pair[1]}) {
			t.Errorf("%s → %s does not break: %s", pair[0], pair[1], rules[i].reason)
		}
	}
}

// TestOnlyGovernAppliesChanges keeps publishing and merging in one stage. The
// deploy stage applies effects too, of its own kinds.
func TestOnlyGovernAppliesChanges(t *testing.T) {
	for _, p := range packages(t) {
		if !p.in("internal/stage") || p.in("internal/stage/govern") {
			continue
		}
		for _, to := range p.ours() {
			if to.in("internal/policy") && !p.in("internal/stage/deploy", "internal/stage/implement") {
				t.Errorf("%s imports policy: only govern judges what is applied; implement asks for findings, deploy for a release", p.name())
			}
		}
	}
}

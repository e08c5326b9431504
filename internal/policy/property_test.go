package policy

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// palette holds files that make rules say different things, each with content
// of its own so that no addition turns a deletion into a move.
var palette = []leaf{
	{"internal/a.go", change.ModeFile, "package a\n"},
	{"internal/b.go", change.ModeFile, strings.Repeat("b\n", 300)},
	{"internal/c.go", change.ModeFile, strings.Repeat("c\n", 200)},
	{"cmd/main.go", change.ModeFile, "package main\n"},
	{"docs/x.md", change.ModeFile, "words\n"},
	{"Docs/y.md", change.ModeFile, "other words\n"},
	{".github/workflows/ci.yml", change.ModeFile, "on: push\n"},
	{"Makefile", change.ModeFile, "all:\n"},
	{"seed.yaml", change.ModeFile, "version: 1\n\n"},
	{"link", change.ModeSymlink, "/etc"},
	{"sub", change.ModeSubmodule, "sub"},
	{"run.sh", change.ModeExecutable, "echo\n"},
	{"internal/a_test.go", change.ModeFile, "package a\n\nfunc TestA() {}\n"},
	{"internal/main_test.go", change.ModeFile, "package a\n\nfunc TestMain() {}\n"},
	{".env", change.ModeFile, "A=1\n"},
	{"go.mod", change.ModeFile, "module x\n"},
	{"bidi.txt", change.ModeFile, "a \u202e b\n"},
	{"old1.txt", "deleted", ""},
	{"old2.txt", change.ModeFile, "kept one\n"},
}

func paletteBase() snapshot {
	return snapshot{
		{"old1.txt", change.ModeFile, strings.Repeat("old one\n", 30)},
		{"old2.txt", change.ModeFile, strings.Repeat("old two\n", 30)},
		{"internal/a.go", change.ModeFile, "package a // old\n"},
		{"README.md", change.ModeFile, "read\n"},
	}
}

func randomFacts(r *rand.Rand, s change.Series) Facts {
	tree, head := s.Whole.Head.SHA, hash("head")
	f := Facts{Version: FactsVersion, Binary: "test", Agent: r.Intn(4) > 0, BaseBranch: "main", HeadCommit: head, ChecksRead: true,
		Author: forge.User{ID: 900, Login: "maker"}, Viewer: forge.User{ID: 900, Login: "maker"}, TaskRisk: []Tier{"", Low, Medium, High}[r.Intn(4)]}
	f.Commits = []CommitFact{{SHA: head, Tree: tree, Parents: []string{s.Whole.Base.Commit}, Recorded: r.Intn(5) > 0, Author: forge.User{ID: int64(r.Intn(3))}}}
	for i := range 4 {
		f.Reviews = append(f.Reviews, ReviewFact{Tree: tree, Permission: forge.Permission{Push: r.Intn(3) > 0},
			Review: forge.Review{ID: int64(i), Author: forge.User{ID: int64(i + 1), Login: fmt.Sprint("u", i+1)},
				State:       []string{"APPROVED", "APPROVED", "COMMENTED", "CHANGES_REQUESTED"}[r.Intn(4)],
				SubmittedAt: time.Unix(int64(i), 0)}})
	}
	for _, name := range []string{"lint", "test", "test"} {
		f.Checks = append(f.Checks, forge.Check{Name: name, HeadSHA: head, Status: "completed", Conclusion: []string{"success", "success", "skipped", "failure"}[r.Intn(4)]})
	}
	if r.Intn(2) == 0 {
		f.Reported = []Reported{{Command: "go test", Base: "pass", Head: []string{"pass", "pass", "fail"}[r.Intn(3)]}, {Command: "lint", Base: "fail", Head: "fail"}}[:1+r.Intn(2)]
	}
	if r.Intn(6) == 0 {
		f.Loop.Kill = "1"
	}
	if r.Intn(3) == 0 {
		f.Open = []int{8, 5}[:r.Intn(3)]
	}
	return f
}

func randomSeed(t testing.TB, r *rand.Rand) *seed.Seed {
	options := []string{
		"automation_contract: {ai_access: {write_paths: [\"internal/**\", \"docs/**\"]}}\n",
		"mode: auto\nphase: 4\nautomation_contract: {merge_policy: {allow_auto_merge: true}}\ngrowth: {preapproved_modules: [\"internal/**\"]}\n",
		"quality_gates: {ci_required_checks: [lint, test]}\n",
		"budgets: {change: {max_files: 3, max_lines: 250}}\n",
		"constraints: {repo: {max_lines_per_file: 5}}\n",
		"",
	}
	return parseSeed(t, options[r.Intn(len(options))])
}

func pick(r *rand.Rand, n int) snapshot {
	var list snapshot
	for _, i := range r.Perm(len(palette))[:n] {
		list = append(list, palette[i])
	}
	return list
}

// TestAddingAFileMendsNothing: whatever fails goes on failing when a further
// file changes, and the decision gets no better.
func TestAddingAFileMendsNothing(t *testing.T) {
	for n := range int64(400) {
		r := rand.New(rand.NewSource(n))
		files := pick(r, 1+r.Intn(6))
		s := randomSeed(t, r)
		fewer := seriesOf(t, paletteBase(), paletteBase().under(files[1:]), nil)
		more := seriesOf(t, paletteBase(), paletteBase().under(files), nil)
		factSeed := r.Int63()
		_, before := Judge(s, fewer, randomFacts(rand.New(rand.NewSource(factSeed)), fewer))
		_, after := Judge(s, more, randomFacts(rand.New(rand.NewSource(factSeed)), more))
		for i, b := range before.Results {
			if a := after.Results[i]; b.Outcome == Fail && a.Outcome != Fail {
				t.Fatalf("case %d: adding %s turned %s from fail into %s", n, files[0].path, b.Rule, a.Outcome)
			}
		}
		if rank(after.Decision) > rank(before.Decision) {
			t.Fatalf("case %d: adding %s turned %s into %s", n, files[0].path, before.Decision, after.Decision)
		}
		checkComplete(t, after)
	}
}

// TestOrderDoesNotMatter: files, tree entries and lists of facts may come in
// any order, and the same input gives the same bytes.
func TestOrderDoesNotMatter(t *testing.T) {
	for n := range int64(120) {
		r := rand.New(rand.NewSource(n))
		s := randomSeed(t, r)
		c := seriesOf(t, paletteBase(), paletteBase().under(pick(r, 2+r.Intn(8))), nil)
		f := randomFacts(r, c)
		want := verdictBytes(t, s, c, f)
		shuffle(r, c.Whole.Files)
		shuffle(r, c.Whole.Base.Entries)
		shuffle(r, c.Whole.Head.Entries)
		shuffle(r, f.Reviews)
		shuffle(r, f.Checks)
		shuffle(r, f.Reported)
		shuffle(r, f.Open)
		if have := verdictBytes(t, s, c, f); have != want {
			t.Fatalf("case %d:\nhave %s\nwant %s", n, have, want)
		}
	}
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func verdictBytes(t *testing.T, s *seed.Seed, c change.Series, f Facts) string {
	t.Helper()
	_, v := Judge(s, c, f)
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestStoredFactsGiveTheSameVerdict: a verdict can be had again from what is
// kept beside it.
func TestStoredFactsGiveTheSameVerdict(t *testing.T) {
	for n := range int64(120) {
		r := rand.New(rand.NewSource(n))
		s := randomSeed(t, r)
		c := seriesOf(t, paletteBase(), paletteBase().under(pick(r, 3)), nil)
		f := randomFacts(r, c)
		if n%2 == 0 {
			f.Eligible = []forge.User{}
		}
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var again Facts
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if have, want := verdictBytes(t, s, c, again), verdictBytes(t, s, c, f); have != want {
			t.Fatalf("case %d:\nhave %s\nwant %s", n, have, want)
		}
	}
}

// TestUnreadableNeverApproves: what could not be read is an error of that rule,
// and an error permits nothing, whoever approved.
func TestUnreadableNeverApproves(t *testing.T) {
	s := parseSeed(t, "")
	c := made(t, map[string]string{"a.go": "package a\n"})
	for _, r := range rules {
		f := Facts{Version: FactsVersion, Agent: true, Unreadable: map[string]string{r.name: "the reviews (403)"}}
		f.Reviews = []ReviewFact{{Tree: c.Whole.Head.SHA, Permission: forge.Permission{Push: true, Admin: true},
			Review: forge.Review{Author: forge.User{ID: 1, Login: "ana"}, State: "APPROVED"}}}
		approved, v := Judge(s, c, f)
		if v.Decision != CouldNotJudge || v.Exit() != 3 {
			t.Errorf("%s: decision %s, exit %d", r.name, v.Decision, v.Exit())
		}
		if approved.MayPublish(c.Whole.Head.SHA) || approved.MayMerge(c.Whole.Base.Commit, c.Whole.Head.SHA) {
			t.Errorf("%s: an unjudged change was approved", r.name)
		}
		if _, conclusion := v.Conclusion(); conclusion != "failure" {
			t.Errorf("%s: concludes %q", r.name, conclusion)
		}
	}
}

func TestUnreadableOfAnUnknownRule(t *testing.T) {
	c := made(t, map[string]string{"a.go": "package a\n"})
	_, v := Judge(parseSeed(t, ""), c, Facts{Agent: true, Unreadable: map[string]string{"base": "the tree"}})
	if v.Decision != CouldNotJudge {
		t.Errorf("decision %s, want %s", v.Decision, CouldNotJudge)
	}
}

// TestApprovedIsForOneTree: the proof is for the judged tree on the judged base
// and for nothing else; the zero value permits nothing.
func TestApprovedIsForOneTree(t *testing.T) {
	c := made(t, map[string]string{"a.go": "package a\n"})
	base, tree := c.Whole.Base.Commit, c.Whole.Head.SHA
	review := ReviewFact{Tree: tree, Permission: forge.Permission{Push: true}, Review: forge.Review{Author: forge.User{ID: 1, Login: "ana"}, State: "APPROVED"}}
	approved, v := Judge(parseSeed(t, ""), c, Facts{Agent: true, Reviews: []ReviewFact{review}})
	if v.Decision != Allowed || !approved.MayMerge(base, tree) || !approved.MayPublish(tree) || approved.Tree() != tree {
		t.Fatalf("decision %s", v.Decision)
	}
	if approved.MayMerge("other", tree) || approved.MayMerge(base, "other") || approved.MayPublish("other") || approved.MayPublish("") {
		t.Error("the proof is good for something else than was judged")
	}
	if (Approved{}).MayPublish("") || (Approved{}).MayMerge("", "") {
		t.Error("the zero value permits something")
	}
	waiting, v := Judge(parseSeed(t, ""), c, Facts{Agent: true})
	if v.Decision != NeedsApproval || !waiting.MayPublish(tree) || waiting.MayMerge(base, tree) {
		t.Errorf("%s: may publish %v, may merge %v", v.Decision, waiting.MayPublish(tree), waiting.MayMerge(base, tree))
	}
}

func TestNoRuleAppliesIsNoOpinion(t *testing.T) {
	for _, results := range [][]Result{nil, {{Rule: "x", Outcome: NotApplicable}}, {{Rule: "x", Outcome: "made up"}}} {
		if d := decide(results); d != CouldNotJudge {
			t.Errorf("%v: %s", results, d)
		}
	}
}

// TestMergesAlone is the truth table of the four switches: one off and a person
// is asked.
func TestMergesAlone(t *testing.T) {
	c := made(t, map[string]string{"internal/a.go": "package a\n"})
	for bits := range 16 {
		text := []string{"mode: propose\n", "mode: auto\n"}[bits&1] + []string{"phase: 3\n", "phase: 4\n"}[bits>>1&1] +
			[]string{"", "automation_contract: {merge_policy: {allow_auto_merge: true}}\n"}[bits>>2&1] +
			[]string{"", "growth: {preapproved_modules: [\"internal/**\"]}\n"}[bits>>3&1]
		s := parseSeed(t, text)
		f := Facts{Agent: true, BaseBranch: "main", Reported: []Reported{{Command: "go test", Base: "pass", Head: "pass"}}}
		_, v := Judge(s, c, f)
		if want := map[bool]Decision{true: Allowed, false: NeedsApproval}[bits == 15]; v.Decision != want {
			t.Errorf("switches %04b: have %s, want %s", bits, v.Decision, want)
		}
		off := 0
		for _, sw := range MergesAlone(s, f, c) {
			if !sw.On {
				off++
			}
		}
		if want := 4 - (bits&1 + bits>>1&1 + bits>>2&1 + bits>>3&1); off != want {
			t.Errorf("switches %04b: %d off, want %d", bits, off, want)
		}
	}
}

func TestSandboxBranch(t *testing.T) {
	s := parseSeed(t, "mode: auto\nphase: 4\nautomation_contract: {merge_policy: {allow_auto_merge: true}}\ngrowth: {sandbox_branches: [\"sandbox/*\"]}\n")
	c := made(t, map[string]string{"a.go": "package a\n"})
	for branch, want := range map[string]Decision{"sandbox/x": Allowed, "main": NeedsApproval, "": NeedsApproval} {
		_, v := Judge(s, c, Facts{Agent: true, BaseBranch: branch, Reported: []Reported{{Command: "t", Base: "pass", Head: "pass"}}})
		if v.Decision != want {
			t.Errorf("%q: have %s, want %s", branch, v.Decision, want)
		}
	}
}

// TestHugeChange: a hundred thousand files and a path five thousand folders
// deep are judged, not suffered.
func TestHugeChange(t *testing.T) {
	const n = 100000
	set := change.Set{Base: change.Tree{Commit: "b", SHA: "bt"}, Head: change.Tree{SHA: "ht"}}
	for i := range n {
		path := fmt.Sprintf("dir%03d/file%05d.txt", i%500, i)
		content := []byte("line " + fmt.Sprint(i) + "\n")
		set.Files = append(set.Files, change.File{Path: path, OldPath: path, Status: change.Added, OldMode: change.ModeAbsent,
			NewMode: change.ModeFile, NewSHA: fmt.Sprint(i), New: content, Loaded: true})
		set.Head.Entries = append(set.Head.Entries, change.Entry{Path: path, Mode: change.ModeFile, SHA: fmt.Sprint(i)})
	}
	for _, deep := range []string{strings.Repeat("d/", 5000) + "x", strings.Repeat("d/", 2000) + "x"} {
		set.Files = append(set.Files, change.File{Path: deep, OldPath: deep, Status: change.Added, OldMode: change.ModeAbsent, NewMode: change.ModeFile, NewSHA: deep[:9], Loaded: true})
		set.Head.Entries = append(set.Head.Entries, change.Entry{Path: deep, Mode: change.ModeFile})
	}
	s := parseSeed(t, "automation_contract: {ai_access: {write_paths: [\"**/x*\", \"dir*/**\"], disallowed_writes: [\"infra/**\", \"**/secret/**\"]}}\n")
	_, v := Judge(s, change.Series{Whole: set}, Facts{Agent: true})
	budget, _ := v.Result("budget")
	if v.Decision != Reject || !strings.Contains(fmt.Sprint(budget.Findings), "100002 files, at most 20") {
		t.Errorf("%s: %s", v.Decision, budget.Findings)
	}
	paths, _ := v.Result("paths")
	if !strings.Contains(fmt.Sprint(paths.Findings), "path of 10001 bytes, at most 4096") {
		t.Errorf("%s", paths.Findings)
	}
}

// TestManyFindings: the list is bounded and says so.
func TestManyFindings(t *testing.T) {
	files := map[string]string{}
	for i := range maxPathFindings + 50 {
		files[fmt.Sprintf("cmd/%04d.go", i)] = "x"
	}
	_, v := Judge(parseSeed(t, "automation_contract: {ai_access: {write_paths: []}}\n"), made(t, files), Facts{Agent: true})
	r, _ := v.Result("paths")
	if len(r.Findings) != maxPathFindings+1 {
		t.Errorf("%d findings", len(r.Findings))
	}
}

// TestNoApprovalOutweighsAFailure: a breach stays one with two approvals.
func TestNoApprovalOutweighsAFailure(t *testing.T) {
	c := made(t, map[string]string{".github/workflows/x.yml": "on: push\n"})
	f := Facts{Agent: true}
	for id := range int64(2) {
		f.Reviews = append(f.Reviews, ReviewFact{Tree: c.Whole.Head.SHA, Permission: forge.Permission{Push: true, Admin: true},
			Review: forge.Review{ID: id, Author: forge.User{ID: id + 1, Login: fmt.Sprint("u", id)}, State: "APPROVED"}})
	}
	approved, v := Judge(parseSeed(t, ""), c, f)
	if v.Decision != Reject || approved.MayPublish(c.Whole.Head.SHA) {
		t.Errorf("%s", v.Decision)
	}
}

// TestHiddenCommitIsProtected: a workflow that one commit writes and the next
// takes back was in the history, where it could have run.
func TestHiddenCommitIsProtected(t *testing.T) {
	base := snapshot{{"a.go", change.ModeFile, "package a\n"}}
	c := seriesOf(t, base, base, []snapshot{base.under(snapshot{{".github/workflows/x.yml", change.ModeFile, "on: push\n"}})})
	_, v := Judge(parseSeed(t, ""), c, Facts{Agent: true})
	if r, _ := v.Result("protected"); r.Outcome != Fail || v.Risk != High {
		t.Errorf("%s, %+v", v.Risk, r)
	}
}

package policy

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

var update = flag.Bool("update", false, "write what the rules say into testdata")

// TestRules runs testdata/<rule>/*.txtar. A case holds before/ (the base) and
// after/ (what is written over it), commit1/ and so on for commits between,
// modes with lines "after PATH MODE", "after PATH deleted" or "after PATH
// twice", seed.yaml, facts.yaml over agent facts, and want: what people read.
// A name in Go quotes may hold anything. TREE and BASE stand for the ids.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		rule := filepath.Base(filepath.Dir(file))
		t.Run(rule+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := readCase(t, file)
			_, v := Judge(c.seed, c.series, c.facts)
			have := told(t, rule, v)
			if have != c.want && *update {
				c.write(t, file, have)
				return
			}
			if have != c.want {
				t.Errorf("have:\n%s\nwant:\n%s", have, c.want)
			}
			checkComplete(t, v)
		})
	}
}

// TestEveryRuleHasCases keeps the table and the cases together.
func TestEveryRuleHasCases(t *testing.T) {
	for _, r := range rules {
		if files, _ := filepath.Glob("testdata/" + r.name + "/*.txtar"); len(files) < 2 {
			t.Errorf("rule %s has %d cases, want two at least", r.name, len(files))
		}
	}
}

// told is the part of a verdict that a rule's case is about.
func told(t *testing.T, rule string, v Verdict) string {
	t.Helper()
	var b strings.Builder
	r, ok := v.Result(rule)
	if !ok {
		t.Fatalf("no result of rule %s", rule)
	}
	fmt.Fprintf(&b, "%s: %s\n", r.Outcome, r.Reason)
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f.Text())
	}
	for _, n := range r.Needs {
		fmt.Fprintln(&b, "needs:", n)
	}
	for _, n := range r.Waits {
		fmt.Fprintln(&b, "waits:", n)
	}
	fmt.Fprintf(&b, "=> %s, %s risk\n", v.Decision, v.Risk)
	return b.String()
}

// checkComplete wants of every finding what a person needs.
func checkComplete(t *testing.T, v Verdict) {
	t.Helper()
	for _, r := range v.Results {
		if (r.Outcome == Fail || r.Outcome == Pending || r.Outcome == NotEvaluated) && len(r.Findings) == 0 {
			t.Errorf("%s: %s without a finding", r.Rule, r.Outcome)
		}
		if r.Reason == "" {
			t.Errorf("%s: %s without a reason", r.Rule, r.Outcome)
		}
		for _, f := range r.Findings {
			if f.Rule != r.Rule || f.Severity == "" || f.Message == "" || f.Hint == "" || f.Seed == "" || f.Who == "" {
				t.Errorf("%s: incomplete finding %+v", r.Rule, f)
			}
		}
	}
}

type ruleCase struct {
	archive *txtar.Archive
	seed    *seed.Seed
	series  change.Series
	facts   Facts
	want    string
}

func (c ruleCase) write(t *testing.T, file, want string) {
	t.Helper()
	found := false
	for i, f := range c.archive.Files {
		if f.Name == "want" {
			c.archive.Files[i].Data, found = []byte(want), true
		}
	}
	if !found {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: "want", Data: []byte(want)})
	}
	if err := os.WriteFile(file, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readCase(t *testing.T, file string) ruleCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := ruleCase{archive: archive}
	parts := map[string]string{}
	trees := map[string]snapshot{}
	var modes string
	for _, f := range archive.Files {
		side, path, ok := strings.Cut(f.Name, "/")
		switch {
		case ok:
			trees[side] = append(trees[side], leaf{unquoteName(t, path), change.ModeFile, string(f.Data)})
		case f.Name == "modes":
			modes = string(f.Data)
		default:
			parts[f.Name] = string(f.Data)
		}
	}
	c.want = parts["want"]
	applyModes(t, trees, modes)
	before := trees["before"]
	c.series = seriesOf(t, before, before.under(trees["after"]), before.commits(trees))
	c.seed = parseSeed(t, parts["seed.yaml"])
	c.facts = readFacts(t, parts["facts.yaml"], c.series)
	return c
}

const plainSeed = "version: 1\nproject: {name: tally, owners: [{handle: ana}]}\ncommands: {test: [\"go test ./...\"]}\n"

func parseSeed(t testing.TB, text string) *seed.Seed {
	t.Helper()
	if !strings.Contains(text, "version:") {
		text = plainSeed + text
	}
	s, err := seed.Parse("seed.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readFacts(t testing.TB, text string, s change.Series) Facts {
	t.Helper()
	text = strings.NewReplacer("TREE", s.Whole.Head.SHA, "BASE", s.Whole.Base.Commit).Replace(text)
	f := Facts{Version: FactsVersion, Binary: "test", Agent: true, BaseBranch: "main"}
	f.Author.ID, f.Author.Login, f.Author.Bot = 900, "seedbed[bot]", true
	f.Viewer = f.Author
	var values map[string]any
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	if values == nil {
		return f
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// leaf is one entry of a made-up tree; snapshot a tree.
type leaf struct{ path, mode, content string }

type snapshot []leaf

func unquoteName(t *testing.T, name string) string {
	t.Helper()
	if !strings.HasPrefix(name, `"`) {
		return name
	}
	s, err := strconv.Unquote(name)
	if err != nil {
		t.Fatalf("name %s: %v", name, err)
	}
	return s
}

// applyModes reads lines "SIDE PATH MODE"; MODE may be deleted or twice.
func applyModes(t *testing.T, trees map[string]snapshot, text string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line == "" {
			continue
		}
		side, rest, _ := strings.Cut(line, " ")
		i := strings.LastIndexByte(rest, ' ')
		path, mode := unquoteName(t, rest[:i]), rest[i+1:]
		tree, done := trees[side], false
		for j := range tree {
			if tree[j].path == path && mode != "twice" {
				tree[j].mode, done = mode, true
			}
		}
		if !done {
			tree = append(tree, leaf{path, mode, ""})
		}
		trees[side] = tree
	}
}

// under lays another tree over this one.
func (s snapshot) under(over snapshot) snapshot {
	gone := map[string]bool{}
	for _, l := range over {
		gone[l.path] = l.mode != "twice"
	}
	var out snapshot
	for _, l := range s {
		if !gone[l.path] {
			out = append(out, l)
		}
	}
	for _, l := range over {
		switch l.mode {
		case "deleted":
		case "twice":
			out = append(out, leaf{l.path, change.ModeFile, "first"}, leaf{l.path, change.ModeFile, "second"})
		default:
			out = append(out, l)
		}
	}
	return out
}

func (s snapshot) commits(trees map[string]snapshot) []snapshot {
	var list []snapshot
	for i := 1; ; i++ {
		over, ok := trees[fmt.Sprintf("commit%d", i)]
		if !ok {
			return list
		}
		list = append(list, s.under(over))
	}
}

func hash(s string) string {
	sum := sha1.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func (s snapshot) tree(commit string, blobs map[string]string) change.Tree {
	t := change.Tree{Commit: commit}
	sort.SliceStable(s, func(i, j int) bool { return s[i].path < s[j].path })
	var all strings.Builder
	for _, l := range s {
		sha := hash(l.content)
		blobs[sha] = l.content
		t.Entries = append(t.Entries, change.Entry{Path: l.path, Mode: l.mode, SHA: sha, Size: int64(len(l.content))})
		fmt.Fprintf(&all, "%s %s %q\n", l.mode, sha, l.path)
	}
	t.SHA = hash(all.String())
	return t
}

func seriesOf(t testing.TB, before, after snapshot, commits []snapshot) change.Series {
	t.Helper()
	blobs := map[string]string{}
	read := func(sha string) ([]byte, error) { return []byte(blobs[sha]), nil }
	compare := func(a, b change.Tree) change.Set {
		set, err := change.Compare(a, b, read)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	base := before.tree(hash("base"), blobs)
	s := change.Series{Whole: compare(base, after.tree("", blobs))}
	for i, c := range commits {
		sha := hash(fmt.Sprint("commit", i+1))
		s.Commits = append(s.Commits, change.Commit{SHA: sha, Message: fmt.Sprintf("step %d", i+1), Set: compare(base, c.tree(sha, blobs))})
	}
	return s
}

// made is a series of one commit with one text file each.
func made(t testing.TB, files map[string]string) change.Series {
	t.Helper()
	var after snapshot
	for path, content := range files {
		after = append(after, leaf{path, change.ModeFile, content})
	}
	return seriesOf(t, nil, after, nil)
}

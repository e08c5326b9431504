package change

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func want[T comparable](t *testing.T, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Errorf("%s:\nhave %v\nwant %v", what, have, want)
	}
}

// store is a blob store with readable ids.
type store map[string][]byte

func (s store) put(content string) (string, int64) {
	id := fmt.Sprintf("%040x", len(s)+1)
	for known, data := range s {
		if string(data) == content {
			return known, int64(len(data))
		}
	}
	s[id] = []byte(content)
	return id, int64(len(content))
}

func (s store) read(sha string) ([]byte, error) {
	if data, ok := s[sha]; ok {
		return data, nil
	}
	return nil, errors.New("no blob " + sha)
}

// tree makes a tree of "mode path" -> content.
func (s store) tree(files map[string]string) Tree {
	var t Tree
	for name, content := range files {
		mode, path, _ := strings.Cut(name, " ")
		e := Entry{Path: path, Mode: mode}
		if mode == ModeSubmodule {
			e.SHA, e.Size = content, -1
		} else {
			e.SHA, e.Size = s.put(content)
		}
		t.Entries = append(t.Entries, e)
	}
	slices.SortFunc(t.Entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return t
}

func compare(t *testing.T, s store, base, head Tree) Set {
	t.Helper()
	set, err := Compare(base, head, s.read)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func summary(set Set) string {
	var out []string
	for _, f := range set.Files {
		out = append(out, fmt.Sprintf("%s %s<-%s %s>%s", f.Status, f.Path, f.OldPath, f.OldMode, f.NewMode))
	}
	return strings.Join(out, "\n")
}

func TestCompare(t *testing.T) {
	link := strings.Repeat("1", 40)
	moved := strings.Repeat("2", 40)
	for _, c := range []struct {
		name       string
		base, head map[string]string
		want       string
	}{
		{"nothing", map[string]string{"100644 a": "x"}, map[string]string{"100644 a": "x"}, ""},
		{"added", nil, map[string]string{"100644 a": "x"}, "added a<-a 000000>100644"},
		{"deleted", map[string]string{"100644 a": "x"}, nil, "deleted a<-a 100644>000000"},
		{"modified", map[string]string{"100644 a": "x"}, map[string]string{"100644 a": "y"}, "modified a<-a 100644>100644"},
		{"mode", map[string]string{"100644 a": "x"}, map[string]string{"100755 a": "x"}, "modified a<-a 100644>100755"},
		{"odd mode", map[string]string{"100644 a": "x"}, map[string]string{"100664 a": "x"}, "modified a<-a 100644>100664"},
		{"renamed", map[string]string{"100644 a": "x"}, map[string]string{"100644 b": "x"}, "renamed b<-a 100644>100644"},
		{"renamed with another mode is two", map[string]string{"100644 a": "x"}, map[string]string{"100755 b": "x"},
			"deleted a<-a 100644>000000\nadded b<-b 000000>100755"},
		{"empty files are not paired", map[string]string{"100644 a": ""}, map[string]string{"100644 b": ""},
			"deleted a<-a 100644>000000\nadded b<-b 000000>100644"},
		{"copies are paired once, in order", map[string]string{"100644 a": "x", "100644 b": "x"}, map[string]string{"100644 c": "x", "100644 d": "x", "100644 e": "x"},
			"renamed c<-a 100644>100644\nrenamed d<-b 100644>100644\nadded e<-e 000000>100644"},
		{"file becomes link", map[string]string{"100644 a": "x"}, map[string]string{"120000 a": "x"}, "modified a<-a 100644>120000"},
		{"submodule moved", map[string]string{"160000 a": link}, map[string]string{"160000 a": moved}, "modified a<-a 160000>160000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := store{}
			want(t, "files", summary(compare(t, s, s.tree(c.base), s.tree(c.head))), c.want)
		})
	}
}

func TestCompareSeesDuplicates(t *testing.T) {
	s := store{}
	good, _ := s.put("good")
	evil, _ := s.put("evil")
	one := Tree{Entries: []Entry{{"a", ModeFile, good, 4}}}
	two := Tree{Entries: []Entry{{"a", ModeFile, good, 4}, {"a", ModeFile, evil, 4}}}
	want(t, "duplicate added", len(compare(t, s, one, two).Files), 2)
	want(t, "duplicate taken away", len(compare(t, s, two, one).Files), 1)
	want(t, "duplicate kept", len(compare(t, s, two, two).Files), 0)
	want(t, "all kept", len(compare(t, s, one, two).Head.Entries), 2)
}

func TestCompareFailsOnMissingBlobs(t *testing.T) {
	head := Tree{Entries: []Entry{{"a", ModeFile, strings.Repeat("9", 40), 4}}}
	if _, err := Compare(Tree{}, head, store{}.read); err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("have %v, want an error naming the file", err)
	}
	head.Entries[0].Size = MaxBlob + 1
	set, err := Compare(Tree{}, head, store{}.read)
	if err != nil || set.Files[0].Loaded {
		t.Errorf("a file above the bound: have %v, %v; want not loaded", set.Files, err)
	}
}

// randomTree draws names and contents from few, so that equal ones meet.
func randomTree(rng *rand.Rand, s store) Tree {
	modes := []string{ModeFile, ModeFile, ModeExecutable, ModeSymlink}
	files := map[string]string{}
	taken := map[string]bool{}
	for range rng.Intn(8) {
		path := string(rune('a'+rng.Intn(6))) + []string{"", ".txt", "/x", " b", `"q\`}[rng.Intn(5)]
		if dir, _, _ := strings.Cut(path, "/"); taken[path] || taken[dir] || taken[path+"/x"] {
			continue
		}
		taken[path] = true
		files[modes[rng.Intn(4)]+" "+path] = randomText(rng)
	}
	for name, content := range files {
		if strings.HasPrefix(name, ModeSymlink) { // git takes no empty link
			delete(files, name)
			files[name] = "to" + strings.ReplaceAll(content, "\n", "-")
		}
	}
	return s.tree(files)
}

func randomText(rng *rand.Rand) string {
	var b strings.Builder
	for range rng.Intn(30) {
		b.WriteString([]string{"a", "b", "", "}", "- ", "+ +", "\u00e4", "x\r", "@@ -1 +1 @@", "diff --git a/x b/x"}[rng.Intn(10)] + "\n")
	}
	return strings.TrimSuffix(b.String(), []string{"\n", "", ""}[rng.Intn(3)])
}

func TestCompareDoesNotDependOnOrder(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 300 {
		s := store{}
		base, head := randomTree(rng, s), randomTree(rng, s)
		plain := compare(t, s, base, head)
		shuffled := func(tree Tree) Tree {
			tree.Entries = slices.Clone(tree.Entries)
			rng.Shuffle(len(tree.Entries), func(i, j int) { tree.Entries[i], tree.Entries[j] = tree.Entries[j], tree.Entries[i] })
			return tree
		}
		if other := compare(t, s, shuffled(base), shuffled(head)); !reflect.DeepEqual(plain.Files, other.Files) {
			t.Fatalf("order matters:\nhave %s\nwant %s", summary(other), summary(plain))
		}
	}
}

// What Unified prints, git applies: out of the base tree comes the head tree.
func TestUnifiedIsAppliedByGit(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	for i := range 150 {
		s := store{}
		base, head := randomTree(rng, s), randomTree(rng, s)
		set := compare(t, s, base, head)
		dir := t.TempDir()
		writeTree(t, s, base, dir)
		cmd := exec.Command("git", "apply", "--whitespace=nowarn", "--allow-empty", "-")
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "HOME=/nonexistent", "GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir)}
		cmd.Stdin = strings.NewReader(set.Unified())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%d: git apply: %v\n%s\n%s", i, err, out, set.Unified())
		}
		have, wanted := readTree(t, dir), map[string]string{}
		for _, e := range head.Entries {
			wanted[e.Mode+" "+e.Path] = string(s[e.SHA])
		}
		if !reflect.DeepEqual(have, wanted) {
			t.Fatalf("%d: applied:\nhave %q\nwant %q\n%s", i, have, wanted, set.Unified())
		}
	}
}

func writeTree(t *testing.T, s store, tree Tree, dir string) {
	t.Helper()
	for _, e := range tree.Entries {
		path := filepath.Join(dir, e.Path)
		os.MkdirAll(filepath.Dir(path), 0o755)
		var err error
		switch e.Mode {
		case ModeSymlink:
			err = os.Symlink(string(s[e.SHA]), path)
		case ModeExecutable:
			err = os.WriteFile(path, s[e.SHA], 0o755)
		default:
			err = os.WriteFile(path, s[e.SHA], 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if info.Mode()&os.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			out[ModeSymlink+" "+name] = target
			return err
		}
		mode := ModeFile
		if info.Mode()&0o111 != 0 {
			mode = ModeExecutable
		}
		data, err := os.ReadFile(path)
		out[mode+" "+name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHunkNumbersAreRight(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for range 500 {
		f := File{Old: []byte(randomText(rng)), New: []byte(randomText(rng))}
		old, new := splitLines(string(f.Old)), splitLines(string(f.New))
		added, deleted := 0, 0
		for _, h := range f.Hunks() {
			o, n := 0, 0
			for _, l := range h.Lines {
				if l.Op != '+' {
					want(t, "old line", l.Text, strings.TrimSuffix(old[l.Old-1], "\n"))
					want(t, "old number", l.Old, h.OldStart+o)
					o++
				}
				if l.Op != '-' {
					want(t, "new line", l.Text, strings.TrimSuffix(new[l.New-1], "\n"))
					want(t, "new number", l.New, h.NewStart+n)
					n++
				}
				switch l.Op {
				case '+':
					added++
					want(t, "no old number", l.Old, 0)
				case '-':
					deleted++
					want(t, "no new number", l.New, 0)
				}
			}
			want(t, "old lines", h.OldLines, o)
			want(t, "new lines", h.NewLines, n)
		}
		a, d := f.Counts()
		want(t, "added", a, added)
		want(t, "deleted", d, deleted)
		want(t, "Added", len(f.Added()), added)
		want(t, "balance", a-d, len(new)-len(old))
		if t.Failed() {
			t.Fatalf("%q\n%q", f.Old, f.New)
		}
	}
}

// A change is never counted larger than git's own minimal diff, as long as the
// file is not of the size that only an anchored comparison bears.
func TestCountsAreMinimal(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	dir := t.TempDir()
	for _, size := range []int{10, 300, 3000} {
		for _, every := range []int{2, 10, 50} {
			var a, b strings.Builder
			for i := range size {
				line := fmt.Sprintf("line %d\n", rng.Intn(size/2+1))
				a.WriteString(line)
				if rng.Intn(every) > 0 {
					b.WriteString(line)
				} else {
					fmt.Fprintf(&b, "new %d\n", i/2)
				}
			}
			added, deleted := File{Old: []byte(a.String()), New: []byte(b.String())}.Counts()
			ga, gd := gitCounts(t, dir, a.String(), b.String())
			if added > ga || deleted > gd {
				t.Errorf("%d lines, one in %d: have +%d -%d, git +%d -%d", size, every, added, deleted, ga, gd)
			}
		}
	}
}

func gitCounts(t *testing.T, dir, old, new string) (added, deleted int) {
	t.Helper()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	os.WriteFile(a, []byte(old), 0o644)
	os.WriteFile(b, []byte(new), 0o644)
	out, _ := exec.Command("git", "diff", "--no-index", "--minimal", "--numstat", a, b).Output() // exit 1 says "they differ"
	fields := strings.Fields(string(out))
	if len(fields) < 2 {
		return 0, 0
	}
	added, _ = strconv.Atoi(fields[0])
	deleted, _ = strconv.Atoi(fields[1])
	return added, deleted
}

// Files made to be slow to compare: the time stays bounded, the result the same.
func TestHostileFilesAreComparedInBoundedTime(t *testing.T) {
	rng := rand.New(rand.NewSource(5))
	const size = 60_000
	perm := rng.Perm(size)
	text := func(line func(i int) int) []byte {
		var b bytes.Buffer
		for i := range size {
			fmt.Fprintf(&b, "%d\n", line(i))
		}
		return b.Bytes()
	}
	for name, f := range map[string]File{
		"shuffled":  {Old: text(func(i int) int { return i }), New: text(func(i int) int { return perm[i] })},
		"two words": {Old: text(func(int) int { return rng.Intn(2) }), New: text(func(int) int { return rng.Intn(2) })},
		"reversed":  {Old: text(func(i int) int { return i }), New: text(func(i int) int { return size - i })},
		"one edit in many": {Old: text(func(i int) int { return i }), New: text(func(i int) int {
			if i%100 == 0 {
				return -i
			}
			return i
		})},
	} {
		start := time.Now()
		added, deleted := f.Counts()
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		again, _ := f.Counts()
		want(t, name+" again", again, added)
		if name == "one edit in many" {
			want(t, name, fmt.Sprint(added, deleted), "599 599") // line 0 stays
		}
	}
}

func TestBinary(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		want bool
	}{
		"text": {"hello\n", false}, "empty": {"", false}, "nul": {"a\x00b", true}, "latin-1": {"caf\xe9 au lait", true},
		"rune cut by the window": {strings.Repeat("a", 7999) + "\u00e4", false}, "nul behind the window": {strings.Repeat("a", 9000) + "\x00", false},
		"cut rune at the end": {"a\xc3", false},
	} {
		if have := (File{New: []byte(c.data)}).Binary(); have != c.want {
			t.Errorf("%s: have %v, want %v", name, have, c.want)
		}
	}
}

func TestWordDiff(t *testing.T) {
	have := WordDiff("max_lines: 300 # per change", "max_lines: 400 # per change")
	wanted := []Piece{{' ', "max_lines: "}, {'-', "300"}, {'+', "400"}, {' ', " # per change"}}
	if !reflect.DeepEqual(have, wanted) {
		t.Errorf("have %q\nwant %q", have, wanted)
	}
	rng := rand.New(rand.NewSource(6))
	for range 300 {
		old, new := randomText(rng)+"\xff\u00fc", randomText(rng)
		var a, b string
		for _, p := range WordDiff(old, new) {
			if p.Op != '+' {
				a += p.Text
			}
			if p.Op != '-' {
				b += p.Text
			}
		}
		want(t, "old", a, old)
		want(t, "new", b, new)
	}
	want(t, "too long to compare", len(WordDiff(strings.Repeat("a ", maxWords), "b")), 2)
	want(t, "nothing", len(WordDiff("", "")), 0)
}

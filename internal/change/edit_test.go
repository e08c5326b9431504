package change

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"
)

func block(path, search, replace string) string {
	return path + "\n<<<<<<< SEARCH\n" + search + "=======\n" + replace + ">>>>>>> REPLACE\n"
}

func TestParseReply(t *testing.T) {
	edit := Edit{Path: "a/b.go", Op: OpReplace, Search: "x\n", Replace: "y\n"}
	at := func(line int, e Edit) Edit { e.Line = line; return e }
	other := Edit{Path: "c.go", Op: OpReplace, Search: "1\n", Replace: "2\n"}
	for _, c := range []struct {
		name, reply string
		want        []Edit
		text        string
	}{
		{"plain", block("a/b.go", "x\n", "y\n"), []Edit{at(2, edit)}, "a/b.go"},
		{"words around", "I fix it.\n\n" + block("a/b.go", "x\n", "y\n") + "Done.\n", []Edit{at(4, edit)}, "I fix it.\n\na/b.go\nDone."},
		{"fence around all", "```go\n" + block("a/b.go", "x\n", "y\n") + "```\n", []Edit{at(3, edit)}, "```go\na/b.go\n```"},
		{"path above the fence", "a/b.go\n```go\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n```", []Edit{at(3, edit)}, "a/b.go\n```go\n```"},
		{"heading", "### `a/b.go`:\n\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE", []Edit{at(3, edit)}, "### `a/b.go`:"},
		{"bold", "**a/b.go**\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE", []Edit{at(2, edit)}, "**a/b.go**"},
		{"said to be a file", "File: a/b.go\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE", []Edit{at(2, edit)}, "File: a/b.go"},
		{"path in the fence", "```go:a/b.go\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n```", []Edit{at(2, edit)}, "```go:a/b.go\n```"},
		{"prose about the same file", block("a/b.go", "x\n", "y\n") + "Again in `a/b.go`, for os.Exit:\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n", []Edit{at(2, edit), at(8, edit)}, "a/b.go\nAgain in `a/b.go`, for os.Exit:"},
		{"carriage returns", strings.ReplaceAll(block("a/b.go", "x\n", "y\n"), "\n", "\r\n"), []Edit{at(2, edit)}, "a/b.go"},
		{"same file again", block("a/b.go", "x\n", "y\n") + "<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n", []Edit{at(2, edit), at(7, edit)}, "a/b.go"},
		{"prose between", block("a/b.go", "x\n", "y\n") + "Now the call:\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n", []Edit{at(2, edit), at(8, edit)}, "a/b.go\nNow the call:"},
		{"two files", block("a/b.go", "x\n", "y\n") + "\n" + block("c.go", "1\n", "2\n"), []Edit{at(2, edit), at(9, other)}, "a/b.go\n\nc.go"},
		{"blank in path", block("`a b.go`", "x\n", ""), []Edit{{Path: "a b.go", Op: OpReplace, Search: "x\n", Line: 2}}, "`a b.go`"},
		{"new by empty search", block("n.go", "", "package n\n"), []Edit{{Path: "n.go", Op: OpCreate, Replace: "package n\n", Line: 2}}, "n.go"},
		{"new by name", "NEW n.md\n````\na\n```\nb\n```\n````\nend", []Edit{{Path: "n.md", Op: OpCreate, Replace: "a\n```\nb\n```\n", Line: 1}}, "end"},
		{"delete", "DELETE `old.go`\nDELETE FROM users", []Edit{{Path: "old.go", Op: OpDelete, Line: 1}}, "DELETE FROM users"},
		{"longer markers", "a/b.go\n<<<<<<<<< SEARCH\nTitle\n=======\n=========\n<<<<<<< SEARCH\n>>>>>>>>> REPLACE\n",
			[]Edit{{Path: "a/b.go", Op: OpReplace, Search: "Title\n=======\n", Replace: "<<<<<<< SEARCH\n", Line: 2}}, "a/b.go"},
		{"not canonical is passed on", block("../x", "x\n", "y\n"), []Edit{{Path: "../x", Op: OpReplace, Search: "x\n", Replace: "y\n", Line: 2}}, "../x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reply, err := ParseReply(c.reply)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(reply.Edits, c.want) {
				t.Errorf("edits:\nhave %+v\nwant %+v", reply.Edits, c.want)
			}
			want(t, "explanation", reply.Explanation, c.text)
		})
	}
}

func TestParseReplyRefuses(t *testing.T) {
	for _, c := range []struct {
		name, reply, message string
		line                 int
	}{
		{"cut in SEARCH", "a\n<<<<<<< SEARCH\nx\n", "not closed", 2},
		{"cut in REPLACE", "a\n<<<<<<< SEARCH\nx\n=======\ny\n", "not closed", 2},
		{"no divider", "a\n<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n", "needs a line of 7 equals signs", 4},
		{"two dividers", "a\n<<<<<<< SEARCH\nx\n=======\ny\n=======\n>>>>>>> REPLACE\n", "a second ======= line", 6},
		{"nested", "a\n<<<<<<< SEARCH\nx\n<<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\n", "inside the block that began at line 2", 4},
		{"stray end", "a\n>>>>>>> REPLACE\n", "without its SEARCH", 2},
		{"no path", "Here you are, this is it:\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n", "no path", 2},
		{"prose about another file", block("a.go", "x\n", "y\n") + "Then in cmd/b.go we do the same.\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n", "speaks of cmd/b.go", 8},
		{"new file cut", "NEW a.go\n```\npackage a\n", "not closed", 1},
		{"fence in a fence", "NEW a.md\n```\n```go\nx\n```\n```\n", "longer fence", 3},
		{"markers of two lengths", "a\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>>> REPLACE\n", "markers of one length", 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			reply, err := ParseReply(c.reply)
			var p *ParseError
			if !errors.As(err, &p) || !strings.Contains(p.Message, c.message) || p.Line != c.line {
				t.Errorf("have %+v, %v\nwant line %d: %s", reply, err, c.line, c.message)
			}
		})
	}
	reply, err := ParseReply("I cannot do that.")
	if !errors.Is(err, ErrNoEdits) || reply.Explanation != "I cannot do that." {
		t.Errorf("prose: have %+v, %v; want ErrNoEdits with the text", reply, err)
	}
	if _, err := ParseReply(strings.Repeat("x", MaxReply+1)); err == nil {
		t.Error("a reply above the bound was read")
	}
	if _, err := ParseReply(strings.Repeat(block("a", "x\n", "y\n"), MaxBlocks+1)); err == nil {
		t.Error("more blocks than the bound were read")
	}
}

const program = `package main

func a() int {
	x := 1
	return x
}

func b() int {
	y := 1
	return y
}
`

// apply runs a reply against one file and gives its text, or the refusals.
func apply(t *testing.T, name, file, reply string) (string, []Refusal) {
	t.Helper()
	parsed, err := ParseReply(reply)
	if err != nil {
		t.Fatal(err)
	}
	result, refused := Apply(func(p string) ([]byte, bool) { return []byte(file), p == name }, parsed.Edits)
	if len(refused) > 0 {
		return "", refused
	}
	return string(result[name].Data), nil
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name, path, file, search, replace, want string
	}{
		{"in the middle", "f", "a\nb\nc\n", "b\n", "B\n", "a\nB\nc\n"},
		{"at both ends", "f", "a\nb\nc\n", "a\nb\nc\n", "c\n", "c\n"},
		{"deleted lines", "f", "a\nb\nc\n", "b\n", "", "a\nc\n"},
		{"carriage returns kept", "f", "a\r\nb\r\nc\r\n", "b\n", "B\nB2\n", "a\r\nB\r\nB2\r\nc\r\n"},
		{"mixed line ends kept", "f", "a\nb\r\nc\nd\r\n", "b\nc\n", "b\nC\n", "a\nb\r\nC\nd\r\n"},
		{"no final newline", "f", "a\nb", "b\n", "B\nC\n", "a\nB\nC"},
		{"no final newline, last line gone", "f", "a\nb", "b\n", "", "a"},
		{"no final newline, elsewhere", "f", "a\nb", "a\n", "A\n", "A\nb"},
		{"inserted at the end without newline", "f", "a\nb", "b\n", "b\nc\n", "a\nb\nc"},
		{"mark kept", "f", "\xef\xbb\xbfa\nb\n", "a\n", "A\n", "\xef\xbb\xbfA\nb\n"},
		{"trailing blanks in the file", "f", "a  \nb\t\nc\n", "a\nb\n", "a\nB\n", "a  \nB\nc\n"},
		{"trailing blanks in the reply", "f", "a\nb\nc\n", "a \nb\n", "A\nb\n", "A\nb\nc\n"},
		{"exact wins over blanks", "f", "a \nb\na\n", "a\n", "A\n", "a \nb\nA\n"},
		{"latin-1", "f", "caf\xe9\nb\n", "b\n", "B\n", "caf\xe9\nB\n"},
		{"the same in another place is no matter", "f", "if x {\n  y\n}\nif z {\n  y\n}\n", "if z {\n  y\n", "if z {\n  w\n", "if x {\n  y\n}\nif z {\n  w\n}\n"},
		{"go", "m.go", program, "	y := 1\n", "	y := 2\n", strings.Replace(program, "y := 1", "y := 2", 1)},
		{"broken go may be mended", "m.go", "package m\nfunc {\n", "func {\n", "func f() {\n", "package m\nfunc f() {\n"},
		{"a placeholder that was there", "f", "// ... existing code ...\nb\n", "b\n", "// ... existing code ...\nB\n", "// ... existing code ...\n// ... existing code ...\nB\n"},
		{"already applied", "f", "a\ntotal := computed(1)\nc\n", "total := guessed(1)\n", "total := computed(1)\n", "a\ntotal := computed(1)\nc\n"},
		{"already inserted", "f", "import fmt\nimport strings and more\nx\n", "import fmt\n", "import fmt\nimport strings and more\n", "import fmt\nimport strings and more\nx\n"},
		{"nothing to change", "f", "a\nb\n", "b\n", "b\n", "a\nb\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, refused := apply(t, c.path, c.file, block(c.path, c.search, c.replace))
			if refused != nil {
				t.Fatalf("refused: %v", refused)
			}
			if have != c.want {
				t.Errorf("have %q\nwant %q", have, c.want)
			}
			if again, refused := apply(t, c.path, have, block(c.path, c.search, c.replace)); strings.HasPrefix(c.name, "already") && again != have {
				t.Errorf("a second time: have %q, %v\nwant %q", again, refused, have)
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	for _, c := range []struct {
		name, path, file, reply string
		reason                  Reason
		message                 []string
	}{
		{"not there", "f", "one\ntwo\nthree\nfour\n", block("f", "one\ntwo\n3\n", "x\n"), NotFound,
			[]string{`line 3 of SEARCH is "3", line 3 of the file is "three"`, "lines 1-3", "2 | two"}},
		{"indentation", "f", "if x {\n\t\ty()\n}\n", block("f", "if x {\n\ty()\n}\n", "z\n"), NotFound, []string{"white space only", "2 | \t\ty()"}},
		{"a like line", "f", "a\nresult := compute(alpha, beta)\nb\n", block("f", "result := compute(alpha, gamma)\n", "z\n"), NotFound, []string{"2 | result := compute(alpha, beta)"}},
		{"nothing like it", "f", "a\nb\n", block("f", "zzz qqq\n", "z\n"), NotFound, []string{"no line like it"}},
		{"past the end", "f", "a\nb\n", block("f", "b\nc\n", "z\n"), NotFound, []string{"the file ends at line 2"}},
		{"empty file", "f", "", block("f", "b\n", "z\n"), NotFound, []string{"which is empty"}},
		{"part of a line", "f", "abc\n", block("f", "b\n", "z\n"), NotFound, nil},
		{"twice", "f", "a\nb\na\nb\n", block("f", "a\nb\n", "z\n"), Ambiguous, []string{"1-2, 3-4"}},
		{"twice past blanks", "f", "a \nb\na\t\n", block("f", "a\n", "z\n"), Ambiguous, []string{"1-1, 3-3"}},
		{"many times", "f", strings.Repeat("a\n", 100), block("f", "a\n", "z\n"), Ambiguous, []string{"20-20 and more"}},
		{"overlap", "f", "a\nb\nc\n", block("f", "a\nb\n", "1\n2\n") + block("f", "b\nc\n", "3\n4\n"), Overlapping, []string{"lines 2-3", "reply line 2", "lines 1-2"}},
		{"two insertions at one place", "f", "a\nb\n", block("f", "a\n", "a\n1\n") + block("f", "b\n", "2\nb\n"), Overlapping, []string{"the gap before line 2"}},
		{"no file", "f", "a\n", block("g", "a\n", "b\n"), NoFile, []string{"leave SEARCH empty"}},
		{"deleted but absent", "f", "a\n", "DELETE g\n", NoFile, nil},
		{"file is there", "f", "a\n", block("f", "", "b\n"), FileExists, []string{"1 lines"}},
		{"deleted and edited", "f", "a\n", "DELETE f\n" + block("f", "a\n", "b\n"), Contradicted, nil},
		{"made twice", "f", "", block("g", "", "b\n") + block("g", "", "c\n"), Contradicted, nil},
		{"NUL", "f", "a\x00\n", block("f", "a\n", "b\n"), NotText, nil},
		{"go that parsed", "m.go", program, block("m.go", "	y := 1\n", "	y := \n"), NoLongerGo, []string{"m.go:10"}},
		{"new go", "m.go", "", block("n.go", "", "package\n"), NoLongerGo, []string{"n.go:1"}},
		{"rest unchanged", "f.js", "a\nb\n", block("f.js", "a\n", "x\n// ... rest of the code unchanged ...\n"), Placeholder, []string{"line 2 of REPLACE"}},
		{"existing code", "f.py", "a\nb\n", block("f.py", "a\n", "# ... existing code ...\n"), Placeholder, nil},
		{"dots alone", "f.go", "package f\n", block("f.go", "package f\n", "package f\n...\n"), Placeholder, nil},
		{"comment dots", "f.c", "a\n", block("f.c", "a\n", "/* ... */\n"), Placeholder, nil},
		{"markup", "f.html", "a\n", block("f.html", "a\n", "<!-- remaining content unchanged -->\n"), Placeholder, nil},
		{"rest of file", "f.go", "package f\n", block("f.go", "package f\n", "package f\n// rest of the file stays the same\n"), Placeholder, nil},
		{"jsx", "f.tsx", "a\n", block("f.tsx", "a\n", "{/* ... existing markup ... */}\n"), Placeholder, nil},
		{"placeholder in a new file", "f", "", block("g.go", "", "package g\n// ... other functions omitted\n"), Placeholder, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, refused := apply(t, c.path, c.file, c.reply)
			if len(refused) == 0 {
				t.Fatalf("applied: %q", have)
			}
			want(t, "reason", refused[0].Reason, c.reason)
			for _, part := range c.message {
				if !strings.Contains(refused[0].Message, part) {
					t.Errorf("message:\nhave %s\nwant %s", refused[0].Message, part)
				}
			}
		})
	}
}

// Ordinary comments that only sound alike are left alone.
func TestCommentsThatAreNoPlaceholders(t *testing.T) {
	for _, line := range []string{
		"// the rest is handled by the caller", "// existing users keep their token", "# unchanged since 1.0", "x = f(...)", "func f(args ...int) {",
		"// Remaining is the number of bytes left.", "fmt.Println(\"...\")", "return ...", "// wait for the other side", "\"... rest of the story\"",
		"// rest of the path, without the leading slash", "* remaining items are sorted", "spread(...rest)",
	} {
		if isPlaceholder("f.go", line) {
			t.Errorf("%q was taken for a placeholder", line)
		}
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	reply := block("f", "a\n", "A\n") + block("g", "missing\n", "x\n") + "DELETE ../h\n"
	parsed, err := ParseReply(reply)
	if err != nil {
		t.Fatal(err)
	}
	result, refused := Apply(func(string) ([]byte, bool) { return []byte("a\n"), true }, parsed.Edits)
	if result != nil || len(refused) != 2 || refused[0].Edit != 1 || refused[1].Edit != 2 {
		t.Errorf("have %v, %v\nwant refusals of blocks 1 and 2, nothing applied", result, refused)
	}
}

func TestBlocksMayShareWhatTheyOnlyQuote(t *testing.T) {
	have, refused := apply(t, "f", "a\nb\nc\n", block("f", "b\nc\n", "b\nC\n")+block("f", "a\nb\n", "A\nb\n"))
	if refused != nil || have != "A\nb\nC\n" {
		t.Errorf("have %q, %v", have, refused)
	}
}

func TestUnchangedIsTold(t *testing.T) {
	edits := []Edit{{Path: "f", Op: OpCreate, Replace: "a\n"}, {Path: "d", Op: OpDelete}, {Path: "n", Op: OpCreate, Replace: "n\n"}}
	result, refused := Apply(func(p string) ([]byte, bool) { return []byte("a\n"), p != "n" }, edits)
	if refused != nil {
		t.Fatal(refused)
	}
	want(t, "unchanged", result["f"].Unchanged, true)
	want(t, "rung", result["f"].Applied[0].Rung, AlreadyApplied)
	want(t, "deleted", result["d"].Deleted, true)
	want(t, "new", result["n"].New, true)
}

func TestPaths(t *testing.T) {
	for path, message := range map[string]string{
		"a": "", "a/b.go": "", ".github/workflows/x.yml": "", "a b/c": "", ".gitignore": "", "\u00e4/x": "", "a..b": "", "git/x": "", "gitx~1": "",
		"":     "empty",
		"../x": "leaves the repository", "a/../../x": "leaves the repository", "/etc/passwd": "leaves the repository",
		`C:\x`: "leaves the repository", `c:x`: "leaves the repository", `\\srv\x`: "leaves the repository", `..\x`: "leaves the repository",
		`a\..\b`: `write "b"`, "./a": `write "a"`, "a//b": `write "a/b"`, "a/": `write "a"`, "a/./b": `write "a/b"`,
		"./.github//workflows/x.yml": `write ".github/workflows/x.yml"`, ".github /x": `write ".github/x"`, ".github./x": `write ".github/x"`,
		".git/config": "git's own directory", ".GIT/hooks/x": "git's own directory", "git~1": "git's own directory", "a/.git /x": "git's own directory",
		".git::$INDEX_ALLOCATION": "git's own directory", ".g\u200cit/x": "invisible", "a\nb": "control", "a\x1bb": "control", "-rf": "dash", "a/-x": "dash",
		"\xff": "UTF-8", strings.Repeat("a", 256): "component", strings.Repeat("a/", 2100) + "b": "at most 4096", ".": "leaves the repository", "a/..": "leaves the repository",
	} {
		err := CheckPath(path)
		if message == "" && err != nil {
			t.Errorf("%q: have %v, want nil", path, err)
		}
		if message != "" && (err == nil || !strings.Contains(err.Error(), message)) {
			t.Errorf("%q: have %v, want %s", path, err, message)
		}
	}
}

func TestPlacesInATree(t *testing.T) {
	tree := Tree{Entries: []Entry{{Path: "docs", Mode: ModeSymlink}, {Path: "lib", Mode: ModeSubmodule}, {Path: "f", Mode: ModeFile}, {Path: "d/x", Mode: ModeFile}, {Path: "e/link", Mode: ModeSymlink}}}
	have := tree.Obstacles([]string{"docs/workflows/x.yml", "docs", "lib/y", "f/z", "d", "d/x", "d/new", "new/a/b", "e/link/q/r"})
	for path, message := range map[string]string{
		"docs/workflows/x.yml": "docs is a symbolic link", "docs": "docs is a symbolic link", "lib/y": "lib is a submodule", "f/z": "f is a file, not a directory",
		"d": "d is a directory", "d/x": "", "d/new": "", "new/a/b": "", "e/link/q/r": "e/link is a symbolic link",
	} {
		err := have[path]
		if message == "" && err != nil || message != "" && (err == nil || !strings.Contains(err.Error(), message)) {
			t.Errorf("%s: have %v, want %q", path, err, message)
		}
	}
}

func TestTimeIsLinear(t *testing.T) {
	var file, reply, repetitive strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&file, "line number %d of many\n\tcall()\n", i)
	}
	for i := range 1000 {
		reply.WriteString(block("f", fmt.Sprintf("line number %d of many\n\tcall()\n", i*50), fmt.Sprintf("line number %d\n\tcall()\n", i*50)))
		repetitive.WriteString(block("f", strings.Repeat("\tcall()\n", 100)+"line number 7 of many\n", "x\n"))
	}
	// The bounds are wide for slow machines; what is quadratic would miss them by far.
	for name, c := range map[string]struct {
		file, reply string
		refused     int
	}{
		"thousands of blocks":          {file.String(), reply.String(), 0},
		"blocks that are not there":    {file.String(), strings.ReplaceAll(reply.String(), "of many", "of none"), 1000},
		"blocks almost everywhere":     {file.String(), repetitive.String(), 1000},
		"the same line without end":    {strings.Repeat("a\n", 500_000), block("f", strings.Repeat("a\n", 250_000)+"b\n", "c\n"), 1},
		"the same lines, found always": {strings.Repeat("a\n", 500_000), block("f", strings.Repeat("a\n", 250_000), "c\n"), 1},
		"two lines in turn":            {strings.Repeat("a\nb\n", 250_000), block("f", strings.Repeat("a\nb\n", 100_000)+"a\na\n", "c\n"), 1},
	} {
		start := time.Now()
		_, refused := apply(t, "f", c.file, c.reply)
		want(t, name, len(refused), c.refused)
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("%s: took %v", name, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	for _, seed := range []string{"", block("a/b.go", "x\n", "y\n"), "NEW n\n```\nx\n```\n", "DELETE a\n", "```\n" + block("a", "", "y\n") + "```",
		"a\n<<<<<<<<< SEARCH\n=======\n=========\n>>>>>>>>> REPLACE\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		reply, err := ParseReply(text)
		if err != nil && len(reply.Edits) > 0 {
			t.Errorf("edits besides an error: %v, %v", reply.Edits, err)
		}
		for _, e := range reply.Edits {
			if e.Line < 1 || e.Op == OpReplace && e.Search == "" || strings.ContainsAny(e.Path, "\n`") {
				t.Errorf("odd edit %+v", e)
			}
		}
	})
}

func FuzzApply(f *testing.F) {
	f.Add("f", "a\nb\n", "b\n", "c\n")
	f.Add("../f", "a\r\nb", "b\n", "")
	f.Add(".git/x", "\xef\xbb\xbfa\n", "", "x\n")
	f.Add("f.go", "package f\n", "package f\n", "package g\n")
	f.Fuzz(func(t *testing.T, name, file, search, replace string) {
		line := func(s string) string {
			if s != "" && !strings.HasSuffix(s, "\n") {
				s += "\n"
			}
			return strings.ReplaceAll(s, "\r\n", "\n")
		}
		e := Edit{Path: name, Op: OpReplace, Search: line(search), Replace: line(replace)}
		if e.Search == "" {
			e.Op = OpCreate
		}
		result, refused := Apply(func(p string) ([]byte, bool) {
			if p != path.Clean(p) || path.IsAbs(p) || strings.HasPrefix(p, "..") || strings.EqualFold(strings.Split(p, "/")[0], ".git") {
				t.Errorf("asked for %q", p)
			}
			return []byte(file), file != ""
		}, []Edit{e})
		if (len(refused) == 0) == (result == nil) {
			t.Errorf("have %v and %v", result, refused)
		}
		for p, c := range result {
			if err := CheckPath(p); err != nil {
				t.Errorf("wrote %q: %v", p, err)
			}
			if c.Unchanged && !bytes.Equal(c.Data, []byte(file)) {
				t.Errorf("unchanged, but %q became %q", file, c.Data)
			}
		}
	})
}

func FuzzParseSeries(f *testing.F) {
	f.Add(FormatSeries([]Step{{Subject: "one", Body: "b\n---\nFrom x", Patch: []byte("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +0,0 @@\n-- \n")}, {Subject: "two"}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		steps, err := ParseSeries(data)
		if err != nil {
			return
		}
		again, err := ParseSeries(FormatSeries(steps))
		if err != nil {
			t.Fatalf("written anew it cannot be read: %v", err)
		}
		if len(again) != len(steps) {
			t.Fatalf("have %d steps, want %d", len(again), len(steps))
		}
	})
}

func TestSeriesRoundTrip(t *testing.T) {
	steps := []Step{
		{SHA: strings.Repeat("a", 40), Author: "Ann \u00c4", Email: "ann@example.com", Time: time.Unix(1700000000, 0).UTC(), Subject: "one: \u00fc [x]",
			Body: "text\n---\n--- \ndiff --git a b\nFrom: x\n ---\n  From y\n\nend", Patch: []byte("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-- \n a\n")},
		{SHA: strings.Repeat("b", 40), Author: "B", Email: "b@example.com", Time: time.Unix(1700000001, 0).UTC(), Subject: "two"},
		{SHA: strings.Repeat("c", 40), Author: "B", Email: "b@example.com", Time: time.Unix(1700000001, 0).UTC(), Subject: "three", Patch: []byte("diff --git a/y b/y\nnew file mode 100644\n")},
	}
	have, err := ParseSeries(FormatSeries(steps))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(have, steps) {
		t.Errorf("have %+q\nwant %+q", have, steps)
	}
	for name, data := range map[string]string{
		"prose": "hello", "cut": "From " + strings.Repeat("a", 40) + " Mon Sep 17 00:00:00 2001\nSubject: x",
		"no subject": "From " + strings.Repeat("a", 40) + " Mon Sep 17 00:00:00 2001\nFrom: x\n\n", "header twice": "From " + strings.Repeat("a", 40) + " Mon Sep 17 00:00:00 2001\nSubject: x\nSubject: y\n\n",
		"too many": strings.Repeat(string(FormatSeries(steps[1:2])), MaxSteps+1),
	} {
		if steps, err := ParseSeries([]byte(data)); !errors.Is(err, ErrSeries) {
			t.Errorf("%s: have %v, %v; want ErrSeries", name, steps, err)
		}
	}
}

package policy

import (
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/seed"
)

func TestCanonical(t *testing.T) {
	for have, want := range map[string]string{
		"internal/a.go":                "internal/a.go",
		".GitHub/Workflows":            ".github/workflows",
		".g\u0131thub":                 ".github", // dotless i
		".G\u0130THUB":                 ".github", // dotted capital I
		"\u017feed.yaml":               "seed.yaml",
		"ma\u212aefile":                "makefile", // Kelvin sign
		"\uff0e\uff47\uff49\uff54":     ".git",     // full width
		"a\uff0fb":                     "a/b",
		"./a//b/.":                     "a/b",
		`a\b`:                          "a/b",
		".github /x":                   ".github/x",
		".github./x":                   ".github/x",
		".git::$INDEX_ALLOCATION/x":    ".git/x",
		".g\u200ci\ufe0ft\u00ad":       ".git",
		"a\U000e0041b":                 "ab",
		"Stra\u00dfe":                  "strasse",
		"caf\u00e9":                    "caf\u00e9",
		"cafe\u0301":                   "caf\u00e9",
		"":                             "",
		"../x":                         "../x",
		"x/...":                        "x",
		strings.Repeat("a/", 100) + "": strings.TrimSuffix(strings.Repeat("a/", 100), "/"),
	} {
		if got := canonical(have); got != want {
			t.Errorf("canonical(%q): have %q, want %q", have, got, want)
		}
	}
}

func TestDeviceName(t *testing.T) {
	for _, name := range []string{"con", "CON", "aux.go", "nul.txt.gz", "com1", "LPT9.x", "com\u00b9", "con .txt", "CONIN$", "prn:x"} {
		if !deviceName(name) {
			t.Errorf("%q is a device", name)
		}
	}
	for _, name := range []string{"console", "com", "com10", "auxiliary.go", "null", "x.con", "lpta"} {
		if deviceName(name) {
			t.Errorf("%q is no device", name)
		}
	}
}

func TestShortName(t *testing.T) {
	for name, want := range map[string]bool{"GITHUB~1": true, "git~1": true, "seed~1.yam": true, "SEED~12.YAM": true, "a~b": false, "file~": false,
		"~1": false, "longername~1": false, "x~1.tar.gz": false, "go.mod": false} {
		if have := shortName(name); have != want {
			t.Errorf("%q: have %v, want %v", name, have, want)
		}
	}
}

func TestIsDotGit(t *testing.T) {
	for name, want := range map[string]bool{".git": true, ".GIT": true, "git~1": true, ".git.": true, ".git ": true, ".git . ": true, ".git::$INDEX_ALLOCATION": true,
		".g\u200cit": true, ".gi\ufefft": true, `.git\config`: true, ".gitignore": false, ".github": false, "git": false, "x.git": false, "git~2": false} {
		if have := isDotGit(name); have != want {
			t.Errorf("%q: have %v, want %v", name, have, want)
		}
	}
}

// TestForbidsIsNoNarrowerThanTheSeed: whatever the seed's own reading of a glob
// names, the judge forbids.
func TestForbidsIsNoNarrowerThanTheSeed(t *testing.T) {
	globs := []string{"infra/**", "*.go", "**/secret/*", "apps/*", "a?c", "{x,y}/z", "[ab]/c", ".github/workflows/**", "docs"}
	paths := []string{"infra/x/y", "a.go", "a/secret/b", "apps/web/src/x.ts", "abc", "y/z/deep", "b/c", ".github/workflows/ci.yml", "docs/x", "docs"}
	for _, g := range globs {
		for _, p := range paths {
			if seed.Match(g, p) && !forbids(g, judged(p)) {
				t.Errorf("%s names %s and does not forbid it", g, p)
			}
			if seed.Match(g, p) && !forbids(g, judged(strings.ToUpper(p))) {
				t.Errorf("%s names %s and does not forbid it in capitals", g, p)
			}
		}
	}
}

// TestProtectedTablesAreCanonical: a row that is not in canonical form could
// never match.
func TestProtectedTablesAreCanonical(t *testing.T) {
	for _, rows := range [][]pattern{neverByAgents, alwaysAPerson, {{manifests, "manifest"}}} {
		x := newGlobIndex(rows)
		for _, p := range x.rows {
			if strings.ContainsAny(p.glob, "{}") || strings.ToLower(p.glob) != p.glob {
				t.Errorf("row %q", p.glob)
			}
			example := strings.NewReplacer("**/", "", "/**", "/x", "*", "x").Replace(p.glob)
			if canonical(example) != example {
				t.Errorf("row %q can name nothing canonical", p.glob)
			}
			if _, ok := x.find(example); !ok {
				t.Errorf("row %q does not cover %q", p.glob, example)
			}
			if _, ok := x.find("deep/" + example); strings.HasPrefix(p.glob, "**/") != ok && !strings.Contains(p.glob, ".git") && !strings.Contains(p.glob, "action") {
				t.Errorf("row %q, in a folder: %v", p.glob, ok)
			}
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{".GitHub/x", "a\u0130\u0307b", ".g\u200cit", "\uff0f\uff0e\uff0e", "i\u0307\u0307", "a\\..\\b", "x:y:z", "\xff\xfe", "\u2024git", "\u212b\u030a", ". . /x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := canonical(s)
		if twice := canonical(once); twice != once {
			t.Errorf("canonical(%q) is %q, again %q", s, once, twice)
		}
		if upper := canonical(strings.ToUpper(s)); isASCII(s) && upper != once {
			t.Errorf("%q and its capitals differ: %q, %q", s, once, upper)
		}
		for _, part := range strings.Split(once, "/") {
			if once != "" && (part == "" || part == "." || part != ".." && strings.TrimRight(part, ". ") != part) {
				t.Errorf("canonical(%q) is %q, with component %q", s, once, part)
			}
		}
		isDotGit(s)
		deviceName(s)
		shortName(s)
		collisionKey(s)
		leaves(s)
	})
}

// FuzzJudgeName: no name makes the judge fail to answer, and none that leaves
// the repository or is git's folder passes.
func FuzzJudgeName(f *testing.F) {
	for _, s := range []string{"a.go", "../x", ".git/x", "a\nb", "x/../y", "\xff", "C:\\x", "con", ".github/x"} {
		f.Add(s)
	}
	s, err := seed.Parse("seed.yaml", []byte(plainSeed))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		c := made(t, map[string]string{name: "x\n"})
		_, v := Judge(s, c, Facts{Agent: true})
		r, _ := v.Result("paths")
		if (leaves(name) || isDotGit(strings.SplitN(name, "/", 2)[0])) && r.Outcome != Fail {
			t.Errorf("%q: %s", name, r.Outcome)
		}
		checkComplete(t, v)
		for _, line := range strings.Split(v.Text(), "\n") {
			if strings.ContainsAny(line, "\x1b\r\x07\x00") {
				t.Errorf("%q writes a control character to the terminal: %q", name, line)
			}
		}
	})
}

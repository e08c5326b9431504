package seed

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"apps/*", "apps/web/src/x.ts", true},
		{"apps/*", "apps/x.ts", true},
		{"apps/*", "apps", false},
		{"apps/*", "packages/apps/x", false},
		{"apps", "apps/web/x.ts", true},
		{"apps", "apps2/x.ts", false},
		{"apps/web/src/**", "apps/web/src/a/b.ts", true},
		{"apps/web/src/**", "apps/web/x.ts", false},
		{"**", "any/thing", true},
		{"**/*_test.go", "a/b/x_test.go", true},
		{"**/*_test.go", "x_test.go", true},
		{"*.go", "x.go", true},
		{"*.go", "a/x.go", false},
		{"a/{b,c}/**", "a/c/x", true},
		{"a/{b,c}/**", "a/d/x", false},
		{"seed.yaml", "seed.yaml", true},
		{"seed.yaml", "a/seed.yaml", false},
		{`app/\[id\]/**`, "app/[id]/page.tsx", true},
		{"app/[id]/**", "app/[id]/page.tsx", false},
		{"app/[id]/**", "app/i/page.tsx", true},
		{"a[", "a[", false},
		{"./x", "x", false},
		{"/x", "x", false},
		{"infra/", "infra/x", false},
		{"x", "", false},
		{"", "x", false},
		{"*", ".github/workflows/ci.yml", true},
		{"ü/*", "ü/x", true},
	} {
		if have := Match(c.pattern, c.path); have != c.want {
			t.Errorf("Match(%q, %q): have %v, want %v", c.pattern, c.path, have, c.want)
		}
	}
}

// A pattern that a seed may hold cannot make matching slow.
func TestMatchIsFast(t *testing.T) {
	path := strings.Repeat("a/", 200) + "b"
	for _, p := range []string{strings.Repeat("**/a/", 50) + "c", strings.Repeat("*a*", 60) + "c", strings.Repeat("{a,b}", 40) + "c", strings.Repeat("{a,", 60) + "b" + strings.Repeat("}", 60), strings.Repeat("**/", 90) + "c"} {
		start := time.Now()
		if isGlob(p) {
			Match(p, path)
			Match(p, strings.Repeat("a", 250)+"/x")
		}
		if spent := time.Since(start); spent > time.Second {
			t.Errorf("%s: took %s", short(p), spent)
		}
	}
}

func TestAccess(t *testing.T) {
	access := func(body string) string { return smallest + "automation_contract:\n  ai_access:\n" + body }
	full := access("    read_paths: [\"docs/**\"]\n    write_paths: [\"apps/*\", go.mod]\n    disallowed_writes: [\"apps/infra/**\", \"**/*.lock\"]\n")
	for _, c := range []struct {
		name, text, path  string
		writable, reading bool
		by                string
	}{
		{"no lists: all is open", smallest, "any/x.go", true, true, "write_paths (**) default"},
		{"inside allow", full, "apps/web/x.ts", true, true, "write_paths (apps/*) seed.yaml:7"},
		{"second pattern", full, "go.mod", true, true, "write_paths (go.mod) seed.yaml:7"},
		{"outside allow", full, "cmd/x.go", false, false, "write_paths seed.yaml:7"},
		{"only to read", full, "docs/x.md", false, true, "write_paths seed.yaml:7"},
		{"deny wins", full, "apps/infra/main.tf", false, false, "disallowed_writes (apps/infra/**) seed.yaml:8"},
		{"deny wins in any case of letters", full, "apps/Infra/main.tf", false, false, "disallowed_writes (apps/infra/**) seed.yaml:8"},
		{"deny at any depth", full, "apps/web/pnpm.lock", false, false, "disallowed_writes (**/*.lock) seed.yaml:8"},
		{"allow minds the case of letters", full, "Apps/web/x.ts", false, false, "write_paths seed.yaml:7"},
		{"deny alone", access("    disallowed_writes: [infra]\n"), "infra/x", false, true, "disallowed_writes (infra) seed.yaml:6"},
		{"deny alone leaves the rest", access("    disallowed_writes: [infra]\n"), "x", true, true, "write_paths (**) default"},
		{"empty write_paths opens nothing", access("    write_paths: []\n"), "x", false, true, "write_paths seed.yaml:6"},
		{"empty read_paths leaves what may be written", access("    read_paths: []\n    write_paths: [a]\n"), "a/x", true, true, "write_paths (a) seed.yaml:7"},
		{"empty read_paths", access("    read_paths: []\n    write_paths: [a]\n"), "b/x", false, false, "write_paths seed.yaml:7"},
		{"not canonical", smallest, "a/../b", false, false, "write_paths default"},
		{"not canonical with a dot", smallest, "./b", false, false, "write_paths default"},
		{"absolute", smallest, "/b", false, false, "write_paths default"},
		{"backslash", smallest, `a\b`, false, false, "write_paths default"},
		{"the root", smallest, ".", false, false, "write_paths default"},
		{"no name", smallest, "", false, false, "write_paths default"},
		{"control character", smallest, "a\nb", false, false, "write_paths default"},
	} {
		s := mustParse(t, c.text)
		writable, by := s.Writable(c.path)
		readable, _ := s.Readable(c.path)
		if writable != c.writable || readable != c.reading || by.String() != c.by {
			t.Errorf("%s: %q: have writable %v, readable %v, by %s; want %v, %v, %s", c.name, c.path, writable, readable, by, c.writable, c.reading, c.by)
		}
	}
}

// With read_paths alone writing is as narrow as reading: nothing is changed
// that no prompt may quote.
func TestReadPathsAloneNarrowBoth(t *testing.T) {
	s := mustParse(t, smallest+"automation_contract: {ai_access: {read_paths: [docs]}}\n")
	for path, want := range map[string]bool{"docs/x.md": true, "secret/x": false} {
		readable, _ := s.Readable(path)
		writable, by := s.Writable(path)
		if readable != want || writable != want {
			t.Errorf("%s: have readable %v, writable %v by %s, want %v", path, readable, writable, by, want)
		}
	}
}

// What may be written may be read, and adding a deny never opens anything.
func TestAccessProperties(t *testing.T) {
	pool := []string{"a", "a/*", "a/**", "b/c", "**/*.go", "{a,b}/x", "*"}
	paths := []string{"a", "a/x", "a/x/y.go", "b/c", "b/c/d", "z.go", "A/x"}
	list := func(bits int) []string {
		out := []string{}
		for i, p := range pool {
			if bits&(1<<i) != 0 {
				out = append(out, fmt.Sprintf("%q", p))
			}
		}
		return out
	}
	for bits := range 1 << len(pool) {
		text := func(deny []string) string {
			return fmt.Sprintf("%sautomation_contract: {ai_access: {write_paths: [%s], read_paths: [%s], disallowed_writes: [%s]}}\n",
				smallest, strings.Join(list(bits), ","), strings.Join(list(bits*5%127), ","), strings.Join(deny, ","))
		}
		without, with := mustParse(t, text(nil)), mustParse(t, text(list(bits*3%127)))
		for _, p := range paths {
			open, _ := without.Writable(p)
			denied, _ := with.Writable(p)
			readable, _ := with.Readable(p)
			if denied && !open || denied && !readable {
				t.Fatalf("%s: writable %v without and %v with deny, readable %v\n%s", p, open, denied, readable, text(list(bits*3%127)))
			}
		}
	}
}

// Globs that can never name a file as they are written come with the one that
// was probably meant.
func TestPatterns(t *testing.T) {
	s := mustParse(t, smallest+"automation_contract: {ai_access: {write_paths: [\"./x\", /x, infra/, \"app/[id]/**\", \"a/**\"], disallowed_writes: [\"!b\"]}}\nworkers: {w: {paths: [\"[a-z]/x\", \"//y\"]}}\n")
	want := map[string]string{
		"automation_contract.ai_access.write_paths[0]":       "x",
		"automation_contract.ai_access.write_paths[1]":       "x",
		"automation_contract.ai_access.write_paths[2]":       "infra/**",
		"automation_contract.ai_access.write_paths[3]":       `app/\[id\]/**`,
		"automation_contract.ai_access.write_paths[4]":       "",
		"automation_contract.ai_access.disallowed_writes[0]": "b",
		"workers.w.paths[0]":                                 "",
		"workers.w.paths[1]":                                 "y",
	}
	have := s.Patterns()
	if len(have) != len(want) {
		t.Errorf("have %d patterns, want %d", len(have), len(want))
	}
	for _, p := range have {
		if p.Meant != want[p.Key] || p.Place.Line == 0 || p.Place != s.At(p.Key) {
			t.Errorf("have %+v, want meant %q", p, want[p.Key])
		}
		if p.Meant != "" && meant(p.Meant) != "" {
			t.Errorf("%s: the pattern meant, %s, is suspect as well", p.Glob, p.Meant)
		}
	}
}

// A pattern that names a folder names everything below it; nothing crashes.
func FuzzMatch(f *testing.F) {
	f.Add("apps/*", "apps/web", "x.ts")
	f.Add("{a,b}/**", "a", "b")
	f.Add("[", "[", "]")
	f.Add("**/*[a-z]?", "q/w", "e")
	f.Fuzz(func(t *testing.T, pattern, folder, name string) {
		if len(pattern)+len(folder)+len(name) > 500 || !isPath(folder+"/"+name) || !isPath(folder) {
			return
		}
		if Match(pattern, folder) && !Match(pattern, folder+"/"+name) {
			t.Errorf("%q names %q and not %q below it", pattern, folder, name)
		}
	})
}

package policy

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// A glob of the seed names a file by its path or by any folder above it, as in
// CODEOWNERS: apps/* covers apps/web/src/x.ts.

// covers matches the exact bytes of a path. It is for what is permitted.
func covers(glob, path string) bool {
	glob = tidyGlob(glob)
	return matches(glob, path) || matches(glob+"/**", path)
}

// matches leaves out the check of the pattern's syntax: seed.Parse refuses a
// bad one with its line, and here it would match nothing.
func matches(glob, path string) bool { return doublestar.MatchUnvalidated(glob, path) }

// forbids matches the exact path and its canonical form against the glob and
// the glob's canonical form. It is for what is denied.
func forbids(glob string, p judgedPath) bool {
	return covers(glob, p.exact) || covers(foldGlob(glob), p.canonical)
}

// judgedPath is a path in both forms, the canonical one computed once.
type judgedPath struct{ exact, canonical string }

func judged(path string) judgedPath { return judgedPath{exact: path, canonical: canonical(path)} }

// tidyGlob reads ./x, /x and x/ as x, which is what people mean by them.
func tidyGlob(glob string) string {
	glob = strings.TrimPrefix(strings.TrimPrefix(glob, "./"), "/")
	if glob != "/" {
		glob = strings.TrimSuffix(glob, "/")
	}
	return glob
}

// foldGlob folds case and form of a pattern and leaves its signs alone.
func foldGlob(glob string) string { return foldCompat(tidyGlob(glob)) }

// coversAny gives the first glob that covers the path.
func coversAny(globs []string, path string) (int, bool) {
	for i, g := range globs {
		if covers(g, path) {
			return i, true
		}
	}
	return 0, false
}

// forbidsAny gives the first glob that forbids the path.
func forbidsAny(globs []string, p judgedPath) (int, bool) {
	for i, g := range globs {
		if forbids(g, p) {
			return i, true
		}
	}
	return 0, false
}

// globIndex answers which row of a table covers a canonical path. Rows without
// wildcards, nearly all, are looked up; only the others are matched one by one.
type globIndex struct {
	rows    []pattern      // braces written out
	byPath  map[string]int // path or folder from the root
	byBase  map[string]int // file or folder name anywhere
	matched []numberedGlob // in the order of rows
}

type numberedGlob struct {
	glob string
	row  int
	base bool // match one component, anywhere
}

func newGlobIndex(rows []pattern) *globIndex {
	x := &globIndex{byPath: map[string]int{}, byBase: map[string]int{}}
	for _, p := range rows {
		for _, glob := range braces(p.glob) {
			x.add(strings.TrimSuffix(glob, "/**"), len(x.rows))
			x.rows = append(x.rows, pattern{glob: glob, what: p.what})
		}
	}
	return x
}

func (x *globIndex) add(glob string, row int) {
	rest, anywhere := strings.CutPrefix(glob, "**/")
	wild := strings.ContainsAny(rest, "*?[")
	switch {
	case anywhere && !wild && !strings.Contains(rest, "/"):
		addFirst(x.byBase, rest, row)
	case !anywhere && !wild:
		addFirst(x.byPath, glob, row)
	default:
		base := anywhere && !strings.Contains(rest, "/")
		if base {
			glob = rest
		}
		x.matched = append(x.matched, numberedGlob{glob: glob, row: row, base: base})
	}
}

func addFirst(m map[string]int, key string, row int) {
	if _, ok := m[key]; !ok {
		m[key] = row
	}
}

// find gives the first row that covers the path or one of its folders.
func (x *globIndex) find(path string) (pattern, bool) {
	best := len(x.rows)
	take := func(row int, ok bool) {
		if ok && row < best {
			best = row
		}
	}
	for start := 0; start <= len(path); {
		end := len(path)
		if i := strings.IndexByte(path[start:], '/'); i >= 0 {
			end = start + i
		}
		row, ok := x.byBase[path[start:end]]
		take(row, ok)
		row, ok = x.byPath[path[:end]]
		take(row, ok)
		for _, g := range x.matched {
			if g.base && g.row < best {
				take(g.row, matches(g.glob, path[start:end]))
			}
		}
		start = end + 1
	}
	for _, g := range x.matched {
		if !g.base && g.row < best {
			take(g.row, covers(g.glob, path))
		}
	}
	if best == len(x.rows) {
		return pattern{}, false
	}
	return x.rows[best], true
}

// braces writes out {a,b}; our own tables do not nest them.
func braces(glob string) []string {
	before, rest, ok := strings.Cut(glob, "{")
	if !ok {
		return []string{glob}
	}
	inner, after, ok := strings.Cut(rest, "}")
	if !ok {
		return []string{glob}
	}
	var all []string
	for _, alternative := range strings.Split(inner, ",") {
		for _, tail := range braces(after) {
			all = append(all, before+alternative+tail)
		}
	}
	return all
}

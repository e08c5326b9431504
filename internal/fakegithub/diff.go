package fakegithub

import (
	"fmt"
	"strconv"
	"strings"
)

// fileDiff is one changed file between two trees.
type fileDiff struct {
	Path, Previous string
	Status         string // added, removed, modified, renamed, changed
	SHA            string // the blob after, or before when removed
	Added, Removed int
	Binary         bool
	Patch          string // hunks only; empty for binary files and pure renames
}

// diff compares two commits or trees by full name, with rename detection.
func (g *gitRepo) diff(a, b string) ([]fileDiff, error) {
	options := []string{"diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--full-index"}
	raw, err := g.fixed(append(options, "-z", "--raw", a, b)...)
	if err != nil {
		return nil, fmt.Errorf("comparing %s with %s: %w", a, b, err)
	}
	files := parseRaw(string(raw))
	if len(files) == 0 {
		return nil, nil
	}
	counts, err := g.fixed(append(options, "-z", "--numstat", a, b)...)
	if err != nil {
		return nil, fmt.Errorf("counting lines between %s and %s: %w", a, b, err)
	}
	countLines(files, string(counts))
	patch, err := g.fixed(append(options, "-p", a, b)...)
	if err != nil {
		return nil, fmt.Errorf("comparing %s with %s: %w", a, b, err)
	}
	attachPatches(files, string(patch))
	return files, nil
}

func parseRaw(raw string) []fileDiff {
	var files []fileDiff
	rec := strings.Split(raw, "\x00")
	for i := 0; i+1 < len(rec); {
		f := strings.Fields(strings.TrimPrefix(rec[i], ":"))
		if len(f) != 5 {
			break
		}
		d := fileDiff{Path: rec[i+1], SHA: f[3], Status: "modified"}
		i += 2
		switch f[4][0] {
		case 'A':
			d.Status = "added"
		case 'D':
			d.Status, d.SHA = "removed", f[2]
		case 'R':
			d.Status, d.Previous, d.Path = "renamed", d.Path, rec[i]
			i++
		case 'M', 'T':
			if f[2] == f[3] {
				d.Status = "changed"
			}
		}
		files = append(files, d)
	}
	return files
}

func countLines(files []fileDiff, numstat string) {
	rec := strings.Split(numstat, "\x00")
	for n, i := 0, 0; n < len(files) && i < len(rec); n++ {
		f := strings.SplitN(rec[i], "\t", 3)
		if len(f) != 3 {
			return
		}
		files[n].Binary = f[0] == "-"
		files[n].Added, _ = strconv.Atoi(f[0])
		files[n].Removed, _ = strconv.Atoi(f[1])
		i++
		if f[2] == "" { // a rename: two more records hold the names
			i += 2
		}
	}
}

// attachPatches cuts a patch at its "diff --git" lines. No line of content can
// begin so, because each carries a prefix, and git keeps --raw's order.
func attachPatches(files []fileDiff, patch string) {
	parts := strings.Split("\n"+patch, "\ndiff --git ")
	for i := range files {
		if i+1 >= len(parts) || files[i].Binary {
			continue
		}
		if at := strings.Index(parts[i+1], "\n@@ "); at >= 0 {
			files[i].Patch = strings.TrimSuffix(parts[i+1][at+1:], "\n")
		}
	}
}

// place is where a diff line stands: its position below the first hunk header
// and the hunk up to it.
type place struct {
	Position int
	Hunk     string
	OldLine  int
	NewLine  int
}

// locate finds a line of one side (LEFT is the old file, RIGHT the new) in a patch.
func locate(patch, side string, line int) (place, bool) {
	return scanPatch(patch, func(p place, mark byte) bool {
		if side == "LEFT" {
			return mark != '+' && p.OldLine == line
		}
		return mark != '-' && p.NewLine == line
	})
}

// locatePosition finds the n-th line below the first hunk header.
func locatePosition(patch string, n int) (place, bool) {
	return scanPatch(patch, func(p place, _ byte) bool { return p.Position == n })
}

func scanPatch(patch string, want func(p place, mark byte) bool) (place, bool) {
	var hunk []string
	var oldLine, newLine int
	for i, text := range strings.Split(patch, "\n") {
		if strings.HasPrefix(text, "@@ ") {
			oldLine, newLine = hunkStart(text)
			hunk = []string{text}
			continue
		}
		if text == "" {
			text = " "
		}
		hunk = append(hunk, text)
		p := place{Position: i, Hunk: strings.Join(hunk, "\n")}
		switch text[0] {
		case '+':
			p.NewLine = newLine
			newLine++
		case '-':
			p.OldLine = oldLine
			oldLine++
		case ' ':
			p.OldLine, p.NewLine = oldLine, newLine
			oldLine, newLine = oldLine+1, newLine+1
		default:
			continue // "\ No newline at end of file"
		}
		if want(p, text[0]) {
			return p, true
		}
	}
	return place{}, false
}

// hunkStart reads the first lines out of "@@ -a,b +c,d @@".
func hunkStart(header string) (oldLine, newLine int) {
	f := strings.Fields(header)
	if len(f) < 3 {
		return 0, 0
	}
	first := func(s string) int {
		n, _, _ := strings.Cut(s[1:], ",")
		v, _ := strconv.Atoi(n)
		return v
	}
	return first(f[1]), first(f[2])
}

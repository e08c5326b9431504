package change

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// Line is one line of a hunk. Old and New are 1-based line numbers, 0 on the
// side where the line does not exist. Text has no line feed; a carriage return
// stays, since changing it changes the file.
type Line struct {
	Op    byte // ' ', '-' or '+'
	Old   int
	New   int
	Text  string
	NoEOL bool // the file ends here without a line feed
}

// Hunk is a run of differing lines with up to three equal lines around it. A
// start is 1-based; as in a unified diff it is the line before when its side has
// no lines, 0 at the top.
type Hunk struct {
	OldStart, OldLines int
	NewStart, NewLines int
	Lines              []Line
}

// around is how many equal lines a hunk shows on either side.
const around = 3

// Hunks gives the line differences of a file whose contents were loaded.
// Binary contents are compared as text all the same: what looks binary may be
// text with a NUL put in to hide it.
func (f File) Hunks() []Hunk {
	old, new := splitLines(string(f.Old)), splitLines(string(f.New))
	return hunks(old, new, matches(old, new))
}

// Counts gives the added and deleted lines.
func (f File) Counts() (added, deleted int) {
	old, new := splitLines(string(f.Old)), splitLines(string(f.New))
	equal := len(matches(old, new))
	return len(new) - equal, len(old) - equal
}

// Added gives the added lines with their new line numbers.
func (f File) Added() []Line {
	var lines []Line
	for _, h := range f.Hunks() {
		for _, l := range h.Lines {
			if l.Op == '+' {
				lines = append(lines, l)
			}
		}
	}
	return lines
}

// Counts sums the lines of all files and counts the files.
func (s Set) Counts() (files, added, deleted int) {
	for _, f := range s.Files {
		a, d := f.Counts()
		added, deleted = added+a, deleted+d
	}
	return len(s.Files), added, deleted
}

// splitLines keeps the line feeds, so that a missing last one is a difference.
func splitLines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	return lines[:len(lines)-1+min(1, len(lines[len(lines)-1]))]
}

// pair is a line of the old and a line of the new text that are equal, 0-based.
type pair struct{ old, new int }

// maxExact bounds the lines of both sides that are compared exactly: the
// algorithm takes quadratic time where everything differs, and what is compared
// here was chosen by strangers.
const maxExact = 10_000

// maxCuts bounds how often a stretch is cut within a cut; each round looks at
// every line once.
const maxCuts = 8

// matches pairs equal lines, ascending on both sides, as many as can be: the
// rest is what was added and deleted. The result depends on nothing but the
// lines. Stretches of more than maxExact lines are first cut at lines that occur
// once on either side; one that cannot be cut counts as replaced as a whole,
// so that the worst a hostile file can get is a larger change.
func matches(old, new []string) []pair {
	m := matcher{ids: map[string]rune{}}
	m.old, m.new = m.number(old), m.number(new)
	m.between(0, len(old), 0, len(new), maxCuts)
	return m.pairs
}

// matcher compares lines as runes, one rune for each distinct line, because
// that is what go-diff compares.
type matcher struct {
	ids      map[string]rune
	old, new []rune
	pairs    []pair
}

func (m *matcher) number(lines []string) []rune {
	out := make([]rune, len(lines))
	for i, line := range lines {
		id, ok := m.ids[line]
		if !ok {
			id = wordRune(len(m.ids))
			m.ids[line] = id
		}
		out[i] = id
	}
	return out
}

// between matches old[a:b] with new[c:d].
func (m *matcher) between(a, b, c, d, cuts int) {
	for a < b && c < d && m.old[a] == m.new[c] {
		m.pairs = append(m.pairs, pair{a, c})
		a, c = a+1, c+1
	}
	tail := 0
	for a < b && c < d && m.old[b-1] == m.new[d-1] {
		b, d, tail = b-1, d-1, tail+1
	}
	old, new := shared(m.old, m.new, a, b, c, d)
	switch {
	case len(old) == 0 || len(new) == 0:
	case len(old)+len(new) <= maxExact:
		m.exact(old, new)
	case cuts > 0:
		m.cut(a, b, c, d, cuts-1)
	}
	for i := range tail {
		m.pairs = append(m.pairs, pair{b + i, d + i})
	}
}

// shared gives the positions of lines that occur on both sides: the others can
// have no partner, and leaving them out makes most comparisons small.
func shared(old, new []rune, a, b, c, d int) (inOld, inNew []int) {
	here := map[rune]bool{}
	for _, id := range old[a:b] {
		here[id] = true
	}
	there := map[rune]bool{}
	for i := c; i < d; i++ {
		if here[new[i]] {
			there[new[i]] = true
			inNew = append(inNew, i)
		}
	}
	for i := a; i < b; i++ {
		if there[old[i]] {
			inOld = append(inOld, i)
		}
	}
	return inOld, inNew
}

func (m *matcher) exact(old, new []int) {
	pick := func(all []rune, at []int) []rune {
		out := make([]rune, len(at))
		for i, n := range at {
			out[i] = all[n]
		}
		return out
	}
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0 // a time limit would let the machine's mood decide
	o, n := 0, 0
	for _, d := range dmp.DiffMainRunes(pick(m.old, old), pick(m.new, new), false) {
		size := utf8.RuneCountInString(d.Text)
		switch d.Type {
		case diffmatchpatch.DiffDelete:
			o += size
		case diffmatchpatch.DiffInsert:
			n += size
		default:
			for range size {
				m.pairs = append(m.pairs, pair{old[o], new[n]})
				o, n = o+1, n+1
			}
		}
	}
}

// cut pairs lines that occur once on either side, the longest ascending run of
// them (patience diff), and matches what lies between.
func (m *matcher) cut(a, b, c, d, cuts int) {
	for _, p := range append(m.anchors(a, b, c, d), pair{b, d}) {
		m.between(a, p.old, c, p.new, cuts)
		if p.old < b {
			m.pairs = append(m.pairs, p)
		}
		a, c = p.old+1, p.new+1
	}
}

func (m *matcher) anchors(a, b, c, d int) []pair {
	type count struct{ old, new, at int }
	counts := map[rune]*count{}
	for _, id := range m.old[a:b] {
		if counts[id] == nil {
			counts[id] = &count{}
		}
		counts[id].old++
	}
	for i := c; i < d; i++ {
		if n := counts[m.new[i]]; n != nil {
			n.new++
			n.at = i
		}
	}
	var once []pair
	for i := a; i < b; i++ {
		if n := counts[m.old[i]]; n.old == 1 && n.new == 1 {
			once = append(once, pair{i, n.at})
		}
	}
	return ascending(once)
}

// ascending gives the longest subsequence whose new positions ascend.
func ascending(pairs []pair) []pair {
	var tops []int // index of the lowest end of a run of each length
	before := make([]int, len(pairs))
	for i, p := range pairs {
		k, _ := slices.BinarySearchFunc(tops, p.new, func(top, at int) int { return pairs[top].new - at })
		before[i] = -1
		if k > 0 {
			before[i] = tops[k-1]
		}
		if k == len(tops) {
			tops = append(tops, i)
		} else {
			tops[k] = i
		}
	}
	if len(tops) == 0 {
		return nil
	}
	var run []pair
	for i := tops[len(tops)-1]; i >= 0; i = before[i] {
		run = append(run, pairs[i])
	}
	slices.Reverse(run)
	return run
}

// hunks groups the lines that have no partner, with equal lines around them;
// groups less than two such margins apart are one.
func hunks(old, new []string, equal []pair) []Hunk {
	var out []Hunk
	o, n := 0, 0
	for _, p := range append(equal, pair{len(old), len(new)}) {
		if p.old > o || p.new > n {
			out = extend(out, old, new, o, p.old, n, p.new)
		}
		o, n = p.old+1, p.new+1
	}
	for i := range out {
		finish(&out[i], old, new)
	}
	return out
}

// extend adds the difference old[o:oEnd], new[n:nEnd] to the last hunk when it
// is near, else to a new one.
func extend(out []Hunk, old, new []string, o, oEnd, n, nEnd int) []Hunk {
	if k := len(out) - 1; k >= 0 && o-(out[k].OldStart+out[k].OldLines) <= 2*around {
		out[k].equal(old, o)
	} else {
		lead := min(around, o)
		out = append(out, Hunk{OldStart: o - lead, NewStart: n - lead})
		out[len(out)-1].equal(old, o)
	}
	h := &out[len(out)-1]
	for i := o; i < oEnd; i++ {
		h.OldLines++
		h.Lines = append(h.Lines, line('-', i+1, 0, old[i]))
	}
	for i := n; i < nEnd; i++ {
		h.NewLines++
		h.Lines = append(h.Lines, line('+', 0, i+1, new[i]))
	}
	return out
}

// equal adds the equal lines up to old line to (0-based, excluded).
func (h *Hunk) equal(old []string, to int) {
	for i := h.OldStart + h.OldLines; i < to; i++ {
		h.Lines = append(h.Lines, line(' ', i+1, h.NewStart+h.NewLines+1, old[i]))
		h.OldLines++
		h.NewLines++
	}
}

// finish adds the equal lines after a hunk and makes its starts 1-based.
func finish(h *Hunk, old, new []string) {
	end := h.OldStart + h.OldLines
	h.equal(old, min(end+around, len(old)))
	if h.OldLines > 0 {
		h.OldStart++
	}
	if h.NewLines > 0 {
		h.NewStart++
	}
}

func line(op byte, old, new int, text string) Line {
	trimmed := strings.TrimSuffix(text, "\n")
	return Line{Op: op, Old: old, New: new, Text: trimmed, NoEOL: trimmed == text}
}

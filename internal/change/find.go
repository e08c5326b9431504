package change

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// find climbs down the ladder until SEARCH is found, and narrows the place to
// the lines that change.
func (a *applier) find(t *text, edit int) (span, bool) {
	search, _ := splitEnds(a.edits[edit].Search)
	replace, _ := splitEnds(a.edits[edit].Replace)
	if len(search) > 0 {
		search[0] = strings.TrimPrefix(search[0], "\ufeff")
	}
	if len(replace) > 0 {
		replace[0] = strings.TrimPrefix(replace[0], "\ufeff")
	}
	for r, rung := range ladder {
		places, ok := t.on(r).find(search, rung.key)
		switch {
		case !ok:
			a.refuse(edit, Ambiguous, "the file is too repetitive here to say where SEARCH belongs: quote lines that occur once")
			return span{}, false
		case len(places) > 1 && !slices.Equal(search, replace):
			a.ambiguous(t, edit, search, places)
			return span{}, false
		case len(places) > 0:
			return t.place(edit, places[0], search, replace, rung.name), true
		}
	}
	if from, ok := t.standing(search, replace); ok {
		return span{edit: edit, from: from, to: from, rung: AlreadyApplied}, true
	}
	a.notFound(t, edit, search)
	return span{}, false
}

// place makes the span for a block found at from. Equal lines at both ends of
// SEARCH and REPLACE are left out of it, so that they keep the file's own bytes
// and may be shared with other blocks.
func (t *text) place(edit, from int, search, replace []string, rung string) span {
	s := span{edit: edit, from: from, to: from + len(search), lines: replace, rung: rung}
	if slices.Equal(search, replace) || t.inserted(from, search, replace) {
		s.rung = AlreadyApplied
		return s
	}
	head := 0
	for head < len(search) && head < len(replace) && search[head] == replace[head] {
		head++
	}
	tail := 0
	for tail < len(search)-head && tail < len(replace)-head && search[len(search)-1-tail] == replace[len(replace)-1-tail] {
		tail++
	}
	s.from, s.to, s.lines = from+head, s.to-tail, replace[head:len(replace)-tail]
	return s
}

// inserted says whether a block that only adds lines around SEARCH has been
// applied before: SEARCH is still there, and so is all of REPLACE around it.
func (t *text) inserted(from int, search, replace []string) bool {
	if len(replace) <= len(search) {
		return false
	}
	step := 1
	if len(search)*len(replace) > maxWork {
		step = len(replace) - len(search) // only lines before or lines after
	}
	for at := 0; at+len(search) <= len(replace); at += step {
		start := from - at
		if start < 0 || start+len(replace) > len(t.lines) || !slices.Equal(replace[at:at+len(search)], search) ||
			!slices.Equal(t.lines[start:start+len(replace)], replace) {
			continue
		}
		return telling(slices.Concat(replace[:at], replace[at+len(search):]))
	}
	return false
}

// standing says whether a block whose SEARCH is gone has been applied before:
// REPLACE stands in the file once, it is more than a few signs, and what it took
// out is not all there any more.
func (t *text) standing(search, replace []string) (int, bool) {
	exact := t.on(0)
	places, ok := exact.find(replace, ladder[0].key)
	if len(replace) == 0 || !ok || len(places) != 1 || !telling(replace) {
		return 0, false
	}
	kept := map[string]bool{}
	for _, line := range replace {
		kept[line] = true
	}
	loose := t.on(len(ladder) - 1)
	for _, line := range search {
		_, there := loose.ids[ladder[len(ladder)-1].key(line)]
		if !kept[line] && !there {
			return places[0], true
		}
	}
	return 0, false
}

// minTelling is how many letters and digits it takes to believe that lines did
// not come to be equal by chance.
const minTelling = 12

func telling(lines []string) bool {
	n := 0
	for _, line := range lines {
		for _, r := range line {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				if n++; n >= minTelling {
					return true
				}
			}
		}
	}
	return false
}

// where tells the lines a span changes, for messages.
func (s span) where() string {
	if s.from == s.to {
		return fmt.Sprintf("the gap before line %d", s.from+1)
	}
	return fmt.Sprintf("lines %d-%d", s.from+1, s.to)
}

// ambiguous tells every place, up to maxPlaces.
func (a *applier) ambiguous(t *text, edit int, search []string, places []int) {
	more := ""
	if len(places) > maxPlaces {
		places, more = places[:maxPlaces], " and more"
	}
	var at []string
	for _, p := range places {
		at = append(at, fmt.Sprintf("%d-%d", p+1, p+len(search)))
	}
	a.refuse(edit, Ambiguous, "SEARCH is in the file more than once, at lines %s%s: add lines around it until it is there once",
		strings.Join(at, ", "), more)
}

// Bounds of what a refusal quotes.
const (
	maxShown     = 20  // refusals of a reply that quote the nearest text
	maxQuote     = 30  // lines
	maxLineQuote = 200 // bytes
)

// notFound shows the nearest text and the first line that differs from it.
func (a *applier) notFound(t *text, edit int, search []string) {
	if len(t.lines) == 0 {
		a.refuse(edit, NotFound, "SEARCH is not in the file, which is empty: leave SEARCH empty to fill it")
		return
	}
	a.shown++
	from, ok := 0, false
	if a.shown <= maxShown {
		from, ok = t.nearest(search)
	}
	if !ok {
		a.refuse(edit, NotFound, "SEARCH is not in the file (%d lines), and no line like it: copy the lines from the file as they are now", len(t.lines))
		return
	}
	to := min(from+len(search), len(t.lines))
	a.refuse(edit, NotFound, "SEARCH is not in the file. %s The nearest text, lines %d-%d of the file:\n%sCopy the lines as they stand there.",
		t.firstDifference(from, search), from+1, to, t.quote(from, to))
}

func (t *text) firstDifference(from int, search []string) string {
	loosest := ladder[len(ladder)-1].key
	for i, want := range search {
		if from+i >= len(t.lines) {
			return fmt.Sprintf("Line %d of SEARCH is %s, but the file ends at line %d.", i+1, quoteLine(want), len(t.lines))
		}
		have := t.lines[from+i]
		if loosest(have) == loosest(want) {
			continue
		}
		hint := ""
		if strings.Join(strings.Fields(have), " ") == strings.Join(strings.Fields(want), " ") {
			hint = " They differ in white space only."
		}
		return fmt.Sprintf("First difference: line %d of SEARCH is %s, line %d of the file is %s.%s", i+1, quoteLine(want), from+i+1, quoteLine(have), hint)
	}
	return ""
}

func quoteLine(s string) string {
	if len(s) > maxLineQuote {
		s = s[:maxLineQuote] + "..."
	}
	return fmt.Sprintf("%q", s)
}

func (t *text) quote(from, to int) string {
	var b strings.Builder
	for i := from; i < min(to, from+maxQuote); i++ {
		line := t.lines[i]
		if len(line) > maxLineQuote {
			line = line[:maxLineQuote] + "..."
		}
		fmt.Fprintf(&b, "%d | %s\n", i+1, line)
	}
	if to > from+maxQuote {
		fmt.Fprintf(&b, "... (%d lines more)\n", to-from-maxQuote)
	}
	return b.String()
}

// maxVotes bounds how many places one line may vote for: a line that stands
// everywhere says nothing about where a block belongs.
const maxVotes = 50

// nearest gives the place where most lines of SEARCH stand, indentation aside,
// rare lines counting more; failing that, the line with the most words in common
// with the longest line of SEARCH.
func (t *text) nearest(search []string) (int, bool) {
	if t.trimmed == nil {
		t.trimmed = make(map[string][]int, len(t.lines))
		for i, line := range t.lines {
			key := strings.TrimSpace(line)
			if len(t.trimmed[key]) <= maxVotes {
				t.trimmed[key] = append(t.trimmed[key], i)
			}
		}
	}
	votes := map[int]float64{}
	for j, line := range search {
		key := strings.TrimSpace(line)
		places := t.trimmed[key]
		if key == "" || len(places) > maxVotes {
			continue
		}
		for _, at := range places {
			if at-j >= 0 {
				votes[at-j] += 1 / float64(len(places))
			}
		}
	}
	best, weight := 0, 0.0
	for at, w := range votes {
		if w > weight || w == weight && at < best {
			best, weight = at, w
		}
	}
	if weight > 0 {
		return best, true
	}
	return t.alike(search)
}

func (t *text) alike(search []string) (int, bool) {
	longest := 0
	for i, line := range search {
		if len(strings.TrimSpace(line)) > len(strings.TrimSpace(search[longest])) {
			longest = i
		}
	}
	want := map[string]bool{}
	for _, w := range words(search[longest]) {
		want[w] = true
	}
	best, score := 0, 0.0
	for i, line := range t.lines {
		if len(line) > 10_000 {
			continue
		}
		have := words(line)
		common := 0
		for _, w := range have {
			if want[w] {
				common++
			}
		}
		if s := float64(2*common) / float64(len(have)+len(want)+1); s > score {
			best, score = i, s
		}
	}
	return max(0, best-longest), score >= 0.3
}

func words(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
}

// placeholders refuses blocks whose REPLACE says that code was left out. A line
// that the file or SEARCH holds already is the author's own.
func (a *applier) placeholders(group []int, old []byte) bool {
	found := false
	for _, i := range group {
		e := a.edits[i]
		line, at := placeholder(e.Path, e.Replace)
		for at > 0 && (strings.Contains(e.Search, line) || strings.Contains(string(old), line)) {
			rest := at
			line, at = placeholder(e.Path, afterLine(e.Replace, at))
			if at > 0 {
				at += rest
			}
		}
		if at > 0 {
			a.refuse(i, Placeholder, "line %d of REPLACE stands for code left out: %s; write every line that shall be there, or quote less in SEARCH", at, quoteLine(line))
			found = true
		}
	}
	return found
}

func afterLine(s string, n int) string {
	for ; n > 0; n-- {
		_, s, _ = strings.Cut(s, "\n")
	}
	return s
}

var (
	// Words that, next to an ellipsis, say that something stays as it was.
	placeholderWords = regexp.MustCompile(`(?i)\b(rest|remainder|remaining|existing|unchanged|omitted|as before|same as|stays? the same|remains? the same|no changes?|snip(ped)?|truncated|keep)\b`)
	// Comments that say so without one.
	placeholderPhrase = regexp.MustCompile(`(?i)^((the )?(rest|remainder) of (the |this |your )?(\w+ ){0,2}(code|file|function|method|class|implementation|module|content)s?\b|(existing|remaining|unchanged|previous) (code|lines|implementation|content|methods|functions|imports)( (here|unchanged|omitted|stays?|remains?|goes here|as before).*)?\W*$)`)
	commentEnds       = regexp.MustCompile(`\s*(\*+/\}?|-->)$`)
	commentMarks      = regexp.MustCompile(`^(//+|#+|/\*+|--+|<!--|;+|%+|\{/\*+|\*)\s*`)
)

// placeholder gives the first line that stands for left-out code, and its number.
func placeholder(path, text string) (string, int) {
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		trimmed := strings.TrimSpace(line)
		if trimmed != "" && isPlaceholder(path, trimmed) {
			return trimmed, n
		}
	}
	return "", 0
}

func isPlaceholder(path, line string) bool {
	if len(line) > maxLineQuote {
		return false // prose or data; a placeholder is short
	}
	mark := commentMarks.FindString(line)
	body := strings.TrimSpace(commentEnds.ReplaceAllString(line[len(mark):], ""))
	dots := strings.Contains(body, "...") || strings.Contains(body, "…")
	switch {
	case line == "..." || line == "…":
		return !ellipsisIsCode(path)
	case mark != "" && (body == "..." || body == "…"):
		return true
	case mark == "" && !strings.HasPrefix(body, "...") && !strings.HasPrefix(body, "…") && !strings.HasPrefix(body, "["):
		return false
	case dots && placeholderWords.MatchString(body):
		return true
	}
	return mark != "" && !strings.HasSuffix(path, ".md") && placeholderPhrase.MatchString(strings.Trim(body, "[](){}<> "))
}

// ellipsisIsCode names the formats in which three dots alone mean something.
func ellipsisIsCode(path string) bool {
	for _, ext := range []string{".py", ".pyi", ".md", ".rst", ".txt", ".yaml", ".yml"} {
		if strings.HasSuffix(path, ext) {
			return true
		}
	}
	return false
}

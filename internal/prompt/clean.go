package prompt

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Note tells what cleaning did to a text, for the prompt and for people. Where
// says which text, empty when there is only one.
type Note struct {
	Where string
	What  string // "hidden content removed: 1 comment, 212 bytes"
}

// String is WHERE: WHAT.
func (n Note) String() string {
	if n.Where == "" {
		return n.What
	}
	return n.Where + ": " + n.What
}

// Clean makes a stranger's prose fit for a prompt and for people's eyes: at
// most MaxText bytes, HTML comments out (also those never closed), characters
// that cannot be seen or that reorder text out, control characters out, bytes
// that are no UTF-8 and NUL as U+FFFD, line ends as line feeds. Each of these is
// counted in a note; clean text has none.
//
// Clean of cleaned text changes nothing.
func Clean(text string) (string, []Note) { return cleanProse(text, MaxText) }

// cleanProse also removes HTML comments, after what could hide their marks.
func cleanProse(text string, limit int) (string, []Note) {
	text, notes := cleanText(text, limit)
	text, comments, size := dropComments(text)
	if comments > 0 {
		notes = append(notes, Note{What: fmt.Sprintf("hidden content removed: %s, %s", count(comments, "comment"), count(size, "byte"))})
	}
	return text, notes
}

// cleanText caps first, so that the work is bounded by the cap.
func cleanText(text string, limit int) (string, []Note) {
	var notes []Note
	if whole := len(text); whole > limit {
		text = text[:runeStart(text, limit)]
		notes = append(notes, Note{What: fmt.Sprintf("truncated: kept %d of %d bytes", len(text), whole)})
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if !strings.ContainsFunc(text, odd) && utf8.ValidString(text) {
		return text, notes
	}
	text, hidden, bad := dropOdd(text)
	if hidden > 0 {
		notes = append(notes, Note{What: fmt.Sprintf("invisible characters removed: %d", hidden)})
	}
	if bad > 0 {
		notes = append(notes, Note{What: fmt.Sprintf("unreadable bytes replaced: %d", bad)})
	}
	return text, notes
}

// runeStart is the last place at or before limit where a rune starts, but for
// bytes that are no UTF-8 anyway.
func runeStart(text string, limit int) int {
	for back := 0; back < utf8.UTFMax && limit-back > 0; back++ {
		if utf8.RuneStart(text[limit-back]) {
			return limit - back
		}
	}
	return limit
}

func odd(r rune) bool { return r == '\r' || r == 0 || r == utf8.RuneError || hides(r) }

// dropOdd removes what hides and replaces what cannot be read.
func dropOdd(text string) (clean string, hidden, bad int) {
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1, r == 0:
			bad++
			out.WriteRune(utf8.RuneError)
		case r == '\r':
			if i+1 == len(text) || text[i+1] != '\n' {
				out.WriteByte('\n')
			}
		case hides(r):
			hidden++
		default:
			out.WriteRune(r)
		}
		i += size
	}
	return out.String(), hidden, bad
}

// hides names characters that cannot be seen, reorder others, or steer a
// terminal: format characters (zero-width, bidi, soft hyphen, tags), variation
// selectors, fillers, controls and private use.
func hides(r rune) bool {
	switch {
	case r == '\n' || r == '\t' || r == '\r' || r == 0:
		return false
	case r < 0x80:
		return r < 0x20 || r == 0x7f
	}
	return unicode.In(r, unicode.Cf, unicode.Cc, unicode.Co, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) ||
		r == 0x2028 || r == 0x2029 || r == 0x2800
}

// dropComments removes HTML comments until none is left: taking one out may
// join the parts of another. Removed bytes count the marks as well.
func dropComments(text string) (clean string, comments, size int) {
	before := len(text)
	for strings.Contains(text, "<!--") {
		var n int
		text, n = dropOnce(text)
		comments += n
	}
	return text, comments, before - len(text)
}

func dropOnce(text string) (string, int) {
	var out strings.Builder
	n := 0
	for {
		start := strings.Index(text, "<!--")
		if start < 0 {
			out.WriteString(text)
			return out.String(), n
		}
		n++
		out.WriteString(text[:start])
		end := commentEnd(text[start:])
		if end < 0 {
			return out.String(), n
		}
		text = text[start+end:]
	}
}

// commentEnd finds where a comment that begins the text ends, by the rules of
// HTML (WHATWG 13.2.5.43 on), negative when it never does.
func commentEnd(text string) int {
	for _, empty := range []string{"<!-->", "<!--->"} {
		if strings.HasPrefix(text, empty) {
			return len(empty)
		}
	}
	end := -1
	for _, mark := range []string{"-->", "--!>"} {
		if i := strings.Index(text[4:], mark); i >= 0 && (end < 0 || 4+i+len(mark) < end) {
			end = 4 + i + len(mark)
		}
	}
	return end
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

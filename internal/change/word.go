package change

import (
	"strings"
	"time"
	"unicode"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// Piece is a run of text that both sides have (Op ' '), only the old ('-') or
// only the new one ('+').
type Piece struct {
	Op   byte
	Text string
}

// maxWords bounds the words of each side that are compared; longer texts come
// back as one deleted and one added piece.
const maxWords = 5_000

// WordDiff compares two texts word by word, for people to read: the old text is
// all pieces but the added ones, the new text all but the deleted ones.
func WordDiff(old, new string) []Piece {
	if old == new {
		return joined(Piece{' ', old})
	}
	// go-diff compares runes: each distinct word becomes one. Its own line mode
	// knows lines only.
	alphabet := &wordAlphabet{runes: map[string]rune{}}
	a, okOld := alphabet.encode(old)
	b, okNew := alphabet.encode(new)
	if !okOld || !okNew {
		return joined(Piece{'-', old}, Piece{'+', new})
	}
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = time.Duration(0) // the bound is on words: the same input gives the same pieces
	var pieces []Piece
	for _, d := range dmp.DiffCleanupMerge(dmp.DiffMainRunes(a, b, false)) {
		op := byte(' ')
		switch d.Type {
		case diffmatchpatch.DiffDelete:
			op = '-'
		case diffmatchpatch.DiffInsert:
			op = '+'
		}
		pieces = append(pieces, Piece{op, alphabet.decode(d.Text)})
	}
	return joined(pieces...)
}

// joined leaves out empty pieces and joins neighbours of one kind.
func joined(pieces ...Piece) []Piece {
	var out []Piece
	for _, p := range pieces {
		switch {
		case p.Text == "":
		case len(out) > 0 && out[len(out)-1].Op == p.Op:
			out[len(out)-1].Text += p.Text
		default:
			out = append(out, p)
		}
	}
	return out
}

// wordAlphabet stands one rune for each distinct word.
type wordAlphabet struct {
	runes map[string]rune
	words []string
}

func (a *wordAlphabet) encode(text string) ([]rune, bool) {
	var out []rune
	for len(text) > 0 {
		n := wordLength(text)
		word := text[:n]
		text = text[n:]
		r, ok := a.runes[word]
		if !ok {
			r = wordRune(len(a.words))
			a.runes[word] = r
			a.words = append(a.words, word)
		}
		if out = append(out, r); len(out) > maxWords {
			return nil, false
		}
	}
	return out, true
}

// wordRune numbers runes from 1 and jumps over the surrogates, which no string
// can hold.
func wordRune(n int) rune {
	if n+1 >= 0xD800 {
		return rune(n + 1 + 0x800)
	}
	return rune(n + 1)
}

func (a *wordAlphabet) decode(coded string) string {
	var b strings.Builder
	for _, r := range coded {
		if r >= 0xE000 {
			r -= 0x800
		}
		b.WriteString(a.words[r-1])
	}
	return b.String()
}

// wordLength gives the bytes of the first word: a run of letters, digits and
// underscores, a run of blanks, or one other sign.
func wordLength(text string) int {
	kind := 0
	for i, r := range text {
		k := wordKind(r)
		if i > 0 && (k != kind || k == 3) {
			return i
		}
		kind = k
	}
	return len(text)
}

func wordKind(r rune) int {
	switch {
	case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_':
		return 1
	case r == ' ' || r == '\t':
		return 2
	}
	return 3
}

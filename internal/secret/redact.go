package secret

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// Shortest pieces of a known secret that count, in letters and digits of the
// form in question. Twelve characters of a random key are far too many to be
// met by chance; encodings need more characters for the same twelve.
const (
	minPlainPiece  = 12
	minBase64Piece = 16
	minHexPiece    = 24
	gramSize       = 8 // forms shorter than this are matched only as they are
	minExact       = 4
	minVariety     = 5 // distinct characters of a piece that is not the whole
)

// form is one way to write a known secret, reduced to lower-case letters and
// digits, so that spacing, punctuation, line breaks and case do not matter.
type form struct {
	name     string // of the secret
	encoding string
	text     string
	piece    int // shortest piece that counts
}

// place is a position in a form.
type place struct {
	form, at int
}

// Redactor replaces known secrets, and tokens of well-known formats, by
// [redacted:name]. It is made once, never changes and is safe for concurrent
// use. A nil Redactor knows no values and still redacts token formats.
type Redactor struct {
	exact  []Known
	forms  []form
	grams  map[uint64][]place
	filter []uint64 // one bit per hash of a gram, to pass over ordinary text quickly
}

// NewRedactor prepares for the values given. Names end up in the output;
// anything but letters, digits, '_' and '-' in them becomes '_'.
func NewRedactor(known ...Known) *Redactor {
	r := &Redactor{grams: map[uint64][]place{}, filter: make([]uint64, filterWords)}
	for _, k := range known {
		k.Name = tidyName(k.Name)
		if len(k.Value) < minExact {
			continue
		}
		r.exact = append(r.exact, k)
		r.forms = append(r.forms, formsOf(k)...)
	}
	for f, form := range r.forms {
		for at := 0; at+gramSize <= len(form.text); at++ {
			g := gram(form.text[at:])
			r.grams[g] = append(r.grams[g], place{f, at})
			h := hashGram(g)
			r.filter[h/64] |= 1 << (h % 64)
		}
	}
	return r
}

const filterWords = 1 << 10 // 64 Ki bits

func hashGram(g uint64) uint64 { return g * 0x9e3779b97f4a7c15 >> 48 }

// gram packs the first eight bytes of s.
func gram(s string) uint64 {
	var g uint64
	for i := range gramSize {
		g = g<<8 | uint64(s[i])
	}
	return g
}

func tidyName(name string) string {
	tidy := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r < 0x80 && alnum[byte(r)] != 0 {
			return r
		}
		return '_'
	}, name)
	if tidy == "" {
		return "secret"
	}
	return tidy
}

// formsOf lists how a value may be written. Spaced and escaped texts need no
// form of their own: they are undone in the text that is searched.
func formsOf(k Known) []form {
	value := []byte(k.Value)
	backward := slices.Clone(value)
	slices.Reverse(backward)
	forms := []form{
		{k.Name, "plain", k.Value, minPlainPiece},
		{k.Name, "reversed", string(backward), minPlainPiece},
		{k.Name, "hex", hex.EncodeToString(value), minHexPiece},
		{k.Name, "hex", prefixedHex(value, "x"), minHexPiece + minHexPiece/2},
		{k.Name, "hex", prefixedHex(value, "0x"), 2 * minHexPiece},
		{k.Name, "hex", hex.EncodeToString(backward), minHexPiece},
	}
	for offset := range 3 {
		forms = append(forms,
			form{k.Name, "base64", base64At(value, offset), minBase64Piece},
			form{k.Name, "base64", base64At(backward, offset), minBase64Piece})
	}
	whole := forms[:0]
	for _, f := range forms {
		f.text = reduce(f.text)
		if len(f.text) >= gramSize {
			f.piece = min(f.piece, len(f.text))
			whole = append(whole, f)
		}
	}
	return whole
}

func prefixedHex(value []byte, prefix string) string {
	var b strings.Builder
	for _, c := range value {
		b.WriteString(prefix)
		b.WriteString(hex.EncodeToString([]byte{c}))
	}
	return b.String()
}

// base64At is the part of a base64 text that depends on value alone when offset
// bytes (modulo 3) stand before it and anything behind it. The URL alphabet
// differs only in characters that reduce drops.
func base64At(value []byte, offset int) string {
	text := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), value...))
	first := (offset*8 + 5) / 6
	last := (offset + len(value)) * 8 / 6
	return text[first:last]
}

// alnum maps letters and digits to lower case and everything else to zero.
var alnum = func() (table [256]byte) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z':
			table[c] = byte(c)
		case c >= 'A' && c <= 'Z':
			table[c] = byte(c) + 'a' - 'A'
		}
	}
	return table
}()

func reduce(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := alnum[s[i]]; c != 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Redact returns text with every secret replaced by [redacted:name]. The input
// is not changed; without a secret it is returned as it is.
func (r *Redactor) Redact(text []byte) []byte {
	spans := append(r.find(text), scan(text)...)
	if len(spans) == 0 {
		return text
	}
	sortSpans(spans)
	out := make([]byte, 0, len(text))
	at := 0
	for _, s := range merge(spans) {
		out = append(out, text[at:s.start]...)
		out = append(out, "[redacted:"+s.kind+"]"...)
		at = s.end
	}
	return append(out, text[at:]...)
}

// merge joins overlapping ranges under the name of the first known secret among
// them, or else of the first.
func merge(sorted []span) []span {
	var out []span
	for _, s := range sorted {
		if n := len(out); n > 0 && s.start < out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			if s.known && !out[n-1].known {
				out[n-1].kind, out[n-1].known = s.kind, true
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// Find tells where known secrets stand in text, in any form, without changing
// it: what leaves the process is refused rather than redacted.
func (r *Redactor) Find(text []byte) []Hit {
	return locate(text, r.find(text))
}

func (r *Redactor) find(text []byte) []span {
	if r == nil || len(r.exact) == 0 {
		return nil
	}
	spans := r.findExact(text)
	spans = append(spans, r.findForms(newView(text), "")...)
	if view, escaped := unescaped(text); escaped {
		spans = append(spans, r.findForms(view, "escaped")...)
	}
	return spans
}

// findExact finds values too short or too strange for forms.
func (r *Redactor) findExact(text []byte) []span {
	var spans []span
	s := string(text)
	for _, k := range r.exact {
		for at := 0; ; {
			i := strings.Index(s[at:], k.Value)
			if i < 0 {
				break
			}
			spans = append(spans, span{at + i, at + i + len(k.Value), k.Name, "plain", true})
			at += i + len(k.Value)
		}
	}
	return spans
}

// view is a text reduced to lower-case letters and digits, with the place in
// the original where each of them starts and ends.
type view struct {
	chars      []byte
	start, end []int32
	original   []byte
}

func newView(text []byte) view {
	v := view{original: text}
	v.grow(len(text))
	for i, c := range text {
		v.add(c, i, i+1)
	}
	return v
}

func (v *view) grow(n int) {
	v.chars = make([]byte, 0, n)
	v.start = make([]int32, 0, n)
	v.end = make([]int32, 0, n)
}

func (v *view) add(c byte, start, end int) {
	if c = alnum[c]; c != 0 {
		v.chars = append(v.chars, c)
		v.start = append(v.start, int32(start))
		v.end = append(v.end, int32(end))
	}
}

// findForms slides a window of eight characters over the view and extends each
// match as far as the form goes.
func (r *Redactor) findForms(v view, encoding string) []span {
	var spans []span
	var g uint64
	for i := 0; i < len(v.chars); i++ {
		g = g<<8 | uint64(v.chars[i])
		if i < gramSize-1 {
			continue
		}
		h := hashGram(g)
		if r.filter[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		from := i - gramSize + 1
		f, length := r.longest(v.chars[from:], r.grams[g])
		if length == 0 {
			continue
		}
		last := from + length - 1
		s := span{int(v.start[from]), int(v.end[last]), r.forms[f].name, r.forms[f].encoding, true}
		if encoding != "" {
			s.encoding = encoding
		} else if s.encoding == "plain" && s.end-s.start > 2*length {
			s.encoding = "spaced"
		}
		spans = append(spans, s)
		i, g = last, 0
		for k := max(last-gramSize+2, 0); k <= last; k++ {
			g = g<<8 | uint64(v.chars[k])
		}
	}
	return spans
}

// longest is the form that goes on longest from any of the places, and how
// long; zero when none reaches the length that counts.
func (r *Redactor) longest(text []byte, places []place) (form, length int) {
	for _, p := range places {
		f := r.forms[p.form]
		n := 0
		for n < len(text) && p.at+n < len(f.text) && text[n] == f.text[p.at+n] {
			n++
		}
		if n >= f.piece && n > length && (n == len(f.text) || varied(text[:n])) {
			form, length = p.form, n
		}
	}
	return form, length
}

// varied keeps a run of zeros inside a key from redacting every run of zeros.
func varied(text []byte) bool {
	var seen [256]bool
	n := 0
	for _, c := range text {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n >= minVariety
}

// Package secret finds secrets in text, redacts them, and never shows one.
//
// Two questions are answered. Scan asks "does this text hold something that
// looks like anybody's token?" by the published shapes of well-known token
// formats. A Redactor asks "does it hold one of these values?", however the
// value was written down: plain, spaced out, backwards, in base64 or hex,
// escaped, or with a piece cut off.
//
// Results carry kind and place and never the value. The package guards against
// accidents and against a model that was talked into leaking; it cannot see
// through encryption, compression or a cipher made up for the occasion, so no
// secret may depend on it alone.
package secret

import (
	"bytes"
	"slices"
)

// Hit is a secret found. Kind names the token format ("github_token") or the
// known secret ("model_key"). Line and Column are 1-based, Column in bytes, and
// point at the start of the token or of the encoded text that holds it.
type Hit struct {
	Kind     string
	Line     int
	Column   int
	Encoding string // "plain", "base64", "hex"; for known secrets also "reversed", "spaced", "escaped"
}

// Known is a secret whose value we hold, such as the model key. Values shorter
// than 4 bytes are ignored: they would redact ordinary words.
type Known struct {
	Name  string
	Value string
}

// span is a hit as a range of bytes.
type span struct {
	start, end int
	kind       string
	encoding   string
	known      bool // one of the values we hold, not just a shape
}

// Scan finds tokens of well-known formats, in plain text, in base64 and in hex.
// Placeholders and the examples of vendors' manuals are not hits. At most
// maxHits are returned, in the order of the text.
func Scan(text []byte) []Hit {
	return locate(text, scan(text))
}

// maxHits bounds the answer about a hostile text; one hit is already too many.
const maxHits = 1000

// locate turns ranges into places.
func locate(text []byte, spans []span) []Hit {
	sortSpans(spans)
	var hits []Hit
	line, lineStart, at := 1, 0, 0
	for _, s := range spans {
		if len(hits) == maxHits {
			break
		}
		skipped := text[at:s.start]
		if n := bytes.Count(skipped, []byte("\n")); n > 0 {
			line += n
			lineStart = at + bytes.LastIndexByte(skipped, '\n') + 1
		}
		at = s.start
		hit := Hit{Kind: s.kind, Line: line, Column: s.start - lineStart + 1, Encoding: s.encoding}
		if len(hits) == 0 || hits[len(hits)-1] != hit {
			hits = append(hits, hit)
		}
	}
	return hits
}

func sortSpans(spans []span) {
	slices.SortStableFunc(spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
}

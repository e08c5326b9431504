package secret

import (
	"bytes"
	"encoding/base64"
	"iter"
)

// table finds formats by the first two bytes of their prefixes.
var table = func() map[uint16][]uint8 {
	t := map[uint16][]uint8{}
	for i, f := range formats {
		pair := uint16(f.prefix[0])<<8 | uint16(f.prefix[1])
		t[pair] = append(t[pair], uint8(i))
	}
	return t
}()

// interesting has a bit for each pair in the table, so that ordinary text is
// passed over at one look-up per byte.
var interesting = func() (bits [1 << 10]uint64) {
	for pair := range table {
		bits[pair/64] |= 1 << (pair % 64)
	}
	return bits
}()

// scan looks at the text itself and at what is encoded in it.
func scan(text []byte) []span {
	spans := scanPlain(text)
	return append(spans, scanEncoded(text, 1)...)
}

func scanPlain(text []byte) []span {
	var spans []span
	if len(text) < 2 {
		return nil
	}
	pair := uint16(text[0])
	for i := 1; i < len(text); i++ {
		pair = pair<<8 | uint16(text[i])
		if interesting[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		if s, ok := tokenAt(text, i-1, table[pair]); ok {
			spans = append(spans, s)
			if s.end-1 > i {
				i = s.end - 1
				pair = uint16(text[i])
			}
			if len(spans) >= maxHits {
				break
			}
		}
	}
	return spans
}

// tokenAt tries the formats whose prefix may start at the place, in the order
// of the list.
func tokenAt(text []byte, at int, candidates []uint8) (span, bool) {
	for _, i := range candidates {
		f := &formats[i]
		if !bytes.HasPrefix(text[at:], []byte(f.prefix)) || f.weak && !wordStart(text, at) {
			continue
		}
		size := f.length(text, at)
		if size == 0 {
			continue
		}
		s := span{start: at, end: at + size, kind: f.kind, encoding: "plain"}
		switch f.kind {
		case "mailchimp_key":
			s.start -= 32
		case "private_key":
			if insideServiceAccount(text, at) {
				s.kind = gcpKind
			}
		}
		return s, true
	}
	return span{}, false
}

// length is how long the token at the place is, zero for none.
func (f *format) length(text []byte, at int) int {
	if f.match != nil {
		return f.match(text, at)
	}
	body := text[at+len(f.prefix):]
	n := runLength(body, f.body, f.most)
	if n < f.least || !secretive(body[:n], f.least) {
		return 0
	}
	return len(f.prefix) + n
}

// wordStart reports that no word goes on into the place. A letter that belongs
// to an escape such as \n or %0A does not count as one; nor does the '+' that
// marks an added line in a diff.
func wordStart(text []byte, at int) bool {
	switch {
	case at == 0 || classes[text[at-1]]&(word|underscore|dash) == 0:
		return true
	case at >= 2 && text[at-2] == '\\':
		return true
	default:
		return at >= 3 && text[at-3] == '%'
	}
}

// insideServiceAccount reports that a PEM block is the private_key of a Google
// service account's JSON.
func insideServiceAccount(text []byte, at int) bool {
	before := text[max(0, at-40):at]
	return bytes.Contains(before, []byte("private_key"))
}

// Runs shorter than these cannot hold the shortest token.
const (
	minBase64Run = 24
	minHexRun    = 40
	wrapFrom     = 40 // a line at least this long may go on in the next
)

// maxNesting is how many encodings inside each other are looked into.
const maxNesting = 2

// scanEncoded decodes every long run of base64 or hex and scans what comes out.
func scanEncoded(text []byte, depth int) []span {
	var spans []span
	for i := 0; i < len(text); {
		if !isBase64[text[i]] {
			i++
			continue
		}
		end, run := base64Run(text, i)
		if len(run) >= minBase64Run {
			if s, ok := scanRun(run, depth); ok {
				s.start, s.end = i, end
				spans = append(spans, s)
				if len(spans) >= maxHits {
					break
				}
			}
		}
		i = end
	}
	return spans
}

var isBase64 = func() (t [256]bool) {
	for c := range t {
		t[c] = classes[c]&(word|dash|underscore) != 0 || c == '+' || c == '/'
	}
	return t
}()

// base64Run collects the characters of a run that starts at the place, over
// line breaks when the lines are long enough to have been wrapped, and tells
// where it ends.
func base64Run(text []byte, at int) (end int, run []byte) {
	start := at
	i := at
	for {
		lineStart := i
		for i < len(text) && isBase64[text[i]] {
			i++
		}
		next := afterBreak(text, i)
		if next == i || i-lineStart < wrapFrom || next >= len(text) || !isBase64[text[next]] {
			break
		}
		run = append(run, text[start:i]...)
		start, i = next, next
	}
	if run == nil {
		return i, text[start:i]
	}
	return i, append(run, text[start:i]...)
}

// afterBreak skips a line break, real or written as \n, and the blanks behind.
func afterBreak(text []byte, i int) int {
	at := i
	switch {
	case bytes.HasPrefix(text[i:], []byte("\r\n")), bytes.HasPrefix(text[i:], []byte(`\n`)):
		at += 2
	case i < len(text) && text[i] == '\n':
		at++
	default:
		return i
	}
	for at < len(text) && (text[at] == ' ' || text[at] == '\t') {
		at++
	}
	return at
}

// scanRun decodes a run, and the stretches of hex in it, at every alignment:
// what stands in front of an encoded token is not always a separator.
func scanRun(run []byte, depth int) (span, bool) {
	for hexed := range hexStretches(run) {
		for shift := range 2 {
			if s, ok := scanDecoded(unhex(hexed[shift:]), "hex", depth); ok {
				return s, true
			}
		}
	}
	plain := urlToStd(run)
	for shift := range 4 {
		if s, ok := scanDecoded(unbase64(plain[shift:]), "base64", depth); ok {
			return s, true
		}
	}
	return span{}, false
}

// hexStretches yields the parts of a run that are hex and long enough.
func hexStretches(run []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start := 0
		for i := 0; i <= len(run); i++ {
			if i < len(run) && hexValue(run[i]) >= 0 {
				continue
			}
			if i-start >= minHexRun && !yield(run[start:i]) {
				return
			}
			start = i + 1
		}
	}
}

func scanDecoded(decoded []byte, encoding string, depth int) (span, bool) {
	found := scanPlain(decoded)
	if len(found) == 0 && depth < maxNesting {
		found = scanEncoded(decoded, depth+1)
	}
	if len(found) == 0 {
		return span{}, false
	}
	return span{kind: found[0].kind, encoding: encoding}, true
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func unhex(run []byte) []byte {
	out := make([]byte, 0, len(run)/2)
	for i := 0; i+1 < len(run); i += 2 {
		out = append(out, byte(hexValue(run[i])<<4|hexValue(run[i+1])))
	}
	return out
}

func urlToStd(run []byte) []byte {
	out := make([]byte, len(run))
	for i, c := range run {
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		out[i] = c
	}
	return out
}

// unbase64 decodes as many whole groups as there are, and the rest if it can.
func unbase64(run []byte) []byte {
	if len(run)%4 == 1 {
		run = run[:len(run)-1]
	}
	out, _ := base64.RawStdEncoding.AppendDecode(nil, run)
	return out
}

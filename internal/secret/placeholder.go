package secret

import (
	"bytes"
	"math"
)

// placeholders are words, in lower case, that people put where a token goes.
// The long ones are never met by chance.
var (
	longPlaceholders  = bytesOf("example", "placeholder", "redacted", "changeme", "secret", "sample", "insert", "123456789", "0123456", "abcdefgh", "goes-here", "goes_here")
	shortPlaceholders = bytesOf("dummy", "your", "token", "fake", "here", "xxxx", "0000", "test-", "-key", "_key", "....")
)

func bytesOf(list ...string) [][]byte {
	var out [][]byte
	for _, s := range list {
		out = append(out, []byte(s))
	}
	return out
}

// minEntropy is in bits per character. Random text of 16 characters or more has
// well over three; words, patterns and keyboard runs have less or are in the
// list above.
const minEntropy = 2.9

// mostLooked bounds how much of a long body is looked at.
const mostLooked = 160

// secretive reports whether a token's body looks random enough to be one: with
// the words of placeholders taken out, at least least characters of
// high-entropy text must be left. Taking out, rather than refusing on sight,
// keeps a real token with "EXAMPLE" glued to it a hit.
func secretive(body []byte, least int) bool {
	body = body[:min(len(body), max(mostLooked, least))]
	if entropy(body) < minEntropy || stepping(body) { // first, because it is cheap
		return false
	}
	rest := without(bytes.ToLower(body), longPlaceholders)
	if len(rest) < least {
		return false
	}
	// A quarter may be lost to short words met by chance in a random body.
	rest = without(rest, shortPlaceholders)
	if len(rest) < least*3/4 {
		return false
	}
	return entropy(rest) >= minEntropy
}

func without(text []byte, words [][]byte) []byte {
	for _, word := range words {
		if bytes.Contains(text, word) {
			text = bytes.ReplaceAll(text, word, nil)
		}
	}
	return text
}

// entropy is Shannon's, in bits per character.
func entropy(text []byte) float64 {
	var count [256]int
	for _, c := range text {
		count[c]++
	}
	bits := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(text))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

// stepping reports text in which half of the neighbours are equal or one apart,
// as in abcdef012345 and aaaabbbb. Random text has about a twentieth.
func stepping(text []byte) bool {
	steps := 0
	for i := 1; i < len(text); i++ {
		if d := int(text[i]) - int(text[i-1]); d >= -1 && d <= 1 {
			steps++
		}
	}
	return steps*2 >= len(text)
}

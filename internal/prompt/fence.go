package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fence quotes texts as data. Its token is made from all the texts it quotes
// and occurs in none of them.
type fence struct {
	token string // empty while texts are collected
	texts []string
	notes []Note
}

// quote gives a text between marks. In the first round it only takes note.
func (f *fence) quote(label, text string) string {
	if f.token == "" {
		f.texts = append(f.texts, text)
		return ""
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return fmt.Sprintf("[data %s begins: %s]\n%s[data %s ends]", f.token, label, text, f.token)
}

// choose finds a token by hashing until none of the texts holds it. A text
// would have to hold its own digest to make it go round twice.
func (f *fence) choose() {
	sum := sha256.New()
	for _, t := range f.texts {
		fmt.Fprintf(sum, "%d:%s", len(t), t)
	}
	digest := sum.Sum(nil)
	for {
		f.token = hex.EncodeToString(digest[:6])
		if !slices.ContainsFunc(f.texts, func(t string) bool { return strings.Contains(t, f.token) }) {
			return
		}
		next := sha256.Sum256(digest)
		digest = next[:]
	}
}

// clean cleans a stranger's prose and keeps the notes, each with the label of
// the text it is about.
func (f *fence) clean(label, text string, limit int) string {
	return f.keep(label)(cleanProse(text, limit))
}

// code cleans text in which comments belong to what is shown.
func (f *fence) code(label, text string, limit int) string {
	return f.keep(label)(cleanText(text, limit))
}

func (f *fence) keep(label string) func(string, []Note) string {
	return func(text string, notes []Note) string {
		for _, n := range notes {
			n.Where = label
			f.notes = append(f.notes, n)
		}
		return text
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

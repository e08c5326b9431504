package implement

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/prompt"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Question is what a Chooser decides by. First are paths that go in before all
// others. Files are those that may be read, by path.
type Question struct {
	Task                task.Task
	Work                task.Step
	First               []string
	Files               []change.Entry
	MaxLines, MaxTokens int
	Read                func(change.Entry) ([]byte, error)
}

// Chooser picks the files a prompt quotes, the most useful first, within the
// question's limits. The same question gets the same answer. ByWords is the one
// that needs no index of the code.
type Chooser func(ctx context.Context, q Question) ([]prompt.Document, error)

// Bounds of ByWords: what is beyond them is not read.
const (
	maxRead      = 256 << 10 // bytes of one file
	maxReadFiles = 5000
	maxChosen    = 12
	leastShare   = 0.4 // of the best score
	perToken     = 3.5 // bytes
)

// ByWords ranks files by how many of the task's words stand in their paths and
// contents, rare words counting more, and takes whole files while they fit.
func ByWords(ctx context.Context, q Question) ([]prompt.Document, error) {
	text := textOf(q.Task, q.Work)
	r := ranking{words: wordsOf(text), first: append(slices.Clone(q.First), named(text, q.Files)...)}
	for _, e := range q.Files[:min(len(q.Files), maxReadFiles)] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e.Size > maxRead {
			continue
		}
		data, err := q.Read(e)
		if err != nil {
			return nil, err
		}
		if bytes.IndexByte(data, 0) < 0 {
			r.add(e.Path, string(data))
		}
	}
	return fit(r.best(), q.MaxLines, q.MaxTokens), nil
}

// textOf is what is said about the task.
func textOf(t task.Task, work task.Step) string {
	var b strings.Builder
	for _, text := range []string{t.Title, t.Spec.Goal, t.Spec.Constraints, t.Spec.ProgramGoal, t.Spec.Notes, work.Title, work.Detail} {
		b.WriteString(text[:min(len(text), prompt.MaxText)] + "\n")
	}
	return b.String()
}

// wordsOf are a text's words in lower case, also the parts of names.
func wordsOf(text string) map[string]bool {
	words := map[string]bool{}
	for _, w := range split(text) {
		if !dull[w] {
			words[w] = true
		}
	}
	return words
}

// named lists the files whose whole path stands in the text, a few of them.
func named(text string, files []change.Entry) (paths []string) {
	const most = 4
	for _, e := range files {
		if len(paths) < most && strings.ContainsAny(e.Path, "./") && strings.Contains(text, e.Path) {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// dull words stand in every request.
var dull = map[string]bool{"the": true, "and": true, "for": true, "not": true, "that": true, "this": true, "with": true, "should": true,
	"must": true, "when": true, "are": true, "but": true, "from": true, "has": true, "have": true, "one": true, "its": true, "was": true,
	"can": true, "all": true, "into": true, "test": true, "code": true, "func": true, "return": true}

// split gives the words of three letters and more, camel case taken apart.
func split(text string) (words []string) {
	var word []rune
	flush := func() {
		if len(word) >= 3 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = word[:0]
	}
	lower := false
	for _, r := range text {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			lower = false
			continue
		case unicode.IsUpper(r) && lower:
			flush()
		}
		lower = unicode.IsLower(r)
		word = append(word, r)
	}
	flush()
	return words
}

type candidate struct {
	path, text string
	counts     map[string]int
	length     int
	score      float64
}

type ranking struct {
	words map[string]bool
	first []string
	files []candidate
	in    map[string]int // word -> files that hold it
}

func (r *ranking) add(name, text string) {
	c := candidate{path: name, text: text, counts: map[string]int{}}
	for _, w := range split(text) {
		c.length++
		if r.words[w] {
			c.counts[w]++
		}
	}
	for _, w := range split(name) {
		if r.words[w] {
			c.counts[w] += 3 // a word of the path says more than one of the text
		}
	}
	if r.in == nil {
		r.in = map[string]int{}
	}
	for w := range c.counts {
		r.in[w]++
	}
	r.files = append(r.files, c)
}

// best scores by BM25 (k1 1.2, b 0.75) and keeps what comes near the best one.
func (r *ranking) best() []candidate {
	total := 0
	for _, c := range r.files {
		total += c.length
	}
	average := float64(total)/float64(max(len(r.files), 1)) + 1
	for i := range r.files {
		r.score(&r.files[i], average)
	}
	slices.SortStableFunc(r.files, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.score, a.score), strings.Compare(a.path, b.path))
	})
	return r.pick()
}

const isFirst = 1e6 // above any sum of words

func (r *ranking) score(c *candidate, average float64) {
	for _, w := range sortedKeys(c.counts) {
		n := float64(c.counts[w])
		idf := math.Log(1 + (float64(len(r.files)-r.in[w])+0.5)/(float64(r.in[w])+0.5))
		c.score += idf * n * 2.2 / (n + 1.2*(0.25+0.75*float64(c.length)/average))
	}
	if i := slices.Index(r.first, c.path); i >= 0 {
		c.score += isFirst - float64(i)
	}
}

// pick keeps the best, and beside each Go file its test.
func (r *ranking) pick() []candidate {
	top := 0.0
	for _, c := range r.files {
		if c.score < isFirst/2 {
			top = max(top, c.score)
		}
	}
	var chosen []candidate
	taken := map[string]bool{}
	take := func(c candidate) {
		if !taken[c.path] && len(chosen) < maxChosen {
			taken[c.path] = true
			chosen = append(chosen, c)
		}
	}
	for _, c := range r.files {
		if c.score <= 0 || c.score < top*leastShare {
			break
		}
		take(c)
		for _, other := range r.files {
			if other.path == testOf(c.path) {
				take(other)
			}
		}
	}
	return chosen
}

// testOf is where the tests of a Go file usually stand.
func testOf(name string) string {
	if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
		return ""
	}
	return strings.TrimSuffix(name, ".go") + "_test.go"
}

// fit takes whole files while they fit. When not even the best does, it gives
// the beginning of it and says so.
func fit(list []candidate, maxLines, maxTokens int) []prompt.Document {
	var docs []prompt.Document
	for _, c := range list {
		lines, tokens := strings.Count(c.text, "\n")+1, int(math.Ceil(float64(len(c.text))/perToken))
		if lines <= maxLines && tokens <= maxTokens {
			docs = append(docs, prompt.Document{Path: c.path, Text: c.text})
			maxLines, maxTokens = maxLines-lines, maxTokens-tokens
		}
	}
	if len(docs) == 0 && len(list) > 0 && maxLines > 0 && maxTokens > 0 {
		docs = append(docs, beginning(list[0], maxLines, maxTokens))
	}
	return docs
}

func beginning(c candidate, maxLines, maxTokens int) prompt.Document {
	all := strings.SplitAfter(c.text, "\n")
	room, n := int(float64(maxTokens)*perToken), 0
	for n < len(all) && n < maxLines && room >= len(all[n]) {
		room -= len(all[n])
		n++
	}
	return prompt.Document{Path: c.path, Text: strings.Join(all[:n], ""), Cut: fmt.Sprintf("lines 1-%d of %d", n, len(all))}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

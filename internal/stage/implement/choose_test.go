package implement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/prompt"
	"github.com/seedbed-dev/seedbed/internal/stage/implement"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// choose asks ByWords about files of text; reads counts what was read.
func choose(t *testing.T, files map[string]string, q implement.Question) (docs []prompt.Document, reads int) {
	t.Helper()
	for name, text := range files {
		q.Files = append(q.Files, change.Entry{Path: name, SHA: name, Size: int64(len(text)), Mode: change.ModeFile})
	}
	slices.SortFunc(q.Files, func(a, b change.Entry) int { return strings.Compare(a.Path, b.Path) })
	q.Read = func(e change.Entry) ([]byte, error) { reads++; return []byte(files[e.Path]), nil }
	if q.MaxLines == 0 {
		q.MaxLines, q.MaxTokens = 1000, 24000
	}
	docs, err := implement.ByWords(t.Context(), q)
	must(t, err)
	return docs, reads
}

func paths(docs []prompt.Document) (list []string) {
	for _, d := range docs {
		list = append(list, d.Path)
	}
	return list
}

var shop = map[string]string{
	"cart/total.go":       "package cart\n\n// Total sums prices and takes the discount off.\nfunc Total() int { return discount() }\n",
	"cart/total_test.go":  "package cart\n\nfunc TestTotal() {}\n",
	"cart/store.go":       "package cart\n\n// Store keeps carts.\nfunc Store() {}\n",
	"mail/send.go":        "package mail\n\n// Send sends a letter.\nfunc Send() {}\n",
	"docs/shipping.md":    "# Shipping\n\nWe ship on weekdays.\n",
	"cart/internal/x.bin": "discount\x00discount",
}

func TestByWords(t *testing.T) {
	for name, c := range map[string]struct {
		title, detail string
		first         []string
		want          []string
	}{
		"a rare word, and the test beside": {"Discount is taken twice", "", nil, []string{"cart/total.go", "cart/total_test.go"}},
		"a word of the path":               {"Shipping on Sundays", "", nil, []string{"docs/shipping.md"}},
		"parts of a name":                  {"sendLetter fails", "", nil, []string{"mail/send.go"}},
		"a path that is named":             {"Discount", "see mail/send.go", nil, []string{"mail/send.go", "cart/total.go", "cart/total_test.go"}},
		"what must be there":               {"Discount", "", []string{"cart/store.go"}, []string{"cart/store.go", "cart/total.go", "cart/total_test.go"}},
		"nothing fits":                     {"Xylophone", "", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			docs, _ := choose(t, shop, implement.Question{Task: task.Task{Title: c.title}, Work: task.Step{Detail: c.detail}, First: c.first})
			if have := paths(docs); !slices.Equal(have, c.want) {
				t.Errorf("have %q, want %q", have, c.want)
			}
		})
	}
}

func TestByWordsKeepsToItsLimits(t *testing.T) {
	files := map[string]string{"big.txt": strings.Repeat("discount line\n", 500), "small.txt": "discount\n", "huge.txt": strings.Repeat("discount ", 100_000)}
	title := task.Task{Title: "discount"}
	docs, reads := choose(t, files, implement.Question{Task: title, MaxLines: 100, MaxTokens: 24000})
	if have := paths(docs); !slices.Equal(have, []string{"small.txt"}) || reads != 2 {
		t.Errorf("have %q after %d reads, want the file that fits after 2", have, reads)
	}
	delete(files, "small.txt")
	docs, _ = choose(t, files, implement.Question{Task: title, MaxLines: 100, MaxTokens: 24000})
	if len(docs) != 1 || docs[0].Cut != "lines 1-100 of 501" || strings.Count(docs[0].Text, "\n") != 100 {
		t.Errorf("have %d documents, want the beginning of one", len(docs))
	}
	docs, _ = choose(t, files, implement.Question{Task: title, MaxLines: 100, MaxTokens: 40})
	if size := len(docs[0].Text); size > 140 {
		t.Errorf("%d bytes for 40 tokens", size)
	}
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprintf("f%03d.txt", i)] = "discount\n"
	}
	if docs, _ = choose(t, many, implement.Question{Task: title}); len(docs) > 12 {
		t.Errorf("%d files", len(docs))
	}
}

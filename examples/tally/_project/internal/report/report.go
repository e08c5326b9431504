// Package report puts counts into words and tables for people, and into JSON
// for programs.
package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"example.com/tally/internal/count"
)

// Entry is one text and what was counted in it.
type Entry struct {
	Name string `json:"name,omitempty"`
	count.Counts
}

// Text is one line for one text: "2 words, 1 line, 8 bytes".
func Text(c count.Counts) string {
	return strings.Join([]string{plural(c.Words, "word"), plural(c.Lines, "line"), plural(c.Bytes, "byte")}, ", ")
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// Table has a row for each text and their sum.
func Table(entries []Entry) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, c count.Counts) {
		fmt.Fprintf(w, "%d\t%d\t%d\t %s\n", c.Words, c.Lines, c.Bytes, name)
	}
	var sum count.Counts
	for _, e := range entries {
		row(e.Name, e.Counts)
		sum = sum.Plus(e.Counts)
	}
	if len(entries) > 1 {
		row("total", sum)
	}
	w.Flush()
	return out.String()
}

// JSON is a list with one object for each text.
func JSON(entries []Entry) string {
	data, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return "[]\n" // unreachable: plain fields always marshal
	}
	return string(data) + "\n"
}

// Package count counts what is in a text.
package count

import "strings"

// Counts is how much of what there is.
type Counts struct {
	Words int `json:"words"`
	Lines int `json:"lines"`
	Bytes int `json:"bytes"`
}

// Of counts a text.
func Of(s string) Counts {
	return Counts{Words: Words(s), Lines: Lines(s), Bytes: len(s)}
}

// Words counts the words of a text.
func Words(s string) int {
	return strings.Count(s, " ") + 1
}

// Lines counts the lines of a text. A last line without a newline counts too.
func Lines(s string) int {
	n := strings.Count(s, "\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		n++
	}
	return n
}

// Plus adds two counts.
func (c Counts) Plus(o Counts) Counts {
	return Counts{Words: c.Words + o.Words, Lines: c.Lines + o.Lines, Bytes: c.Bytes + o.Bytes}
}

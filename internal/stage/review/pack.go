package review

import (
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/prompt"
)

// maxPacks bounds the prompts of one review.
const maxPacks = 12

const perToken = 3.5 // bytes

// packed is what one prompt shows: parts of files, and the files that are
// complete with it.
type packed struct {
	parts []prompt.Part
	whole []string
	size  int
}

// pack lays the change's hunks into as few prompts as they need. What does not
// fit is named: a hunk larger than a prompt, files beyond the bound, contents
// nobody can read.
func pack(set change.Set, maxTokens int) (packs []packed, over []finding.Finding) {
	room := int(float64(maxTokens) * perToken)
	p := packer{room: room}
	for _, f := range set.Files {
		if why := p.file(f); why != "" {
			over = append(over, finding.Finding{Path: f.Path, Rule: "review", Severity: finding.Note, Message: "not reviewed: " + why})
		}
	}
	return p.packs, over
}

type packer struct {
	room  int
	packs []packed
}

// file adds a file's hunks and says why some of it is left out.
func (p *packer) file(f change.File) string {
	if !f.Loaded {
		return fmt.Sprintf("too large (%d bytes)", max(f.OldSize, f.NewSize))
	}
	if f.Binary() {
		return "binary"
	}
	chunks := numbered(f)
	for _, c := range chunks {
		if len(c) > p.room {
			return fmt.Sprintf("too large for one prompt (%d lines in one piece, context.max_tokens)", strings.Count(c, "\n"))
		}
	}
	before := p.packs
	for _, c := range chunks {
		if !p.add(f.Path, c) {
			p.packs = before
			return fmt.Sprintf("beyond the %d prompts of one review", maxPacks)
		}
	}
	last := &p.packs[len(p.packs)-1]
	last.whole = append(last.whole, f.Path)
	return ""
}

// add puts a chunk into the newest pack or a new one.
func (p *packer) add(path, chunk string) bool {
	if n := len(p.packs); n == 0 || p.packs[n-1].size+len(chunk) > p.room {
		if n == maxPacks {
			return false
		}
		p.packs = append(p.packs, packed{})
	}
	last := &p.packs[len(p.packs)-1]
	last.size += len(chunk)
	if n := len(last.parts); n > 0 && last.parts[n-1].Path == path {
		last.parts[n-1].Diff += chunk
		return true
	}
	last.parts = append(last.parts, prompt.Part{Path: path, Diff: chunk})
	return true
}

// numbered writes a file's hunks with the new side's line numbers, one chunk
// for each.
func numbered(f change.File) []string {
	head := string(f.Status)
	if f.OldPath != f.Path {
		head += " from " + finding.Quote(f.OldPath)
	}
	if f.OldMode != f.NewMode {
		head += fmt.Sprintf(", mode %s to %s", f.OldMode, f.NewMode)
	}
	chunks := []string{head + "\n"}
	for _, h := range f.Hunks() {
		var b strings.Builder
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@\n", h.OldStart, h.OldLines, h.NewStart, h.NewLines)
		for _, l := range h.Lines {
			if l.Op == '-' {
				fmt.Fprintf(&b, "      -%s\n", l.Text)
				continue
			}
			fmt.Fprintf(&b, "%5d %c%s\n", l.New, l.Op, l.Text)
		}
		chunks = append(chunks, b.String())
	}
	return chunks
}

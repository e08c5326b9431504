package policy

import "github.com/seedbed-dev/seedbed/internal/change"

// fileLines is what the rules ask about the lines of one file.
type fileLines struct {
	added   []change.Line
	deleted int
	first   int // line of the first difference on the new side, 1 if only lines went
}

// lineReader computes line differences once per pair of contents: the whole
// change and its commits mostly hold the same ones.
type lineReader struct {
	byBlobs map[string]*fileLines
}

func newLineReader() *lineReader { return &lineReader{byBlobs: map[string]*fileLines{}} }

func (r *lineReader) of(f change.File) *fileLines {
	key := f.OldSHA + ">" + f.NewSHA
	known := f.OldSHA+f.NewSHA != ""
	if l, ok := r.byBlobs[key]; ok && known {
		return l
	}
	l := readLines(f)
	if known {
		r.byBlobs[key] = l
	}
	return l
}

func readLines(f change.File) *fileLines {
	l := &fileLines{}
	for _, h := range f.Hunks() {
		next := max(h.NewStart, 1)
		for _, line := range h.Lines {
			switch line.Op {
			case '+':
				l.added = append(l.added, line)
				l.touch(line.New)
			case '-':
				l.deleted++
				l.touch(next)
				continue
			}
			next = line.New + 1
		}
	}
	return l
}

func (l *fileLines) touch(line int) {
	if l.first == 0 {
		l.first = line
	}
}

// changed is what max_lines counts.
func (l *fileLines) changed() int { return len(l.added) + l.deleted }

// lost is by how many lines the file is shorter.
func (l *fileLines) lost() int { return max(0, l.deleted-len(l.added)) }

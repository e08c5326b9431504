package change

import (
	"bytes"
	"strings"
)

// text is a file as lines, each known by a number per rung, so that comparing
// lines is comparing numbers.
type text struct {
	data  []byte
	bom   bool
	lines []string // without line end
	ends  []string // "\n", "\r\n", or "" for a last line without one
	rungs []keyed  // one per rung of the ladder, made when first needed

	trimmed map[string][]int // lines by their text without indentation, for nearest
}

// keyed is a file seen through one rung.
type keyed struct {
	ids    map[string]int // key of a line -> number
	seq    []int          // number of each line
	places [][]int        // number -> lines, ascending
}

var mark = []byte("\xef\xbb\xbf")

func newText(data []byte) *text {
	t := &text{data: data, rungs: make([]keyed, len(ladder))}
	t.bom = bytes.HasPrefix(data, mark)
	t.lines, t.ends = splitEnds(string(bytes.TrimPrefix(data, mark)))
	return t
}

// splitEnds splits into lines and their ends.
func splitEnds(s string) (lines, ends []string) {
	for len(s) > 0 {
		line, rest, found := strings.Cut(s, "\n")
		end := ""
		if found {
			end = "\n"
			if strings.HasSuffix(line, "\r") {
				line, end = line[:len(line)-1], "\r\n"
			}
		}
		lines, ends = append(lines, line), append(ends, end)
		s = rest
	}
	return lines, ends
}

func (t *text) on(r int) *keyed {
	k := &t.rungs[r]
	if k.ids != nil {
		return k
	}
	k.ids = make(map[string]int, len(t.lines))
	k.seq = make([]int, len(t.lines))
	for i, line := range t.lines {
		key := ladder[r].key(line)
		id, ok := k.ids[key]
		if !ok {
			id = len(k.places)
			k.ids[key] = id
			k.places = append(k.places, nil)
		}
		k.seq[i] = id
		k.places[id] = append(k.places[id], i)
	}
	return k
}

// span is a block that found its place: lines from..to of the file, 0-based,
// to excluded, become lines.
type span struct {
	edit     int
	from, to int
	lines    []string
	rung     string
}

// maxPlaces is how many places of an ambiguous block are told.
const maxPlaces = 20

// maxWork bounds the line comparisons for one block. Text so repetitive that
// the bound is met has no place that could be called certain.
const maxWork = 1 << 20

// find gives the first lines (0-based) where want stands as a whole, at most
// maxPlaces+1 of them; ok is false when the search was given up.
//
// Only the places of the rarest line are looked at, so that a block costs what
// its rarest line costs and not the length of the file.
func (k *keyed) find(want []string, key func(string) string) (places []int, ok bool) {
	if len(want) == 0 {
		return nil, true
	}
	ids := make([]int, len(want))
	rare := 0
	for i, line := range want {
		id, known := k.ids[key(line)]
		if !known {
			return nil, true
		}
		ids[i] = id
		if len(k.places[id]) < len(k.places[ids[rare]]) {
			rare = i
		}
	}
	work := 0
	for _, at := range k.places[ids[rare]] {
		from := at - rare
		if from < 0 || from+len(ids) > len(k.seq) {
			continue
		}
		n := 0
		for n < len(ids) && k.seq[from+n] == ids[n] {
			n++
		}
		if n == len(ids) {
			if places = append(places, from); len(places) > maxPlaces {
				return places, true
			}
		}
		if work += n + 1; work > maxWork {
			return places, false
		}
	}
	return places, true
}

// rewrite gives the file with spans, which are sorted and apart, replaced.
func (t *text) rewrite(spans []span) []byte {
	var b bytes.Buffer
	b.Grow(len(t.data))
	if t.bom {
		b.Write(mark)
	}
	at := 0
	for _, s := range spans {
		t.copy(&b, at, s.from)
		at = s.from
		if s.rung != AlreadyApplied {
			t.splice(&b, s)
			at = s.to
		}
	}
	t.copy(&b, at, len(t.lines))
	return t.keepFinal(b.Bytes())
}

func (t *text) copy(b *bytes.Buffer, from, to int) {
	for i := from; i < to; i++ {
		b.WriteString(t.lines[i])
		b.WriteString(t.ends[i])
	}
}

// splice writes the new lines of a span.
func (t *text) splice(b *bytes.Buffer, s span) {
	end := t.endAt(s.from)
	if n := b.Len(); len(s.lines) > 0 && s.from > 0 && b.Bytes()[n-1] != '\n' {
		b.WriteString(end) // new lines after a last line that had no end
	}
	for _, line := range s.lines {
		b.WriteString(line)
		b.WriteString(end)
	}
}

// endAt is the line end to write new lines with: that of the place, else of the file.
func (t *text) endAt(i int) string {
	for j := min(i, len(t.ends)-1); j >= 0; j-- {
		if t.ends[j] != "" {
			return t.ends[j]
		}
	}
	return "\n"
}

// keepFinal takes the last line end off where the old file had none.
func (t *text) keepFinal(data []byte) []byte {
	if n := len(t.ends); n == 0 || t.ends[n-1] != "" {
		return data
	}
	if bytes.HasSuffix(data, []byte("\r\n")) {
		return data[:len(data)-2]
	}
	return bytes.TrimSuffix(data, []byte("\n"))
}

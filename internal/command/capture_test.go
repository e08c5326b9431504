package command

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

func TestCaptureKeepsBothEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		limit  int64
		writes []string
		want   string
	}{
		{"nothing", 10, nil, ""},
		{"fits", 10, []string{"abc", "def"}, "abcdef"},
		{"exactly", 10, []string{"0123456789"}, "0123456789"},
		{"one too many", 10, []string{"0123456789a"}, "01234\n[truncated: kept 10 of 11 bytes]\n6789a"},
		{"in pieces", 4, []string{"a", "b", "c", "d", "e", "f", "g"}, "ab\n[truncated: kept 4 of 7 bytes]\nfg"},
		{"line ends at the cut", 4, []string{"a\nbcdef"}, "a\n[truncated: kept 4 of 7 bytes]\nef"},
	} {
		c := NewCapture(test.limit)
		for _, w := range test.writes {
			if n, err := c.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: have %d, %v, want all of it taken", test.name, n, err)
			}
		}
		if have := string(c.Bytes()); have != test.want {
			t.Errorf("%s: have %q, want %q", test.name, have, test.want)
		}
	}
}

// However the same bytes are cut into writes, the same is kept.
func TestCaptureDoesNotDependOnPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		text := make([]byte, random.IntN(200))
		for i := range text {
			text[i] = byte('a' + i%26)
		}
		limit := int64(2 + random.IntN(80))
		whole, pieces := NewCapture(limit), NewCapture(limit)
		_, _ = whole.Write(text)
		for rest := text; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			_, _ = pieces.Write(rest[:n])
			rest = rest[n:]
		}
		if have, want := pieces.Bytes(), whole.Bytes(); !bytes.Equal(have, want) {
			t.Fatalf("limit %d, %d bytes: have %q, want %q", limit, len(text), have, want)
		}
	}
}

func TestCaptureTakesManyWriters(t *testing.T) {
	c := NewCapture(100)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 100 {
				fmt.Fprintf(c, "%d\n", i)
			}
		})
	}
	group.Wait()
	if c.Total() != 1600 || !strings.Contains(string(c.Bytes()), "kept 100 of 1600 bytes") {
		t.Errorf("have %d bytes: %q", c.Total(), c.Bytes())
	}
}

package report

import (
	"strings"
	"testing"

	"example.com/tally/internal/count"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		name string
		give count.Counts
		want string
	}{
		{"one of each", count.Counts{Words: 1, Lines: 1, Bytes: 1}, "1 word, 1 line, 1 byte"},
		{"many", count.Counts{Words: 2, Lines: 3, Bytes: 40}, "2 words, 3 lines, 40 bytes"},
		{"none", count.Counts{}, "0 words, 0 lines, 0 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if have := Text(c.give); have != c.want {
				t.Errorf("have %q, want %q", have, c.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	a := Entry{"a.txt", count.Counts{Words: 2, Lines: 1, Bytes: 8}}
	b := Entry{"b.txt", count.Counts{Words: 300, Lines: 40, Bytes: 5000}}
	lines := strings.Split(Table([]Entry{a, b}), "\n")
	t.Run("aligned", func(t *testing.T) {
		if have, want := strings.Index(lines[0], "a.txt"), strings.Index(lines[1], "b.txt"); have != want {
			t.Errorf("have %d, want %d", have, want)
		}
	})
	t.Run("sum", func(t *testing.T) {
		if have := strings.Fields(lines[2]); strings.Join(have, " ") != "302 41 5008 total" {
			t.Errorf("have %q", have)
		}
	})
	t.Run("no sum of one", func(t *testing.T) {
		if have := Table([]Entry{a}); strings.Contains(have, "total") {
			t.Errorf("have %q", have)
		}
	})
}

func TestJSON(t *testing.T) {
	t.Run("one", func(t *testing.T) {
		have := JSON([]Entry{{"", count.Counts{Words: 2}}})
		if !strings.Contains(have, `"words": 2`) || strings.Contains(have, "name") {
			t.Errorf("have %s", have)
		}
	})
	t.Run("named", func(t *testing.T) {
		if have := JSON([]Entry{{Name: "a.txt"}}); !strings.Contains(have, `"name": "a.txt"`) {
			t.Errorf("have %s", have)
		}
	})
}

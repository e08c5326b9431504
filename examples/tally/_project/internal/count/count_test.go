package count

import "testing"

func TestWords(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       int
	}{
		{"one word", "hello", 1},
		{"two words", "hello world", 2},
		{"punctuation is part of a word", "well, yes", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if have := Words(c.text); have != c.want {
				t.Errorf("have %d, want %d", have, c.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       int
	}{
		{"nothing", "", 0},
		{"one line", "a\n", 1},
		{"no newline at the end", "a\nb", 2},
		{"blank lines count", "\n\n\n", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if have := Lines(c.text); have != c.want {
				t.Errorf("have %d, want %d", have, c.want)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	if have := Of("äh").Bytes; have != 3 {
		t.Errorf("bytes, not characters: have %d, want 3", have)
	}
}

func TestOf(t *testing.T) {
	want := Counts{Words: 3, Lines: 1, Bytes: 13}
	if have := Of("one two three"); have != want {
		t.Errorf("have %+v, want %+v", have, want)
	}
}

func TestPlus(t *testing.T) {
	one := Counts{Words: 1, Lines: 2, Bytes: 3}
	t.Run("nothing changes nothing", func(t *testing.T) {
		if have := one.Plus(Counts{}); have != one {
			t.Errorf("have %+v, want %+v", have, one)
		}
	})
	t.Run("each by itself", func(t *testing.T) {
		want := Counts{Words: 2, Lines: 4, Bytes: 6}
		if have := one.Plus(one); have != want {
			t.Errorf("have %+v, want %+v", have, want)
		}
	})
}

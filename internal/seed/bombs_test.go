package seed

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile files that are meant to exhaust memory, stack or time.
func bombs() map[string]string {
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		prev := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(prev+", ", 9), ", "))
	}
	mib := 1 << 20
	fill := func(head, unit string) string {
		return head + strings.Repeat(unit, (mib-len(head))/len(unit))
	}
	under := func(head, unit string) string { // as many entries as just pass the count
		return head + strings.Repeat(unit, min((maxMarks-10)/max(countMarks([]byte(unit)), 1), (mib-len(head)-2)/len(unit)))
	}
	numbered := func(head, form string, n int) string {
		var b strings.Builder
		b.WriteString(head)
		for i := range n {
			fmt.Fprintf(&b, form, i)
		}
		return b.String()
	}
	return map[string]string{
		"under: commas":          under("x-a: [", "a,") + "]",
		"under: pairs":           under("x-a: {", "a,") + "}",
		"under: dashes":          under("x-a:\n", "- a\n"),
		"under: question marks":  under("x-a:\n", "? a\n"),
		"under: commented":       under("x-a:\n", "- a # b\n"),
		"under: comments":        under("x-a:\n", "#b\n") + "- a\n",
		"under: folded":          under("x-a: >\n", " a\n"),
		"under: anchors":         under("x-a: [", "&b a,") + "]",
		"under: aliases":         under("x-a: [&b a,", "*b,") + "*b]",
		"under: keys":            numbered("", "k%d: 1\n", 29000),
		"under: long keys":       numbered("", strings.Repeat("k", 40)+"%d:\n", 20000),
		"under: same keys":       under("", "mode: a\n"),
		"under: tag directives":  numbered("", "%%TAG !a%d! b\n", 40000) + "--- a\n",
		"under: tags":            under("x-a: [", "!b a,") + "]",
		"under: tabs":            under("x-a:\n", "\t- a\n"),
		"under: indented":        under("x-a:\n", "     -\n"),
		"under: documents":       under("a\n", "--- a\n"),
		"under: ends":            under("a\n", "...\n"),
		"under: wrong items":     under("version: 1\nproject: {name: a}\ndomains: [", "{a,b},") + "]",
		"under: wrong numbers":   under("version: 1\nproject: {name: a}\nquality_gates: {performance: {budgets: {", "a: b, ") + "}}}",
		"alias bomb":             laughs.String(),
		"many aliases of one":    "a: &a 1\nb: [" + strings.Repeat("*a, ", 20000) + "*a]\n",
		"alias of itself":        "x-a: &a {b: *a}\n",
		"lists 10,000 deep":      "x-a: " + strings.Repeat("[", 10000) + strings.Repeat("]", 10000),
		"mappings 10,000 deep":   "x-a: " + strings.Repeat("{a: ", 10000) + strings.Repeat("}", 10000),
		"blocks 10,000 deep":     "x-a:\n" + strings.Repeat("- ", 10000) + "a\n",
		"indents 1,400 deep":     indents(1400),
		"unclosed lists":         fill("x-a: ", "["),
		"a megabyte of commas":   fill("x-a: [", "a,"),
		"a megabyte of dashes":   fill("", "- "),
		"a megabyte of lines":    fill("", "a\n"),
		"a megabyte of keys":     fill("", "? "),
		"one long text":          fill("x-a: ", "a"),
		"one long quoted text":   fill("x-a: \"", `\u00e9`),
		"one long comment":       fill("x-a: 1 # ", "a"),
		"many comments":          fill("x-a: 1\n", strings.Repeat("#", 20)+"\n"),
		"comments between lists": fill("", strings.Repeat("#", 40)+"\n- a\n"),
		"over a megabyte":        fill("x-a: ", "a") + strings.Repeat("a", 100),
		"many anchors":           fill("x-a: [", "&"+strings.Repeat("a", 30)+" b, "),
		"many problems":          fill("version: 1\n", "abcdefghijklmnopqrstuvwxyz"+strings.Repeat("y", 20)+"?: 1\n"),
		"folded text":            fill("x-a: >\n", " a\n"),
		"directives":             fill("", "%TAG !a! b\n"),
		"long key":               fill("", "k") + ": 1",
	}
}

func indents(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i%700) + "a:\n")
	}
	return b.String()
}

// Whatever a file of about a megabyte holds, reading it ends soon (tens of
// milliseconds; the bound leaves room for a busy machine), allocates
// less than 64 MiB in all (so holds less than that at any moment) and gives
// errors, not a crash.
func TestParseIsBounded(t *testing.T) {
	for name, text := range bombs() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := Parse("seed.yaml", []byte(text))
		spent := time.Since(start)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if have := after.TotalAlloc - before.TotalAlloc; have > 64<<20 {
			t.Errorf("%s: allocated %d MiB, want at most 64", name, have>>20)
		}
		t.Logf("%-24s %8d bytes %6.1f MiB %8s %s", name, len(text), float64(after.TotalAlloc-before.TotalAlloc)/(1<<20), spent.Round(time.Millisecond), short(fmt.Sprint(err)))
		if spent > 20*time.Second {
			t.Errorf("%s: took %s", name, spent)
		}
	}
}

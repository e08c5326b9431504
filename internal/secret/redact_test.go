package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func testKey() string {
	r := rand.New(rand.NewPCG(13, 14))
	return "sk-" + "proj-" + random(r, chars64, 60)
}

func each(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

func spread(s, between string) string { return strings.Join(strings.Split(s, ""), between) }

// leaks is the table of ways to print a key, after B41 of the threat list and a
// few more of the same kind.
var leaks = []struct {
	name  string
	write func(key string) string
}{
	{"plain", func(k string) string { return k }},
	{"base64", func(k string) string { return base64.StdEncoding.EncodeToString([]byte(k)) }},
	{"base64 behind 1 byte", func(k string) string { return base64.StdEncoding.EncodeToString([]byte("=" + k)) }},
	{"base64 behind 2 bytes", func(k string) string { return base64.StdEncoding.EncodeToString([]byte("k=" + k + "\n")) }},
	{"base64url", func(k string) string { return base64.RawURLEncoding.EncodeToString([]byte(k)) }},
	{"base64 wrapped", func(k string) string { return wrapped(base64.StdEncoding.EncodeToString([]byte(k)), 19) }},
	{"hex", func(k string) string { return hex.EncodeToString([]byte(k)) }},
	{"HEX", func(k string) string { return strings.ToUpper(hex.EncodeToString([]byte(k))) }},
	{"hex dump", func(k string) string { return each(k, "%02x ") }},
	{"hex with colons", func(k string) string { return each(k, "%02X:") }},
	{"C string", func(k string) string { return each(k, `\x%02x`) }},
	{"C array", func(k string) string { return each(k, "0x%02x, ") }},
	{"reversed", reversed},
	{"reversed base64", func(k string) string { return base64.StdEncoding.EncodeToString([]byte(reversed(k))) }},
	{"spaced", func(k string) string { return spread(k, " ") }},
	{"a character a line", func(k string) string { return spread(k, "\n") }},
	{"dotted", func(k string) string { return spread(k, ".") }},
	{"zero-width spaced", func(k string) string { return spread(k, "\u200b") }},
	{"in groups of four", func(k string) string { return wrapped(k, 4) }},
	{"URL-encoded", func(k string) string { return url.QueryEscape(k) }},
	{"URL-encoded throughout", func(k string) string { return each(k, "%%%02X") }},
	{"HTML entities", func(k string) string { return each(k, "&#%d;") }},
	{"HTML hex entities", func(k string) string { return each(k, "&#x%x;") }},
	{"JSON escapes", func(k string) string { return each(k, `\u%04x`) }},
	{"upper case", strings.ToUpper},
	{"first 7 missing", func(k string) string { return k[7:] }},
	{"first 3 missing", func(k string) string { return k[3:] }},
	{"tail cut to 12 letters", func(k string) string { return k[:14] }},
	{"tail cut", func(k string) string { return k[:40] }},
	{"both ends cut", func(k string) string { return k[20:45] }},
	{"image address", func(k string) string { return "![x](https://img.example/?d=" + k + ")" }},
	{"image address, base64", func(k string) string {
		return "![x](https://img.example/" + base64.RawURLEncoding.EncodeToString([]byte(k)) + ".png)"
	}},
	{"first 7 missing, base64", func(k string) string { return base64.StdEncoding.EncodeToString([]byte(k[7:])) }},
}

func TestAKnownKeyIsRedactedHoweverItIsWritten(t *testing.T) {
	key := testKey()
	r := NewRedactor(Known{"model_key", key})
	for _, leak := range leaks {
		written := leak.write(key)
		for _, around := range [][2]string{{"", ""}, {"log: ", " end\n"}, {"é世界 <", ">"}} {
			text := around[0] + written + around[1]
			have := string(r.Redact([]byte(text)))
			if !strings.Contains(have, "[redacted:model_key]") {
				t.Errorf("%s: not redacted", leak.name)
				continue
			}
			if !strings.HasPrefix(have, around[0]) || !strings.HasSuffix(have, around[1]) {
				t.Errorf("%s: the text around it was touched: %q", leak.name, have)
			}
			if left := leftover(have, strings.TrimPrefix(written, "![x](https://img.example/")); left > 12 {
				t.Errorf("%s: %d characters are left", leak.name, left)
			}
			hits := r.Find([]byte(text))
			if len(hits) == 0 || hits[0].Kind != "model_key" || strings.Contains(fmt.Sprint(hits), key) {
				t.Errorf("%s: Find has %+v", leak.name, hits)
			}
		}
	}
}

// leftover is how many letters of the longest piece of written still stand in
// the redacted text.
func leftover(redacted, written string) int {
	longest := 0
	for i := range len(written) {
		for n := longest + 1; i+n <= len(written) && strings.Contains(redacted, written[i:i+n]); n++ {
			longest = n
		}
	}
	return longest
}

func TestTheHitSaysHowItWasWritten(t *testing.T) {
	key := testKey()
	r := NewRedactor(Known{"model_key", key})
	for written, want := range map[string]string{
		key: "plain", reversed(key): "reversed", hex.EncodeToString([]byte(key)): "hex", spread(key, " - "): "spaced",
		base64.StdEncoding.EncodeToString([]byte(key)): "base64", each(key, `\u%04x`): "escaped",
	} {
		hits := r.Find([]byte("a\n " + written))
		if len(hits) == 0 || hits[0] != (Hit{"model_key", 2, 2, want}) {
			t.Errorf("have %+v, want %s", hits, want)
		}
	}
}

func TestOrdinaryTextIsLeftAlone(t *testing.T) {
	text := goSource(t)
	r := NewRedactor(Known{"model_key", testKey()}, Known{"zeros", "prefix-" + strings.Repeat("0", 40)})
	if have := r.Redact(text); !bytes.Equal(have, text) {
		t.Error("source code was changed")
	}
	if have := r.Redact(nil); len(have) != 0 {
		t.Errorf("have %q", have)
	}
}

func TestOddSecrets(t *testing.T) {
	for _, tt := range []struct{ value, text, want string }{
		{"abc", "abc abc", "abc abc"},
		{"", "x", "x"},
		{"hunter2", "pw=hunter2!", "pw=[redacted:k_y]!"},
		{"!@#$%^&*()", "a!@#$%^&*()b", "a[redacted:k_y]b"},
		{"pässwörter-ünïcode", "a pässwörter-ünïcode b", "a [redacted:k_y] b"},
		{"line one\nline two\n", `{"log":"line one\nline two\n"}`, `{"log":"[redacted:k_y]\n"}`},
	} {
		r := NewRedactor(Known{"k y", tt.value})
		if have := string(r.Redact([]byte(tt.text))); have != tt.want {
			t.Errorf("%q: have %q, want %q", tt.value, have, tt.want)
		}
	}
}

func TestTokensNobodyToldUsAboutAreRedactedToo(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	token := "ghp_" + random(r, chars62, 36)
	for _, redactor := range []*Redactor{nil, NewRedactor(), NewRedactor(Known{"model_key", testKey()})} {
		if have, want := string(redactor.Redact([]byte("a "+token+" b"))), "a [redacted:github_token] b"; have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
}

func TestJSONStaysJSON(t *testing.T) {
	key := testKey()
	data, _ := json.Marshal(map[string]string{"a": key, "b": reversed(key)})
	if have := NewRedactor(Known{"model_key", key}).Redact(data); !json.Valid(have) {
		t.Errorf("have %s", have)
	}
}

func FuzzRedact(f *testing.F) {
	key := testKey()
	r := NewRedactor(Known{"model_key", key}, Known{"short", "hunter2"})
	for i, leak := range leaks {
		f.Add("before ", leak.write(key), uint8(i))
	}
	f.Fuzz(func(t *testing.T, before, after string, n uint8) {
		leak := leaks[int(n)%len(leaks)]
		have := string(r.Redact([]byte(before + key + after)))
		if strings.Contains(have, key) {
			t.Fatal("the key is still there")
		}
		// Whatever stands around it, a form of the key does not survive when it
		// is kept apart from it by something that is no letter.
		written := leak.write(key)
		have = string(r.Redact([]byte(before + "\x00" + written + "\x00" + after)))
		if strings.Contains(have, written) {
			t.Fatalf("%s survived", leak.name)
		}
	})
}

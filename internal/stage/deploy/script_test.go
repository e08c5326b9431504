package deploy

import (
	"strings"
	"testing"
)

// Whatever a script prints, what is taken from it is fit for a command line, a
// record and a comment.
func FuzzUnderstand(f *testing.F) {
	for _, s := range []string{`{"release":"v1","url":"https://x"}`, "noise\n{\"release\":\"v1\"}\n", "{}", "null", "[1]", "\xff", `{"release":1}`, `{"release":"a\u0000"}`, "{\"release\":\"a\"} {}"} {
		f.Add([]byte(s), "")
	}
	f.Fuzz(func(t *testing.T, out []byte, wanted string) {
		said, why := understand(Ran{Stdout: out}, wanted)
		if (why == "") != (said.Release != "") {
			t.Errorf("have both or neither: %+v, %q", said, why)
		}
		if why == "" && (strings.ContainsAny(said.Release, " \n\x00'\"$`;|&<>") || strings.HasPrefix(said.Release, "-") || wanted != "" && said.Release != wanted) {
			t.Errorf("have release %q", said.Release)
		}
		if said.URL != "" && !isWeb(said.URL) && !strings.HasPrefix(said.URL, "file:///") {
			t.Errorf("have address %q", said.URL)
		}
	})
}

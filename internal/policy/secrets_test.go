package policy

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/change"
)

// madeUpToken is put together here so that no file of this repository holds one.
func madeUpToken() string { return "ghp" + "_" + "Ab3dEf6hIj9kLmN2pQr5tUv8xYz1aB4cDe7f" }

// TestSecretsAreNamedAndNotShown: each sink of a change, each encoding; the
// value appears nowhere in the verdict.
func TestSecretsAreNamedAndNotShown(t *testing.T) {
	plain := madeUpToken()
	forms := map[string]string{"plain": plain, "base64": base64.StdEncoding.EncodeToString([]byte("key=" + plain)), "hex": hex.EncodeToString([]byte(plain))}
	before := snapshot{{"a.go", change.ModeFile, "package a\n\nvar A = 1\n"}}
	for encoding, text := range forms {
		added := leaf{"a.go", change.ModeFile, "package a\n\nvar A = 1\nvar K = \"" + text + "\"\n"}
		for sink, c := range map[string]change.Series{
			"added line": seriesOf(t, before, before.under(snapshot{added}), nil),
			"file name":  seriesOf(t, before, before.under(snapshot{{text, change.ModeFile, "x"}}), nil),
			"history":    seriesOf(t, before, before, []snapshot{before.under(snapshot{added})}),
			"message":    withMessage(seriesOf(t, before, before, []snapshot{before}), "fix\n\nuse "+text+"\n"),
		} {
			for _, agent := range []bool{true, false} {
				_, v := Judge(parseSeed(t, ""), c, Facts{Agent: agent})
				r, _ := v.Result("secrets")
				if r.Outcome != Fail || v.Decision != Reject {
					t.Errorf("%s, %s: %s", sink, encoding, r.Outcome)
					continue
				}
				if f := r.Findings[0]; sink == "added line" && (f.Path != "a.go" || f.Line != 4) {
					t.Errorf("%s, %s: at %s%d", sink, encoding, f.Path, f.Line)
				}
				data, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(data), text) || strings.Contains(string(data), plain) {
					t.Errorf("%s, %s: the value is shown: %s", sink, encoding, data)
				}
				checkComplete(t, v)
			}
		}
	}
}

func withMessage(s change.Series, message string) change.Series {
	s.Commits[0].Message = message
	return s
}

// TestOldSecretIsNoFinding: what stands at base already is not this change's.
func TestOldSecretIsNoFinding(t *testing.T) {
	before := snapshot{{"a.txt", change.ModeFile, "k " + madeUpToken() + "\nx\n"}}
	c := seriesOf(t, before, snapshot{{"a.txt", change.ModeFile, "k " + madeUpToken() + "\ny\n"}}, nil)
	_, v := Judge(parseSeed(t, ""), c, Facts{Agent: true})
	if r, _ := v.Result("secrets"); r.Outcome != Pass {
		t.Errorf("%+v", r)
	}
}

// TestUnreadFileAsksAPerson: above the size cap nobody looked inside.
func TestUnreadFileAsksAPerson(t *testing.T) {
	c := made(t, map[string]string{"big.bin": "x"})
	c.Whole.Files[0].Loaded, c.Whole.Files[0].New = false, nil
	_, v := Judge(parseSeed(t, ""), c, Facts{Agent: false})
	if r, _ := v.Result("secrets"); r.Outcome != NotEvaluated || v.Decision != NeedsApproval {
		t.Errorf("%s, %+v", v.Decision, r)
	}
	_, v = Judge(parseSeed(t, ""), c, Facts{Agent: true})
	if r, _ := v.Result("budget"); r.Outcome != Fail {
		t.Errorf("an agent's lines that nobody counted: %+v", r)
	}
}

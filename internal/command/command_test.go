package command

import (
	"strings"
	"testing"
)

func TestStringIsWhatAPersonWouldType(t *testing.T) {
	for _, test := range []struct {
		command Command
		want    string
	}{
		{Command{Argv: []string{"go", "test", "./..."}}, "go test ./..."},
		{Command{Argv: []string{"printf", "%s", "a b", "it's", ""}}, `printf %s 'a b' 'it'\''s' ''`},
		{Command{Shell: "a | b"}, "a | b"},
	} {
		if have := test.command.String(); have != test.want {
			t.Errorf("have %s, want %s", have, test.want)
		}
	}
}

func TestValidateRefusesWhatCannotRun(t *testing.T) {
	for _, test := range []struct {
		name    string
		command Command
		want    string
	}{
		{"nothing", Command{Dir: "/x"}, "empty"},
		{"blank shell", Command{Dir: "/x", Shell: " \n"}, "empty"},
		{"no program", Command{Dir: "/x", Argv: []string{"", "x"}}, "program name"},
		{"relative directory", Command{Dir: "x", Shell: "true"}, "not an absolute path"},
		{"no directory", Command{Shell: "true"}, "not an absolute path"},
		{"negative timeout", Command{Dir: "/x", Shell: "true", Timeout: -1}, "negative"},
		{"NUL", Command{Dir: "/x", Argv: []string{"a\x00b"}}, "NUL"},
	} {
		err := test.command.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: have %v, want an error with %q", test.name, err, test.want)
		}
	}
	if err := (Command{Dir: "/x", Shell: "true"}).Validate(); err != nil {
		t.Errorf("have %v, want none", err)
	}
}

func TestPassed(t *testing.T) {
	for _, test := range []struct {
		result Result
		want   bool
	}{
		{Result{}, true},
		{Result{Exit: 1}, false},
		{Result{TimedOut: true}, false},
		{Result{Signal: "killed"}, false},
	} {
		if have := test.result.Passed(); have != test.want {
			t.Errorf("%+v: have %t, want %t", test.result, have, test.want)
		}
	}
}

func TestMissing(t *testing.T) {
	have := Missing([]Layer{{"a", true, "x"}, {"b", false, "why"}})
	if len(have) != 1 || have[0].String() != "b: MISSING (why)" {
		t.Errorf("have %v, want b alone", have)
	}
	if have := (Layer{"a", true, "x"}).String(); have != "a: in force (x)" {
		t.Errorf("have %q", have)
	}
}

package seed

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// Each bad file and the exact lines a person reads about it.
func TestErrors(t *testing.T) {
	const head = "version: 1\nproject: {name: tally}\n" // the body begins at line 3
	for _, c := range []struct{ name, text, want string }{
		{"duplicate key", "version: 1\nproject:\n  name: tally\nbudgets:\n  day: {tokens: 1}\n\nmode: auto\n\nbudgets: {}\n",
			`seed.yaml:9:1: key "budgets" already at line 4`},
		{"duplicate key below", head + "budgets:\n  change:\n    max_files: 1\n    max_files: 2\n", `seed.yaml:6:5: key "max_files" already at line 5`},
		{"duplicate through an alias", head + "x-a: &k mode\n*k : auto\nmode: auto\n", `seed.yaml:5:1: key "mode" already at line 4`},
		{"unknown key", head + "budgts: {}\n", `seed.yaml:3:1: budgts: unknown key, nearest is "budgets"`},
		{"unknown key below", "version: 1\nproject:\n  name: tally\n  codname: t\n", `seed.yaml:4:3: project.codname: unknown key, nearest is "codename"`},
		{"unknown key with swapped letters", head + "mdoe: auto\n", `seed.yaml:3:1: mdoe: unknown key, nearest is "mode"`},
		{"known key at the wrong place", head + "write_paths: []\n", `seed.yaml:3:1: write_paths: unknown key, nearest is "automation_contract.ai_access.write_paths"`},
		{"unknown key like nothing", head + "review: {q: 1}\n", `seed.yaml:3:10: review.q: unknown key, known are people`},
		{"key with an escape sequence", head + "\"mo\\ede\": auto\n", "seed.yaml:3:1: mo\uFFFDde: unknown key, nearest is \"mode\""},
		{"list as a key", head + "? [a]\n: b\n", `seed.yaml:3:3: found a list as a key, want a plain name`},
		{"second document", head + "---\nmode: auto\n", `seed.yaml:3:1: found a second document, want one document`},
		{"second document after an end mark", head + "...\nmode: auto\n", `seed.yaml:4:1: found a second document, want one document`},
		{"second document, empty", head + "---\n", `seed.yaml:3:1: found a second document, want one document`},
		{"second document, both marks", head + "...\n---\n", `seed.yaml:4:1: found a second document, want one document`},
		{"tab indent", head + "budgets:\n\tday: {tokens: 1}\n", `seed.yaml:4:1: found a tab in the indentation, want spaces`},
		{"tab after spaces", head + "budgets:\n  day:\n  \ttokens: 1\n", `seed.yaml:5:3: found a tab in the indentation, want spaces`},
		{"directive", "%YAML 1.2\n---\n" + head, `seed.yaml:1:1: found a directive, want none`},
		{"merge key", head + "x-a: &a {max_files: 4}\nbudgets: {change: {<<: *a}}\n", `seed.yaml:4:20: found the merge key <<, want the keys written out`},
		{"tag", head + "mode: !!str auto\n", `seed.yaml:3:7: mode: found the tag !!str, want a value without a tag`},
		{"alias without anchor", head + "mode: *nope\n", `seed.yaml:3:7: no anchor for the alias "*nope"`},
		{"alias of itself", head + "x-a: &a [*a]\n", `seed.yaml:3:10: found alias *a inside its own anchor, want no cycles`},
		{"not YAML", head + "mode: @a\n", `seed.yaml:3:1: not readable as YAML: found character that cannot start any token`},

		{"empty", "", `seed.yaml is empty`},
		{"blank", " \n\n", `seed.yaml is empty`},
		{"byte order mark alone", "\ufeff", `seed.yaml is empty`},
		{"comments alone", "# nothing yet\n", `seed.yaml is empty`},
		{"document mark alone", "---\n", `seed.yaml is empty`},
		{"null", "~\n", `seed.yaml:1:1: found null, want a mapping`},
		{"a list", "- version: 1\n", `seed.yaml:1:1: found a list, want a mapping`},
		{"a text", "hello\n", `seed.yaml:1:1: found "hello", want a mapping`},
		{"UTF-16 little endian", "\xff\xfev\x00e\x00", `seed.yaml: found UTF-16 (little endian), want UTF-8`},
		{"UTF-16 big endian", "\xfe\xff\x00v\x00e", `seed.yaml: found UTF-16 (big endian), want UTF-8`},
		{"UTF-16 without mark", "v\x00e\x00r\x00", `seed.yaml: found UTF-16 (little endian), want UTF-8`},
		{"UTF-32", "\xff\xfe\x00\x00v\x00\x00\x00", `seed.yaml: found UTF-32, want UTF-8`},
		{"invalid UTF-8", "version: 1\nproject:\n  name:\xe9t\xe9\n", `seed.yaml:3:8: invalid UTF-8 at byte 27`},
		{"invalid UTF-8 after a mark and an umlaut", "\ufeffx-ü: \xff\n", `seed.yaml:1:6: invalid UTF-8 at byte 9`},
		{"control character", "version: 1\x00\n", `seed.yaml:1:11: control character U+0000 at byte 10`},
		{"mark in the middle", head + "\ufeffmode: auto\n", `seed.yaml:3:1: control character U+FEFF at byte 34`},

		{"numbers", head + `budgets:
  change: {max_files: "0x10", max_lines: 1e9, max_deleted_ratio: .nan}
  day: {tokens: .inf, cycles: no}
  plan: {tokens: ~}
  task:
    tokens: 1:30
    minutes: 010
    model_calls: 0x10
    commands: 0o10
    attempts: -1
    debug_depth:
    review_rounds: 1_0
  cycle: {tasks: 300, tokens: [1], minutes: {a: 1}, usd: "1.5", max_files: 1.0, max_lines: +1}
  open: {pull_requests: yes, issues: true, per_actor_per_hour: "3"}
  effects_per_hour: off
`, `seed.yaml:4:23: budgets.change.max_files: found "0x10", want a whole number from 0 to 1000000
seed.yaml:4:42: budgets.change.max_lines: found "1e9", want a whole number from 0 to 10000000
seed.yaml:4:66: budgets.change.max_deleted_ratio: found ".nan", want a fraction from 0 to 1, such as 0.75
seed.yaml:5:17: budgets.day.tokens: found ".inf", want a whole number from 0 to 1000000000
seed.yaml:5:31: budgets.day.cycles: found "no", want a whole number from 0 to 10000
seed.yaml:6:18: budgets.plan.tokens: found null, want a whole number from 0 to 1000000000
seed.yaml:8:13: budgets.task.tokens: found "1:30", want a whole number from 0 to 1000000000
seed.yaml:9:14: budgets.task.minutes: found "010", want a whole number from 0 to 100000
seed.yaml:10:18: budgets.task.model_calls: found "0x10", want a whole number from 0 to 100000
seed.yaml:11:15: budgets.task.commands: found "0o10", want a whole number from 0 to 100000
seed.yaml:12:15: budgets.task.attempts: found "-1", want a whole number from 0 to 1000
seed.yaml:13:17: budgets.task.debug_depth: found null, want a whole number from 0 to 1000
seed.yaml:14:20: budgets.task.review_rounds: found "1_0", want a whole number from 0 to 1000
seed.yaml:15:18: budgets.cycle.tasks: found "300", want a whole number from 0 to 256
seed.yaml:15:31: budgets.cycle.tokens: found a list, want a whole number from 0 to 1000000000
seed.yaml:15:45: budgets.cycle.minutes: found a mapping, want a whole number from 0 to 100000
seed.yaml:15:58: budgets.cycle.usd: found "1.5" in quotes, want a number from 0 to 1000000 or off
seed.yaml:15:76: budgets.cycle.max_files: found "1.0", want a whole number from 0 to 1000000
seed.yaml:15:92: budgets.cycle.max_lines: found "+1", want a whole number from 0 to 10000000
seed.yaml:16:25: budgets.open.pull_requests: found "yes", want a whole number from 0 to 1000
seed.yaml:16:38: budgets.open.issues: found "true", want a whole number from 0 to 10000
seed.yaml:16:64: budgets.open.per_actor_per_hour: found "3" in quotes, want a whole number from 0 to 10000
seed.yaml:17:21: budgets.effects_per_hour: found "off", want a whole number from 0 to 100000`},
		{"huge number", head + "budgets: {day: {tokens: 99999999999999999999999999}}\n",
			`seed.yaml:3:25: budgets.day.tokens: found "99999999999999999999999999", want a whole number from 0 to 1000000000`},
		{"coverage in percent", head + "quality_gates: {coverage: {global_minimum: 75}}\n",
			`seed.yaml:3:44: quality_gates.coverage.global_minimum: found "75", want a fraction from 0 to 1 or off, such as 0.75`},
		{"words", head + "mode: atuo\nenforce: yes\nmodel: {temperature: hot, context_tokens: off}\nsandbox: null\n",
			`seed.yaml:3:7: mode: found "atuo", want one of advise, propose, auto, nearest is "auto"
seed.yaml:4:10: enforce: found "yes", want true or false
seed.yaml:5:22: model.temperature: found "hot", want a number from 0 to 2 or unset
seed.yaml:5:43: model.context_tokens: found "off", want a whole number from 1024 to 100000000 or auto
seed.yaml:6:10: sandbox: found null, want one of required, none`},
		{"durations", head + "privacy: {retention: 91d}\nmodel: {stall_timeout: 60}\nselection: {cooldown: 1 day}\n",
			`seed.yaml:3:22: privacy.retention: found "91d", want a duration from 1d to 90d, such as 3d, 72h or 10m
seed.yaml:4:24: model.stall_timeout: found "60", want a duration from 1s to 1h, such as 3d, 72h or 10m
seed.yaml:5:23: selection.cooldown: found "1 day", want a duration from 0s to 365d, such as 3d, 72h or 10m`},
		{"texts", head + "ethics: {policy: ../x}\nlog: {branch: 5}\napprovals: {merge: [\"@ana\", ~, \"\"]}\nmodel: {base_url: \"https://a:b@c/\"}\nfeature_flags: [{id: f, expires: 2031-02-30}]\n",
			`seed.yaml:3:18: ethics.policy: found "../x", want a path inside the repository, such as docs/x.md
seed.yaml:4:15: log.branch: found "5", want the name of a branch
seed.yaml:5:21: approvals.merge[0]: found "@ana", want a login or org/team without @
seed.yaml:5:29: approvals.merge[1]: found null, want a login or org/team without @
seed.yaml:5:32: approvals.merge[2]: found "", want a login or org/team without @
seed.yaml:6:19: model.base_url: found "https://a:b@c/", want an http or https address
seed.yaml:7:34: feature_flags[0].expires: found "2031-02-30", want a day, such as 2030-01-31`},
		{"globs", head + "automation_contract: {ai_access: {write_paths: [\"{a\"], disallowed_writes: [\"a[\"]}}\n",
			`seed.yaml:3:49: automation_contract.ai_access.write_paths[0]: found "{a", want a glob, such as apps/web/**
seed.yaml:3:76: automation_contract.ai_access.disallowed_writes[0]: found "a[", want a glob, such as apps/web/**`},
		{"labels", head + "automation_contract: {task_labels: {triggers: [\"a,b\"], auto_managed_labels: [\"" + strings.Repeat("l", 51) + "\"]}}\n",
			`seed.yaml:3:48: automation_contract.task_labels.triggers[0]: found "a,b", want a label of at most 50 characters without comma and line end
seed.yaml:3:78: automation_contract.task_labels.auto_managed_labels[0]: found "` + strings.Repeat("l", 51) + `", want a label of at most 50 characters without comma and line end`},
		{"commands", head + "commands: {test: [{run: ''}, {rn: a}, 5, ~], lint: go vet, setup: [{run: a, when: step}]}\n",
			`seed.yaml:3:25: commands.test[0].run: found "", want a command in one line
seed.yaml:3:30: commands.test[1]: the key "run" is missing
seed.yaml:3:31: commands.test[1].rn: unknown key, nearest is "run"
seed.yaml:3:39: commands.test[2]: found "5", want text or a mapping with run, name, when, timeout, report, coverage, network
seed.yaml:3:42: commands.test[3]: found null, want text or a mapping with run, name, when, timeout, report, coverage, network
seed.yaml:3:52: commands.lint: found "go vet", want a list
seed.yaml:3:77: commands.setup[0].when: unknown key, nearest is "run"`},
		{"cross references", head + "task_types: [{id: a, worker: bugfixer}, {id: a}]\ndomains: [{id: web, paths: [a], consumes: [wbe]}]\n",
			`seed.yaml:3:22: task_types[0].worker: unknown worker "bugfixer", nearest is "bug-fixer"
seed.yaml:3:41: task_types[1]: id "a" already at line 3
seed.yaml:3:41: task_types[1]: found no keywords, as in task_types[0], want at most one type without keywords
seed.yaml:4:44: domains[0].consumes[0]: unknown domain "wbe", nearest is "web"`},
		{"signals", head + "deploy: {observe: [{}, {http: {path: /a}, command: ls}]}\n",
			`seed.yaml:3:20: deploy.observe[0]: found 0 signals, want exactly one of http, heroku_logs, rollbar, command
seed.yaml:3:24: deploy.observe[1]: found 2 signals, want exactly one of http, heroku_logs, rollbar, command`},
		{"missing and wrong version", "project: {name: ''}\n", `seed.yaml:1:1: the key "version" is missing
seed.yaml:1:17: project.name: found "", want text that is not empty`},
		{"other version", "version: 2\nproject: {name: tally}\n", `seed.yaml:1:10: version: found "2", want 1`},
		{"too long", head + "domain: {problem_statement: " + strings.Repeat("a", 4001) + "}\n", `seed.yaml:3:29: domain.problem_statement: found 4001 characters, want at most 4000`},
		{"too many", head + "model: {fallback: [" + strings.Repeat("m,", 11) + "]}\n", `seed.yaml:3:19: model.fallback: found 11 entries, want 0 to 10 entries`},
		{"terminal codes", head + "mode: \"au\\e[31mto\"\n", `seed.yaml:3:7: mode: found "au\x1b[31mto", want one of advise, propose, auto, nearest is "auto"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse("seed.yaml", []byte(c.text))
			if s != nil || err == nil {
				t.Fatalf("accepted, want:\n%s", c.want)
			}
			if have := err.Error(); have != c.want {
				t.Errorf("have:\n%s\nwant:\n%s", have, c.want)
			}
		})
	}
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := Parse("base/seed.yaml", []byte("version: 1\nproject: {name: a}\nmode: atuo\n"))
	var all Errors
	if !errors.As(err, &all) || len(all) != 1 {
		t.Fatalf("have %T %v, want Errors with one problem", err, err)
	}
	want := Error{File: "base/seed.yaml", Line: 3, Column: 7, Path: "mode", Found: `"atuo"`, Want: "one of advise, propose, auto", Nearest: "auto"}
	if all[0] != want {
		t.Errorf("have %#v, want %#v", all[0], want)
	}
	var one Error
	if !errors.As(err, &one) || one != want {
		t.Errorf("errors.As to Error: have %#v", one)
	}
}

func TestEmptySeedHintsAtInit(t *testing.T) {
	_, err := Parse("seed.yaml", nil)
	var all Errors
	if !errors.As(err, &all) || all.Hint() != "seedbed init" {
		t.Errorf("have %v with hint %q, want the hint seedbed init", err, all.Hint())
	}
}

// A file full of problems is told up to a bound, and the rest is counted.
func TestErrorsAreBounded(t *testing.T) {
	text := "version: 1\nproject: {name: a}\n" + strings.Repeat("? [a]\n: b\n", 500)
	_, err := Parse("seed.yaml", []byte(text))
	lines := strings.Split(err.Error(), "\n")
	if have, want := len(lines), maxErrors+1; have != want {
		t.Errorf("have %d lines, want %d", have, want)
	}
	if have, want := lines[len(lines)-1], "seed.yaml has 400 more problems"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"mode", "model", "budgets", "max_files"}
	for word, want := range map[string]string{"mdoe": "mode", "models": "model", "budget": "budgets", "maxfiles": "max_files", "": "", "zzz": "", "MODE": "mode"} {
		if have := nearest(word, words); have != want {
			t.Errorf("%q: have %q, want %q", word, have, want)
		}
	}
	if have := nearest("a", nil); have != "" {
		t.Errorf("no candidates: have %q", have)
	}
}

// Whatever the bytes: no crash, and either a seed or problems with places
// inside the file and texts that are safe to print.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"interactive-cv", "seed-reference"} {
		data, err := os.ReadFile(filepath.Join("../../examples", file, "seed.yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(smallest))
	f.Add([]byte("version: 1\nx-a: &a [*a]\nmode: !!int *b\n---\n...\n"))
	f.Add([]byte("\ufeffversion: 1\r\nproject: {? [a] : b, << : c}\r\n\tx: \x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("seed.yaml", data)
		if err == nil {
			s.Effective()
			s.ReservedInUse()
			s.Patterns()
			return
		}
		var all Errors
		if s != nil || !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("have %v and %T", s, err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + strings.Count(string(data), "\u0085") +
			strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + 2
		for _, e := range all {
			if e.Line > lines || e.Found == "" {
				t.Errorf("%#v in a file of %d lines", e, lines)
			}
			if i := strings.IndexFunc(e.Error(), func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' }); i >= 0 {
				t.Errorf("control character in %q", e.Error())
			}
		}
	})
}

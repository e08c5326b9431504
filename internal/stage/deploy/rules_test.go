package deploy_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/stage/deploy"
)

// A merge by a program goes out only when the log says that it was judged.
func TestWhoMerged(t *testing.T) {
	w := newWorld(t, theSeed)
	by := w.commit(w.robot, "")
	rep := w.deploy(by, rundir.ValidationBlocked)
	equal(t, "rule", rep.Record.Reason, "merge")
	equal(t, "scripts", w.ran(), "")

	entry, err := journal.Append(nil, journal.Entry{Key: "k", Tasks: []journal.Line{{Issue: 1, Outcome: "merged", Decision: "allowed", Merge: by}}})
	must(t, err)
	_, _, err = w.robot.PutFile(t.Context(), journal.Path, "main", "log", entry, "")
	must(t, err)
	w.deploy(by, rundir.Succeeded)
}

func TestLogThatSaysNothing(t *testing.T) {
	w := newWorld(t, theSeed)
	by := w.commit(w.robot, "")
	entry, err := journal.Append(nil, journal.Entry{Key: "k", Tasks: []journal.Line{{Issue: 1, Outcome: "merged", Decision: "allowed", Merge: by}}})
	must(t, err)
	broken := strings.Replace(string(entry), `"issue":1`, `"issue":2`, 1)
	_, _, err = w.robot.PutFile(t.Context(), journal.Path, "main", "log", []byte(broken), "")
	must(t, err)
	rep := w.deploy(by, rundir.Infrastructure)
	equal(t, "rule", rep.Record.Reason, "merge")
	equal(t, "scripts", w.ran(), "")
}

// What came in on the side of a merge was never the state of main.
func TestOnlyFirstParentsGoOut(t *testing.T) {
	w := newWorld(t, theSeed)
	main, err := w.maya.Ref(t.Context(), "refs/heads/main")
	must(t, err)
	tree, err := w.maya.CreateTree(t.Context(), main.SHA, []forge.TreeEdit{{Path: "side", Mode: "100644", Content: []byte("x")}})
	must(t, err)
	side, err := w.maya.CreateCommit(t.Context(), "side", tree, []string{main.SHA})
	must(t, err)
	merge, err := w.maya.CreateCommit(t.Context(), "merge", tree, []string{main.SHA, side})
	must(t, err)
	must(t, w.maya.UpdateRef(t.Context(), "refs/heads/main", merge))
	rep := w.deploy(side, rundir.ValidationBlocked)
	equal(t, "rule", rep.Record.Reason, "branch")
	w.deploy(merge, rundir.Succeeded)
}

func TestJudgeRelease(t *testing.T) {
	s, err := seed.Parse("seed.yaml", []byte(theSeed))
	must(t, err)
	const sha = "0123456789012345678901234567890123456789"
	ana, bot := forge.User{ID: 1, Login: "ana"}, forge.User{ID: 2, Login: "robot", Bot: true}
	good := policy.ReleaseFacts{OnBranch: true, Author: ana, Viewer: bot}
	for _, c := range []struct {
		name  string
		facts policy.ReleaseFacts
		want  policy.Decision
	}{
		{"a person's merge", good, policy.Allowed},
		{"a person's push of a program's commit", policy.ReleaseFacts{OnBranch: true, Author: bot, Pusher: ana, Viewer: bot}, policy.Allowed},
		{"our merge, in the log", policy.ReleaseFacts{OnBranch: true, Author: bot, Logged: policy.Allowed, Viewer: bot}, policy.Allowed},
		{"our merge, not in the log", policy.ReleaseFacts{OnBranch: true, Author: bot, Viewer: bot}, policy.Reject},
		{"our merge, judged otherwise", policy.ReleaseFacts{OnBranch: true, Author: ana, Logged: policy.NeedsApproval, Viewer: bot}, policy.Reject},
		{"an account nobody knows", policy.ReleaseFacts{OnBranch: true, Viewer: bot}, policy.Reject},
		{"ourselves under a person's account", policy.ReleaseFacts{OnBranch: true, Author: ana, Viewer: ana}, policy.Reject},
		{"elsewhere", policy.ReleaseFacts{Author: ana}, policy.Reject},
		{"frozen", policy.ReleaseFacts{OnBranch: true, Author: ana, Frozen: true}, policy.Reject},
		{"unreadable", policy.ReleaseFacts{OnBranch: true, Author: ana, Unreadable: map[string]string{"freeze": "x"}}, policy.CouldNotJudge},
		{"nothing known", policy.ReleaseFacts{}, policy.Reject},
	} {
		t.Run(c.name, func(t *testing.T) {
			released, v := policy.JudgeRelease(s, sha, c.facts)
			equal(t, "decision", v.Decision, c.want)
			equal(t, "covers", released.Covers(sha), c.want == policy.Allowed)
			equal(t, "covers nothing", released.Covers(""), false)
			equal(t, "alone", released.Alone(sha), c.want == policy.Allowed)
		})
	}
}

// Scripts get their own variables and none of ours.
func TestEnvironment(t *testing.T) {
	text := strings.Replace(theSeed, "sh release.sh", "'env >$DEPLOY_ROOT/env; sh release.sh'", 1)
	w := newWorld(t, text)
	one := w.commit(w.maya, "")
	w.deploy(one, rundir.Succeeded, func(p *deploy.Ports, _ *deploy.Input) { p.Environ = append(p.Environ, "DEPLOY_TOKEN=abc") })
	data, err := os.ReadFile(filepath.Join(w.root, "env"))
	must(t, err)
	env := string(data)
	for _, want := range []string{"DEPLOY_TOKEN=abc", "SEEDBED_SHA=" + one, "SEEDBED_ENVIRONMENT=staging", "PATH="} {
		if !strings.Contains(env, want) {
			t.Errorf("have no %s in\n%s", want, env)
		}
	}
	if strings.Contains(env, "not-for-scripts") {
		t.Errorf("have a secret of ours in\n%s", env)
	}
}

func TestScriptsThatFail(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"exit 3", "ended with exit code 3"},
		{"echo no room >&2; exit 1", "ended with exit code 1: no room"},
		{"true", "printed no JSON object on its last line"},
		{"echo hello", `but "hello"`},
		{`echo '{"url": "http://x"}'`, `names the release ""`},
		{`echo '{"release": "a b"}'`, `names the release "a b"`},
		{`echo '{"release": "-rf"}'`, `names the release "-rf"`},
		{`echo '{"release": "a", "url": "ftp://x"}'`, `names the address "ftp://x"`},
		{`echo '{"release": "a", "url": "https://me:word@x"}'`, "names the address"},
		{"no-such-program", "ended with exit code 127"},
	} {
		t.Run(c.line, func(t *testing.T) {
			w := newWorld(t, strings.Replace(theSeed, "sh release.sh", fmt.Sprintf("%q", c.line), 1))
			rep := w.deploy(w.commit(w.maya, ""), rundir.ValidationBlocked)
			if !strings.Contains(rep.Record.Message, c.want) {
				t.Errorf("have %q, want %q in it", rep.Record.Message, c.want)
			}
			equal(t, "proposed", kinds(rep.Proposed), "issue.open")
		})
	}
}

// A promotion that fails leaves production in doubt: it goes back.
func TestPromotionFails(t *testing.T) {
	w := newWorld(t, theSeed)
	good := w.commit(w.maya, "")
	w.deploy(good, rundir.Succeeded)
	next := w.commit(w.maya, "")
	w.deploy(next, rundir.RolledBack, func(p *deploy.Ports, _ *deploy.Input) { p.Scripts = failing{p.Scripts, "promote.sh"} })
	equal(t, "current", w.current(), good)
}

// failing stands in for a script that cannot do its work.
type failing struct {
	deploy.Scripts
	line string
}

func TestNotInThisVersion(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"provider: command", "provider: heroku", "deploy.provider heroku: not in this version; command is (seed.yaml:5"},
		{"provider: command", "provider: github-environment", "deploy.provider github-environment: not in this version"},
		{"staging: {deploy: sh release.sh}", "staging: {}", "deploy.staging.deploy is missing"},
	} {
		s, err := seed.Parse("seed.yaml", []byte(strings.Replace(theSeed, c.from, c.to, 1)))
		must(t, err)
		rep, err := deploy.Run(t.Context(), deploy.Ports{Now: time.Now}, s, deploy.Input{SHA: strings.Repeat("a", 40)})
		must(t, err)
		if rep.Record.Outcome != rundir.Environment || !strings.Contains(rep.Record.Message, c.want) {
			t.Errorf("have %s %q, want %q", rep.Record.Outcome, rep.Record.Message, c.want)
		}
	}
}

func TestOnlyStaging(t *testing.T) {
	w := newWorld(t, strings.Replace(theSeed, "production: {promote: sh promote.sh, rollback: sh rollback.sh}", "production: {}", 1))
	one := w.commit(w.maya, "")
	w.deploy(one, rundir.Succeeded)
	w.deploy(one, rundir.NothingToDo)
	equal(t, "scripts", w.ran(), "release "+one[:4])
}

func TestDryRun(t *testing.T) {
	w := newWorld(t, theSeed)
	good := w.commit(w.maya, "")
	w.deploy(good, rundir.Succeeded)
	next, before := w.commit(w.maya, ""), w.ran()
	var lines []string
	rep := w.deploy(next, rundir.Succeeded, func(p *deploy.Ports, _ *deploy.Input) {
		p.DryRun = func(line string) { lines = append(lines, line) }
	})
	want := []string{
		"branch     pass: merged on the default branch",
		"merge      pass: merged by @maya",
		"freeze     pass: not frozen",
		"resources  not_applicable: no resource or further signal named",
		"staging    sh release.sh at " + next[:8] + "; settle 5s, watch 3s every 1s, at most 0 failed of at least 3",
		"production sh promote.sh, by itself; settle 5s, watch 3s every 1s, at most 0 failed of at least 3",
		"roll back  if bad: sh rollback.sh to release " + good + " of " + good[:8] + "; the database stays as it is",
	}
	equal(t, "plan", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	equal(t, "scripts", w.ran(), before)
	equal(t, "effects", len(rep.Effects), 0)
}

// Probes take time themselves: that neither costs the last sample nor stretches
// the window.
func TestProbesThatTakeTime(t *testing.T) {
	for _, c := range []struct {
		takes   time.Duration
		message string
		want    rundir.Outcome
	}{
		{10 * time.Millisecond, "staging 4/4 healthy → production 4/4 healthy", rundir.Succeeded},
		{1900 * time.Millisecond, "staging 3/3 healthy → production 3/3 healthy", rundir.Succeeded},
		{5 * time.Second, "1 of 1 samples say something, at least 3 wanted", rundir.Inconclusive},
	} {
		w := newWorld(t, theSeed)
		rep := w.deploy(w.commit(w.maya, ""), c.want, func(p *deploy.Ports, _ *deploy.Input) {
			p.Probe = probe(func(context.Context, string) (deploy.Result, string) {
				w.now = w.now.Add(c.takes)
				return deploy.Pass, "fine"
			})
		})
		if !strings.HasSuffix(rep.Record.Message, c.message) {
			t.Errorf("%s: have %q, want %q", c.takes, rep.Record.Message, c.message)
		}
	}
}

// TestWeb asks real servers.
func TestWeb(t *testing.T) {
	status := func(code int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if code == 302 {
				http.Redirect(w, r, "/elsewhere", code)
				return
			}
			w.WriteHeader(code)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(release) })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, closed.Close())
	file := filepath.Join(t.TempDir(), "healthz")
	must(t, os.WriteFile(file, []byte("fine\n"), 0o600))
	for _, c := range []struct {
		name, url string
		want      deploy.Result
	}{
		{"200", status(200), deploy.Pass},
		{"204", status(204), deploy.Pass},
		{"redirect", status(302), deploy.Fail},
		{"404", status(404), deploy.Fail},
		{"503", status(503), deploy.Fail},
		{"429", status(429), deploy.NoData},
		{"silence", silent.URL, deploy.Fail},
		{"nobody listens", "http://" + closed.Addr().String(), deploy.Fail},
		{"no such name", "http://nowhere.invalid/", deploy.Error},
		{"no address", "http://[::1", deploy.Error},
		{"file", "file://" + file, deploy.Pass},
		{"no file", "file://" + file + "x", deploy.Fail},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, detail := deploy.NewWeb(200*time.Millisecond).Probe(t.Context(), c.url)
			if have != c.want {
				t.Errorf("have %s (%s), want %s", have, detail, c.want)
			}
		})
	}
}

// A script that hangs is ended with all it started, and that is a result.
func TestShellEndsTheGroup(t *testing.T) {
	dir := t.TempDir()
	ran, err := deploy.Shell{}.Run(t.Context(), deploy.Script{Line: "echo $$ >pid; sleep 60 & echo $! >child; wait", Dir: dir,
		Env: []string{"PATH=" + os.Getenv("PATH")}, Timeout: 200 * time.Millisecond})
	must(t, err)
	equal(t, "timed out", ran.TimedOut, true)
	child, err := os.ReadFile(filepath.Join(dir, "child"))
	must(t, err)
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
	if err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("the child still runs: %s", stat)
	}
}

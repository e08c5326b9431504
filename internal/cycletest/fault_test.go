package cycletest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/journal"
)

// refusals are the answers that go wrong, each of them once.
var refusals = []struct {
	name  string
	fault fakegithub.Fault
	slow  bool // the client waits a minute before it sends again
}{
	{"401", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 401}, false},
	{"403", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 403, Header: map[string]string{"X-Accepted-GitHub-Permissions": "contents=write"}}, false},
	{"404", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 404}, false},
	{"409", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 409}, false},
	{"422", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 422}, false},
	{"429 with a time", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 429, Header: map[string]string{"Retry-After": "1"}}, false},
	{"429 without", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 429}, true},
	{"secondary limit", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 403, Header: map[string]string{"Retry-After": "1"},
		Body: `{"message":"You have exceeded a secondary rate limit."}`}, false},
	{"500", fakegithub.Fault{Kind: fakegithub.FaultStatus, Status: 500}, false},
	{"cut", fakegithub.Fault{Kind: fakegithub.FaultCut}, false},
	{"lost before", fakegithub.Fault{Kind: fakegithub.FaultDropBefore}, false},
	{"lost after", fakegithub.Fault{Kind: fakegithub.FaultDropAfter}, false},
}

// Whatever the forge answers to any one mutation, once: the exit code tells the
// truth, and the runs after it find and complete what is missing.
func TestRefusedMutations(t *testing.T) {
	want, requests := faultless(t, newNotes)
	mutations := 0
	for _, q := range requests {
		if mutation(q) {
			mutations++
		}
	}
	for m := 1; m <= mutations; m++ {
		for i, r := range refusals {
			if !allFaults() && (r.slow || i != m%len(refusals)) {
				continue
			}
			t.Run(fmt.Sprintf("%s at mutation %d", r.name, m), func(t *testing.T) {
				t.Parallel()
				fault := r.fault
				fault.Mutation = m
				refused(t, fault, want)
			})
		}
	}
}

func refused(t *testing.T, fault fakegithub.Fault, want string) {
	t.Helper()
	w := newNotes(t)
	r := w.newRun()
	w.server.SetFaults(fault)
	job, err := r.jobs("accept")
	w.server.SetFaults()
	w.honest(r, err)
	w.once()
	if err == nil && w.merged() {
		r.end("success")
	} else {
		w.carryOn(r, job, err == nil)
	}
	w.once()
	if have := w.state(); have != want && !strings.Contains(w.talk.String(), "exit 4") && !strings.Contains(w.talk.String(), "exit 1") {
		t.Errorf("--- have\n%s\n--- want\n%s\n--- talk\n%s", have, want, w.talk.String())
	}
}

// honest checks I13: exit code 0 of the last job means that everything is done.
func (w *world) honest(r *run, err error) {
	w.Helper()
	last := r.outcomes[len(r.outcomes)-1]
	if err == nil && last == "decide 0" && !w.merged() {
		w.Errorf("the last job ended with exit code 0 and yet not all is done:\n%s\n%s", w.state(), w.talk.String())
	}
}

// carryOn goes on until it is merged. Where the run ended and asked for a
// person, the person puts the label on again.
func (w *world) carryOn(r *run, job string, asked bool) {
	w.Helper()
	if asked {
		w.ahead.Add(5)
		w.ok(w.ana.RemoveLabel(w.Context(), w.issue, "ai-task"))
		w.ok(w.ana.AddLabels(w.Context(), w.issue, "ai-task"))
		w.ahead.Add(5)
	}
	w.untilDone(r, job, job != "")
}

// once checks I1 at any moment: of nothing there are two.
func (w *world) once() {
	w.Helper()
	comments, err := w.ana.Comments(w.Context(), w.issue)
	w.ok(err)
	branches, err := w.ana.RefsUnder(w.Context(), "refs/heads/seedbed/")
	w.ok(err)
	leases, err := w.ana.RefsUnder(w.Context(), "refs/seedbed/leases/")
	w.ok(err)
	issues, err := w.ana.OpenIssues(w.Context())
	w.ok(err)
	pulls := 0
	for _, b := range branches {
		of, err := w.ana.PullsByHead(w.Context(), strings.TrimPrefix(b.Name, "refs/heads/"))
		w.ok(err)
		pulls += len(of)
	}
	if len(comments) > 1 || len(branches) > 1 || len(leases) > 1 || len(issues) > 1 || pulls > 1 {
		w.Errorf("%d comments, %d branches, %d leases, %d open issues, %d pull requests: at most one of each\n%s", len(comments), len(branches), len(leases), len(issues), pulls, w.talk.String())
	}
	if f, err := w.ana.File(w.Context(), journal.Path, "main"); err == nil {
		_, err = journal.Parse(f.Content)
		w.ok(err)
	}
}

// B49: two cycles on one issue. Both select it; one claims it; the other ends
// with nothing to do and no trace.
func TestTwoCyclesAtOnce(t *testing.T) {
	want, _ := faultless(t, newNotes)
	w := newNotes(t)
	one, two := w.newRun(), w.newRun()
	for _, r := range []*run{one, two} {
		w.ok(r.choose())
	}
	both := func(do func(*run)) {
		var wait sync.WaitGroup
		wait.Go(func() { do(one) })
		do(two)
		wait.Wait()
	}
	ends := map[*run]error{one: nil, two: nil}
	var mu sync.Mutex
	both(func(r *run) {
		err := r.claim()
		mu.Lock()
		ends[r] = err
		mu.Unlock()
	})
	if len(one.accepted)+len(two.accepted) != 1 || ends[one] != nil || ends[two] != nil {
		t.Fatalf("accepted %v and %v, %v and %v; want one\n%s", one.accepted, two.accepted, ends[one], ends[two], w.talk.String())
	}
	both(func(r *run) {
		_, err := r.jobs("build")
		mu.Lock()
		ends[r] = err
		mu.Unlock()
	})
	for r, err := range ends {
		if err != nil {
			t.Errorf("run %d: %v", r.id, err)
		}
		for _, o := range r.outcomes {
			if !strings.HasSuffix(o, " 0") {
				t.Errorf("run %d: %v, want 0 throughout", r.id, r.outcomes)
			}
		}
	}
	if !strings.Contains(w.talk.String(), "is taken by run") {
		t.Errorf("nobody said by whom it is taken:\n%s", w.talk.String())
	}
	if have := w.state(); have != want {
		t.Errorf("--- have\n%s\n--- want\n%s\n--- talk\n%s", have, want, w.talk.String())
	}
}

// The same with everything at once, from the first request on.
func TestTwoWholeCyclesAtOnce(t *testing.T) {
	want, _ := faultless(t, newNotes)
	w := newNotes(t)
	one, two := w.newRun(), w.newRun()
	var wait sync.WaitGroup
	for _, r := range []*run{one, two} {
		wait.Go(func() {
			if job, err := r.jobs("accept"); err != nil {
				t.Errorf("run %d, %s: %v", r.id, job, err)
			}
			r.end("success")
		})
	}
	wait.Wait()
	w.once()
	if !w.merged() {
		w.untilDone(w.newRun(), "", false)
	}
	if have := w.state(); have != want {
		t.Errorf("--- have\n%s\n--- want\n%s\n--- talk\n%s", have, want, w.talk.String())
	}
}

// I13: a cancelled job still tells its outcome, does not claim success, and
// what it left is completed.
func TestCancelled(t *testing.T) {
	want, requests := faultless(t, newNotes)
	for i, q := range requests {
		n := i + 1
		chosen := strings.Contains(q, "/git/refs") || strings.HasSuffix(q, "/merge") || n == 4 || n == 50
		if !mutation(q) && n != 4 && n != 50 || !chosen && !allFaults() {
			continue
		}
		t.Run(fmt.Sprintf("%d %s", n, strings.ReplaceAll(q, "/", ".")), func(t *testing.T) {
			t.Parallel()
			w := newNotes(t)
			output := filepath.Join(w.dir, "output")
			summary := filepath.Join(w.dir, "summary")
			w.ok(errors.Join(os.WriteFile(output, nil, 0o600), os.WriteFile(summary, nil, 0o600)))
			w.env = []string{"GITHUB_ACTIONS=true", "GITHUB_OUTPUT=" + output, "GITHUB_STEP_SUMMARY=" + summary, "RUNNER_TEMP=" + w.TempDir()}
			w.gate.breakAt(n, false, syscall.SIGTERM)
			r := w.newRun()
			job, err := r.jobs("accept")
			if !w.gate.hasKilled() {
				t.Fatalf("request %d was never sent: %s: %v\n%s", n, job, err, w.talk.String())
			}
			w.honest(r, err)
			told, readErr := os.ReadFile(output)
			w.ok(readErr)
			last := string(told)
			if at := strings.LastIndex(last, "outcome"); at >= 0 {
				last = last[at:]
			}
			if err != nil && !strings.Contains(last, "infrastructure_failed") && !strings.Contains(last, "environment_blocked") {
				t.Errorf("%s ended with %v and told %q, want its outcome", job, err, last)
			}
			w.env = nil
			if err == nil && w.merged() {
				return
			}
			w.carryOn(r, job, false)
			if have := w.state(); have != want {
				t.Errorf("--- have\n%s\n--- want\n%s\n--- talk\n%s", have, want, w.talk.String())
			}
		})
	}
}

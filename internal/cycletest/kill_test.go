package cycletest

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// faultless runs a cycle that nothing goes wrong in, and gives its end and its
// requests.
func faultless(t *testing.T, make func(*testing.T) *world) (state string, requests []string) {
	t.Helper()
	w := make(t)
	r := w.newRun()
	if job, err := r.jobs("accept"); err != nil {
		t.Fatalf("%s: %v\n%s", job, err, w.talk.String())
	}
	r.end("success")
	if !w.merged() {
		t.Fatalf("the cycle did not end merged:\n%s\n%s", w.state(), w.talk.String())
	}
	return w.state(), w.gate.seen()
}

// TestCycle is the cycle without faults, and once more: nothing is done twice.
func TestCycle(t *testing.T) {
	start := time.Now()
	w := newNotes(t)
	r := w.newRun()
	if job, err := r.jobs("accept"); err != nil {
		t.Fatalf("%s: %v\n%s", job, err, w.talk.String())
	}
	r.end("success")
	t.Logf("%d requests in %s, %v", len(w.gate.seen()), time.Since(start), r.outcomes)
	before := w.state()
	t.Log(before)
	if os.Getenv("SEEDBED_SHOW_REQUESTS") != "" {
		t.Log(strings.Join(w.gate.seen(), "\n"))
	}
	w.gate.breakAt(0, false, 0)
	r = w.newRun()
	if job, err := r.jobs("accept"); err != nil {
		t.Fatalf("%s: %v\n%s", job, err, w.talk.String())
	}
	for _, q := range w.gate.seen() {
		if mutation(q) {
			t.Errorf("the second cycle sent %s", q)
		}
	}
	if after := w.state(); after != before {
		t.Errorf("the second cycle changed something:\nhave %s\nwant %s", after, before)
	}
}

func mutation(request string) bool {
	return !strings.HasPrefix(request, "GET ") && !strings.HasSuffix(request, "/git-upload-pack") && !strings.HasSuffix(request, "/graphql")
}

// point is one place to kill the cycle at.
type point struct {
	n     int
	after bool // the request is handled, its answer never read
	rerun bool // the job is run again; else the next cycle finds what is left
}

// points chooses: every second mutation after it was handled, both ways to go on
// in turn, and of the rest a part. SEEDBED_ALL_FAULTS=1: each request, both
// moments, both ways.
func points(requests []string, step int) []point {
	var list []point
	mutations := 0
	for i, q := range requests {
		n := i + 1
		switch {
		case allFaults():
			list = append(list, point{n, false, true}, point{n, false, false}, point{n, true, true}, point{n, true, false})
		case mutation(q):
			if mutations++; mutations%2 == 0 {
				list = append(list, point{n, true, len(list)%2 == 0})
			}
		case n%step == 0:
			list = append(list, point{n, n%2 == 0, len(list)%2 == 0})
		}
	}
	return list
}

// B50, I1-I4, I12: killed at any request, the cycle ends as if it had not been.
func TestKilledAtEachBoundary(t *testing.T) {
	want, requests := faultless(t, newNotes)
	for _, p := range points(requests, 40) {
		t.Run(fmt.Sprintf("%d after=%v rerun=%v %s", p.n, p.after, p.rerun, strings.ReplaceAll(requests[p.n-1], "/", ".")), func(t *testing.T) {
			t.Parallel()
			killed(t, newNotes, p, want)
		})
	}
}

func killed(t *testing.T, make func(*testing.T) *world, p point, want string) *world {
	t.Helper()
	w := make(t)
	w.gate.breakAt(p.n, p.after, syscall.SIGKILL)
	r := w.newRun()
	job, err := r.jobs("accept")
	if !w.gate.hasKilled() {
		t.Logf("request %d was never sent: this cycle took fewer", p.n)
		return w
	}
	if err == nil && w.merged() {
		t.Fatalf("the job was killed and yet everything is done")
	}
	w.untilDone(r, job, p.rerun)
	if !p.rerun && w.waits() {
		return w // a person decides; that everything is there once was seen just now
	}
	if have := w.state(); have != want {
		t.Errorf("killed at request %d:\n--- have\n%s\n--- want\n%s\n--- talk\n%s", p.n, have, want, w.talk.String())
	}
	return w
}

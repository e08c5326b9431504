package effect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// B49: of any number of runs that claim one issue at once exactly one gets it,
// and the others are told by whom it is taken.
func TestLeaseRace(t *testing.T) {
	w := newWorld(t)
	n := w.issue()
	runs := []int64{w.run, w.workflowRun("in_progress"), w.workflowRun("in_progress"), w.workflowRun("in_progress")}
	won, lost := race(len(runs), func(i int) error {
		_, err := w.applier().Apply(t.Context(), []effect.Effect{govern("lease", w.lease(n, runs[i]))})
		return err
	})
	if len(won) != 1 || len(lost) != 3 {
		t.Fatalf("won %d, lost %d, want 1 and 3", len(won), len(lost))
	}
	for _, err := range lost {
		wantIs(t, err, effect.ErrTaken)
		wantText(t, err.Error(), fmt.Sprintf("#%d is taken by run %d", n, runs[won[0]]))
	}
	have, err := effect.ReadLease(t.Context(), w.client, w.client, n)
	if err != nil || have.Run != runs[won[0]] {
		t.Errorf("have %+v, %v, want run %d", have, err, runs[won[0]])
	}
}

// race runs n tries at once and gives who won and how the rest failed.
func race(n int, try func(int) error) (won []int, lost []error) {
	var wait sync.WaitGroup
	ends := make([]error, n)
	for i := range n {
		wait.Go(func() { ends[i] = try(i) })
	}
	wait.Wait()
	for i, err := range ends {
		if err == nil {
			won = append(won, i)
		} else {
			lost = append(lost, err)
		}
	}
	return won, lost
}

// A lease whose run has ended has one heir of several, and says from whom it
// was taken over. Nothing is moved by force.
func TestStaleLeaseRace(t *testing.T) {
	w := newWorld(t)
	n := w.issue()
	w.apply(w.applier(), effect.Done, govern("lease", w.lease(n, w.ended)))
	before := w.refSHA(task.LeaseRef(n))
	runs := []int64{w.run, w.workflowRun("in_progress"), w.workflowRun("in_progress")}
	details := make([]string, len(runs))
	won, lost := race(len(runs), func(i int) error {
		results, err := w.applier().Apply(t.Context(), []effect.Effect{govern("lease", w.lease(n, runs[i]))})
		details[i] = results[0].Detail
		return err
	})
	if len(won) != 1 {
		t.Fatalf("%d heirs, want 1: %v", len(won), lost)
	}
	for _, err := range lost {
		wantIs(t, err, effect.ErrTaken)
	}
	if want := fmt.Sprintf("taken over from run %d, which has ended", w.ended); details[won[0]] != want {
		t.Errorf("have %q, want %q", details[won[0]], want)
	}
	commit, err := w.maya.Commit(t.Context(), w.refSHA(task.LeaseRef(n)))
	w.ok(err)
	if len(commit.Parents) != 1 || commit.Parents[0] != before {
		t.Errorf("the heir's commit stands on %v, want %s", commit.Parents, before)
	}
	// The owner that comes back finds it taken and gives nothing away.
	w.apply(w.applier(), effect.Already, govern("release", effect.ReleaseLease{Issue: n, Run: w.ended}))
	if have, err := effect.ReadLease(t.Context(), w.client, w.client, n); err != nil || have.Run != runs[won[0]] {
		t.Errorf("have %+v, %v, want run %d", have, err, runs[won[0]])
	}
}

// A run that the forge does not know is judged by the lease's own time.
func TestLeaseOfUnknownRun(t *testing.T) {
	w := newWorld(t)
	n := w.issue()
	w.apply(w.applier(), effect.Done, govern("lease", w.lease(n, 999)))
	_, err := w.applier().Apply(t.Context(), []effect.Effect{govern("lease", w.lease(n, w.run))})
	wantIs(t, err, effect.ErrTaken)
	w.clock = w.clock.Add(2 * time.Hour)
	w.apply(w.applier(), effect.Done, govern("lease", w.lease(n, w.run)))

	a := w.applier()
	a.Ports.Runs = nil
	_, err = a.Apply(t.Context(), []effect.Effect{govern("lease", w.lease(n, w.workflowRun("in_progress")))})
	wantText(t, fmt.Sprint(err), "does not hold what asking about run")
}

// A release whose answer was lost never deletes the lease of the next holder.
func TestLostReleaseLeavesTheHeir(t *testing.T) {
	w := newWorld(t)
	n := w.issue()
	w.apply(w.applier(), effect.Done, govern("lease", w.lease(n, w.run)))
	heir := w.workflowRun("in_progress")
	a := w.applier()
	a.Ports.Refs = &heirAfterDelete{Refs: w.client, claim: func() {
		w.apply(w.applier(), effect.Done, govern("lease", w.lease(n, heir)))
	}}
	w.apply(a, effect.Done, govern("release", effect.ReleaseLease{Issue: n, Run: w.run}))
	if have, err := effect.ReadLease(t.Context(), w.client, w.client, n); err != nil || have.Run != heir {
		t.Errorf("have %+v, %v, want the lease of run %d", have, err, heir)
	}
}

// heirAfterDelete deletes, lets the next run claim, and loses the answer.
type heirAfterDelete struct {
	effect.Refs
	claim func()
}

func (h *heirAfterDelete) DeleteRef(ctx context.Context, name string) error {
	if err := h.Refs.DeleteRef(ctx, name); err != nil {
		return err
	}
	if h.claim != nil {
		h.claim()
		h.claim = nil
	}
	return &forge.Error{Doing: "deleting", Kind: forge.ErrUnclear}
}

// A claim that is refused for another reason than a lease is tried again, and
// then told as what it is.
func TestLeaseRefusedForOtherReasons(t *testing.T) {
	for _, status := range []int{409, 422} {
		w := newWorld(t)
		n := w.issue()
		refusal := fakegithub.Fault{Method: "POST", Path: "/repos/acme/site/git/refs", Kind: fakegithub.FaultStatus, Status: status}
		w.server.SetFaults(refusal)
		results, err := w.applier().Apply(t.Context(), []effect.Effect{govern("lease", w.lease(n, w.run))})
		if err == nil || errors.Is(err, effect.ErrTaken) || results[0].State != effect.Broken {
			t.Errorf("%d: have %v, %s, want it told as it is", status, err, results[0].State)
		}
		refusal.Nth = 1
		w.server.SetFaults(refusal)
		if _, err := w.applier().Apply(t.Context(), []effect.Effect{govern("lease", w.lease(n, w.run))}); (err == nil) != (status == 409) {
			t.Errorf("%d once: have %v", status, err)
		}
	}
}

// A reference that holds no lease stops the claim and says what to do.
func TestLeaseRefWithoutLease(t *testing.T) {
	w := newWorld(t)
	n := w.issue()
	w.ok(w.maya.CreateRef(t.Context(), task.LeaseRef(n), w.main))
	_, err := w.applier().Apply(t.Context(), []effect.Effect{govern("lease", w.lease(n, w.run))})
	wantText(t, fmt.Sprint(err), task.LeaseRef(n)+" holds no lease.json: delete it if nobody works on the issue")
}

// A branch with another tree is somebody's work: never overwritten.
func TestForeignBranchIsKept(t *testing.T) {
	w := newWorld(t)
	p, approved := w.judged(w.main, "one\ntwo\n")
	w.ok(w.maya.CreateRef(t.Context(), "refs/heads/"+p.Branch, w.main))
	a := w.applier()
	a.Approved = approved
	since := len(w.requests())
	_, err := a.Apply(t.Context(), []effect.Effect{govern("publish", p)})
	wantIs(t, err, effect.ErrMoved)
	if n, what := w.mutations(since); n != 0 {
		t.Errorf("sent %q, want nothing", what)
	}
	if have := w.refSHA("refs/heads/" + p.Branch); have != w.main {
		t.Errorf("the branch was moved to %s", have)
	}
}

// Two runs that publish the same change at once make one branch and one pull
// request, and both know them.
func TestPublishRace(t *testing.T) {
	w := newWorld(t)
	p, approved := w.judged(w.main, "one\ntwo\n")
	numbers := make([]int, 2)
	won, lost := race(2, func(i int) error {
		a := w.applier()
		a.Approved = approved
		results, err := a.Apply(t.Context(), []effect.Effect{govern("publish", p)})
		numbers[i] = results[0].Number
		return err
	})
	if len(won) != 2 || numbers[0] != numbers[1] || numbers[0] == 0 {
		t.Errorf("pull requests %v, lost %v, want one", numbers, lost)
	}
	if all, err := w.maya.PullsByHead(t.Context(), p.Branch); err != nil || len(all) != 1 {
		t.Errorf("%d pull requests, %v, want 1", len(all), err)
	}
}

// Nothing is published or merged without the judge's yes to exactly that.
func TestNoVerdictNoEffect(t *testing.T) {
	w := newWorld(t)
	m, approved := w.open("one\ntwo\n")
	other, otherYes := w.judged(w.main, "one\nthree\n")
	other.Branch = "seedbed/2-abcdef12"
	since := len(w.requests())
	for name, c := range map[string]struct {
		approved bool
		e        effect.Effect
	}{
		"publish without a verdict":        {false, govern("p", other)},
		"publish with that of another":     {true, govern("p", other)},
		"publish steps that end elsewhere": {true, govern("p", effect.PublishChange{Tree: m.Tree, Branch: "b", Steps: other.Steps})},
		"merge without a verdict":          {false, govern("m", m)},
		"merge another tree":               {true, govern("m", effect.MergePull{Pull: m.Pull, Head: m.Head, Onto: "main", Base: m.Base, Tree: other.Tree, Method: "merge"})},
		"merge onto another base":          {true, govern("m", effect.MergePull{Pull: m.Pull, Head: m.Head, Onto: "main", Base: m.Head, Tree: m.Tree, Method: "merge"})},
	} {
		a := w.applier()
		if c.approved {
			a.Approved = approved
		}
		results, err := a.Apply(t.Context(), []effect.Effect{c.e})
		if err == nil || results[0].State != effect.Refused {
			t.Errorf("%s: have %+v, %v, want it refused", name, results, err)
		}
	}
	if n := len(w.requests()) - since; n != 0 {
		t.Errorf("%d requests were sent, want none", n)
	}
	// A tree that the forge computes otherwise than the judge saw it.
	a := w.applier()
	a.Approved = otherYes
	other.Steps[0].Edits = []forge.TreeEdit{{Path: "docs/a.md", Mode: "100644", Content: []byte("sneaked in\n")}}
	_, err := a.Apply(t.Context(), []effect.Effect{govern("p", other)})
	wantIs(t, err, effect.ErrMoved)
	if _, err := w.maya.Ref(t.Context(), "refs/heads/"+other.Branch); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("the branch was made: %v", err)
	}
}

// A head that moved after the verdict is not merged, neither when that is seen
// before the merge nor when the forge says so.
func TestMovedHead(t *testing.T) {
	w := newWorld(t)
	m, approved := w.open("one\ntwo\n")
	pushed := m
	tree, err := w.maya.CreateTree(t.Context(), m.Tree, []forge.TreeEdit{{Path: "docs/b.md", Mode: "100644", Content: []byte("b\n")}})
	w.ok(err)
	head, err := w.maya.CreateCommit(t.Context(), "more", tree, []string{m.Head})
	w.ok(err)
	w.ok(w.maya.UpdateRef(t.Context(), "refs/heads/seedbed/1-abcdef12", head))
	a := w.applier()
	a.Approved = approved
	_, err = a.Apply(t.Context(), []effect.Effect{govern("m", m)})
	wantIs(t, err, effect.ErrMoved)
	wantText(t, err.Error(), fmt.Sprintf("head of #%d is %.8s, judged was %.8s", m.Pull, head, m.Head))

	a.Ports.Pulls = &lateLook{Pulls: w.client, head: m.Head}
	_, err = a.Apply(t.Context(), []effect.Effect{govern("m", m)})
	wantIs(t, err, forge.ErrConflict)

	pushed.Head = head // the judged commit's name under another tree
	a.Ports.Pulls = w.client
	_, err = a.Apply(t.Context(), []effect.Effect{govern("m", pushed)})
	wantIs(t, err, effect.ErrMoved)
	closed := "closed"
	_, err = w.maya.EditPull(t.Context(), m.Pull, nil, nil, &closed)
	w.ok(err)
	_, err = a.Apply(t.Context(), []effect.Effect{govern("m", m)})
	wantText(t, fmt.Sprint(err), "is closed")
	if q, err := w.maya.Pull(t.Context(), m.Pull); err != nil || q.Merged {
		t.Errorf("it was merged, %v", err)
	}
}

// lateLook still sees the head as it was.
type lateLook struct {
	effect.Pulls
	head string
}

func (l *lateLook) Pull(ctx context.Context, n int) (forge.Pull, error) {
	q, err := l.Pulls.Pull(ctx, n)
	q.Head.SHA = l.head
	return q, err
}

// What a person merged at another head is not told as our merge.
func TestMergedElsewhere(t *testing.T) {
	w := newWorld(t)
	m, approved := w.open("one\ntwo\n")
	tree, err := w.maya.CreateTree(t.Context(), m.Tree, []forge.TreeEdit{{Path: "docs/b.md", Mode: "100644", Content: []byte("b\n")}})
	w.ok(err)
	head, err := w.maya.CreateCommit(t.Context(), "more", tree, []string{m.Head})
	w.ok(err)
	w.ok(w.maya.UpdateRef(t.Context(), "refs/heads/seedbed/1-abcdef12", head))
	_, err = w.maya.Merge(t.Context(), m.Pull, head, "merge", "t", "")
	w.ok(err)
	a := w.applier()
	a.Approved = approved
	_, err = a.Apply(t.Context(), []effect.Effect{govern("m", m)})
	wantIs(t, err, effect.ErrMoved)
}

// A check that says something else under the same conclusion is rewritten, in
// the same check run.
func TestCheckIsRewritten(t *testing.T) {
	w := newWorld(t)
	post := func(summary string) effect.Effect {
		return govern("check-1", effect.PostCheck{Report: forge.CheckReport{Name: "seedbed", HeadSHA: w.main, Status: "completed",
			Conclusion: "action_required", Title: "t", Summary: summary}})
	}
	one := w.apply(w.applier(), effect.Done, post("1 of 2 approvals"))
	two := w.apply(w.applier(), effect.Done, post("2 of 2 approvals"))
	w.apply(w.applier(), effect.Already, post("2 of 2 approvals"))
	if one[0].ID != two[0].ID {
		t.Errorf("a second check run was made: %d and %d", one[0].ID, two[0].ID)
	}
}

// The review is never an approval, and a list of reviews that cannot be read is
// no review that is there already.
func TestReviewFaults(t *testing.T) {
	w := newWorld(t)
	m, _ := w.open("one\ntwo\n")
	for _, event := range []string{"APPROVE", "", "comment"} {
		_, err := w.applier().Apply(t.Context(), []effect.Effect{govern("r", effect.PostReview{Pull: m.Pull, SHA: m.Head, Event: event, Body: "x"})})
		wantText(t, fmt.Sprint(err), "never approves")
	}
	w.server.SetFaults(fakegithub.Fault{Method: "GET", Path: "/repos/acme/site/pulls/*/reviews", Kind: fakegithub.FaultStatus, Status: 403})
	results, err := w.applier().Apply(t.Context(), []effect.Effect{govern("r", effect.PostReview{Pull: m.Pull, SHA: m.Head, Event: "COMMENT", Body: "x"})})
	if err == nil || results[0].State != effect.Broken {
		t.Errorf("have %s, %v, want %s", results[0].State, err, effect.Broken)
	}
}

// B34: a mark under another account is nobody's; our own comment is made.
func TestForeignMarks(t *testing.T) {
	w := newWorld(t)
	n := w.issue()
	e := govern("sticky-1", effect.PutComment{Issue: n, Body: "ours"})
	_, err := w.maya.CreateComment(t.Context(), n, "mine <!-- seedbed-key:sticky-1 -->")
	w.ok(err)
	w.apply(w.applier(), effect.Done, e)
	w.apply(w.applier(), effect.Already, e)
	w.apply(w.applier(), effect.Done, govern("sticky-1", effect.PutComment{Issue: n, Body: "ours, edited"}))
	all, err := w.maya.Comments(t.Context(), n)
	w.ok(err)
	if len(all) != 2 || !strings.HasPrefix(all[0].Body, "mine") || !strings.HasPrefix(all[1].Body, "ours, edited") {
		t.Errorf("have %+v", all)
	}
	_, err = w.maya.CreateIssue(t.Context(), "t", "<!-- seedbed-key:file-1 -->", nil)
	w.ok(err)
	w.apply(w.applier(), effect.Done, govern("file-1", effect.OpenIssue{Title: "t", Body: "b"}))
}

// B08: a text full of orders closes nothing on the forge, in a body as little
// as in a commit message or the title of a merge.
func TestNothingIsClosed(t *testing.T) {
	w := newWorld(t)
	victim := w.issue()
	order := fmt.Sprintf("fixes #%d, closes: acme/site#%d @everyone\nresolves\n#%d", victim, victim, victim)
	p, approved := w.judged(w.main, "one\ntwo\n")
	p.Title, p.Body, p.Steps[0].Message = order, order, order
	a := w.applier()
	a.Approved = approved
	res := w.apply(a, effect.Done, govern("p", p))
	pull, err := w.maya.Pull(t.Context(), res[0].Number)
	w.ok(err)
	if strings.Contains(strings.ReplaceAll(pull.Body, "`@everyone`", ""), "@everyone") {
		t.Errorf("the body mentions somebody: %q", pull.Body)
	}
	w.apply(a, effect.Done, govern("m", effect.MergePull{Pull: pull.Number, Head: res[0].SHA, Onto: "main", Base: p.Base, Tree: p.Tree, Method: "merge", Title: order, Message: order}))
	if i, err := w.maya.Issue(t.Context(), victim); err != nil || i.State != "open" {
		t.Errorf("issue #%d is %s, %v, want it open", victim, i.State, err)
	}
}

// A blocked secret is in no request, no result and no error.
func TestBlockedSecretGoesNowhere(t *testing.T) {
	w := newWorld(t)
	n := w.issue()
	since := len(w.requests())
	results, err := w.applier().Apply(t.Context(), []effect.Effect{
		govern("l", effect.SetLabels{Issue: n, Add: []string{"x"}}),
		govern("c", effect.PutComment{Issue: n, Body: "the key is " + modelKey}),
	})
	wantText(t, fmt.Sprint(err), "effect comment.put: PutComment.Body: text holds a secret (model_key) at line 1 [secrets]")
	stored, _ := json.Marshal(results)
	if bytes.Contains(stored, []byte(modelKey)) || strings.Contains(err.Error(), modelKey) {
		t.Errorf("the key is in %s or %v", stored, err)
	}
	if len(w.requests()) != since {
		t.Error("something was sent")
	}
}

// B52, I8: two writers of the log at once: both entries are there and the chain
// holds.
func TestLogRace(t *testing.T) {
	w := newWorld(t)
	won, lost := race(3, func(i int) error {
		_, err := w.applier().Apply(t.Context(), []effect.Effect{govern("log", logEntry(fmt.Sprintf("cycle %d", i)))})
		return err
	})
	if len(won) != 3 {
		t.Fatalf("lost %v", lost)
	}
	if have := w.log("main"); len(have) != 3 {
		t.Errorf("%d entries, want 3", len(have))
	}
}

// A full log rolls; killed between the archive and the new log, the next writer
// completes it, and the chain goes on over the seam.
func TestLogRolls(t *testing.T) {
	for _, lost := range []fakegithub.FaultKind{"", fakegithub.FaultDropBefore, fakegithub.FaultDropAfter} {
		t.Run("killed "+string(lost), func(t *testing.T) {
			w := newWorld(t)
			a := w.applier()
			a.LogSize = 1000
			for i := range 2 {
				w.apply(a, effect.Done, govern("log", logEntry(fmt.Sprintf("cycle %d", i))))
			}
			if lost != "" { // the second write of the roll never comes to its end
				var dies []fakegithub.Fault
				for n := 1; n < 40; n++ {
					dies = append(dies, fakegithub.Fault{Method: "PUT", Path: "/repos/acme/site/contents/AUTOGEN_LOG.md", Kind: fakegithub.FaultStatus, Status: 403, Nth: n})
				}
				w.server.SetFaults(dies...)
				if _, err := a.Apply(t.Context(), []effect.Effect{govern("log", logEntry("cycle 2"))}); err == nil {
					t.Fatal("the roll was not interrupted")
				}
				w.server.SetFaults(mutationFaults("/repos/acme/site/contents/**", lost)...)
			}
			w.apply(a, effect.Done, govern("log", logEntry("cycle 2")))
			w.apply(a, effect.Already, govern("log", logEntry("cycle 2")))
			archive, err := w.maya.File(t.Context(), "docs/autogen-log/2026-03.md", "main")
			w.ok(err)
			old, err := journal.Parse(archive.Content)
			w.ok(err)
			fresh := w.log("main")
			if len(old) != 2 || len(fresh) != 1 {
				t.Errorf("%d in the archive and %d in the log, want 2 and 1", len(old), len(fresh))
			}
			w.ok(journal.Follows([][]journal.Entry{old}, fresh))
			if _, err := w.maya.File(t.Context(), "docs/autogen-log/2026-03-2.md", "main"); !errors.Is(err, forge.ErrNotFound) {
				t.Errorf("a second archive: %v", err)
			}
		})
	}
}

// Two writers of whom each has to roll: one archive, both entries.
func TestLogRollRace(t *testing.T) {
	w := newWorld(t)
	a := w.applier()
	a.LogSize = 500
	w.apply(a, effect.Done, govern("log", logEntry("cycle 0")))
	won, lost := race(2, func(i int) error {
		a := w.applier()
		a.LogSize = 500
		if i == 1 {
			a.LogSize = 100000 // the other does not know that it is full
		}
		_, err := a.Apply(t.Context(), []effect.Effect{govern("log", logEntry(fmt.Sprintf("cycle %d", 1+i)))})
		return err
	})
	if len(won) != 2 {
		t.Fatal(lost)
	}
	var parts [][]journal.Entry
	n := 0
	for _, path := range []string{"docs/autogen-log/2026-03.md", "docs/autogen-log/2026-03-2.md"} {
		f, err := w.maya.File(t.Context(), path, "main")
		if errors.Is(err, forge.ErrNotFound) {
			continue
		}
		w.ok(err)
		part, err := journal.Parse(f.Content)
		w.ok(err)
		parts = append(parts, part)
		n += len(part)
	}
	fresh := w.log("main")
	if n+len(fresh) != 3 {
		t.Errorf("%d entries, want 3", n+len(fresh))
	}
	w.ok(journal.Follows(parts, fresh))
}

// A log on a branch of its own begins that branch, without any code beside it,
// and two writers at once begin it once.
func TestLogBranch(t *testing.T) {
	w := newWorld(t)
	entry := func(i int) effect.Effect {
		e := logEntry(fmt.Sprintf("cycle %d", i))
		e.Branch = "seedbed/log"
		return govern("log", e)
	}
	won, lost := race(2, func(i int) error {
		_, err := w.applier().Apply(t.Context(), []effect.Effect{entry(i)})
		return err
	})
	if len(won) != 2 {
		t.Fatal(lost)
	}
	w.apply(w.applier(), effect.Already, entry(0))
	if have := w.log("seedbed/log"); len(have) != 2 {
		t.Errorf("%d entries, want 2", len(have))
	}
	if _, err := w.maya.File(t.Context(), "docs/a.md", "seedbed/log"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("code stands beside the log: %v", err)
	}
	if have := w.refSHA("refs/heads/main"); have != w.main {
		t.Error("main was moved")
	}
}

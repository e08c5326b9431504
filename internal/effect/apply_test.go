package effect_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// kindCase is one kind of effect, ready to be applied in a fresh world.
type kindCase struct {
	kind  effect.Kind
	stage effect.Stage
	// make prepares the world and gives the effect, and an applier where the
	// kind needs a verdict.
	make func(w *world) (effect.Payload, *effect.Applier)
	// again is why doing it twice sends a mutation twice, where it does.
	again string
	// path matches the mutation whose answer is lost; count counts what must
	// be there once in the end.
	path  string
	count func(w *world, p effect.Payload) int
}

func plain(p func(w *world) effect.Payload) func(w *world) (effect.Payload, *effect.Applier) {
	return func(w *world) (effect.Payload, *effect.Applier) { return p(w), w.applier() }
}

func text(s string) *string { return &s }

func logEntry(key string) effect.AppendLog {
	data, err := json.Marshal(journal.Entry{Key: key, Run: 7, Binary: "test", Tasks: []journal.Line{{Issue: 1, Title: "a wish", Outcome: "merged"}}})
	if err != nil {
		panic(err)
	}
	return effect.AppendLog{Branch: "main", Entry: data}
}

var kindCases = []kindCase{
	{kind: effect.IssueOpen, stage: effect.Govern, path: "/repos/acme/site/issues",
		make: plain(func(*world) effect.Payload {
			return effect.OpenIssue{Title: "found", Body: "words", Labels: []string{"bug"}}
		}),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.OpenIssues(w.Context())
			w.ok(err)
			return len(all)
		}},
	{kind: effect.IssueEdit, stage: effect.Govern, path: "/repos/acme/site/issues/*",
		make: plain(func(w *world) effect.Payload { return effect.EditIssue{Issue: w.issue(), Title: text("better")} }),
		count: func(w *world, p effect.Payload) int {
			i, err := w.maya.Issue(w.Context(), p.(effect.EditIssue).Issue)
			w.ok(err)
			return one(i.Title == "better")
		}},
	{kind: effect.IssueClose, stage: effect.Govern, path: "/repos/acme/site/issues/*",
		make: plain(func(w *world) effect.Payload { return effect.CloseIssue{Issue: w.issue(), Why: "completed"} }),
		count: func(w *world, p effect.Payload) int {
			i, err := w.maya.Issue(w.Context(), p.(effect.CloseIssue).Issue)
			w.ok(err)
			return one(i.State == "closed")
		}},
	{kind: effect.LabelsSet, stage: effect.Govern, path: "/repos/acme/site/issues/*/labels",
		make: plain(func(w *world) effect.Payload {
			return effect.SetLabels{Issue: w.issue(), Add: []string{"seed:working"}}
		}),
		count: func(w *world, p effect.Payload) int {
			i, err := w.maya.Issue(w.Context(), p.(effect.SetLabels).Issue)
			w.ok(err)
			return len(i.Labels)
		}},
	{kind: effect.LabelSync, stage: effect.Govern, path: "/repos/acme/site/labels",
		make: plain(func(*world) effect.Payload {
			return effect.SyncLabel{Name: "risk:low", Color: "00ff00", Description: "small"}
		}),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.Labels(w.Context())
			w.ok(err)
			n := 0
			for _, l := range all {
				n += one(l == "risk:low")
			}
			return n
		}},
	{kind: effect.CommentPut, stage: effect.Govern, path: "/repos/acme/site/issues/*/comments",
		make: plain(func(w *world) effect.Payload { return effect.PutComment{Issue: w.issue(), Body: "hello"} }),
		count: func(w *world, p effect.Payload) int {
			all, err := w.maya.Comments(w.Context(), p.(effect.PutComment).Issue)
			w.ok(err)
			return len(all)
		}},
	{kind: effect.ReactionPut, stage: effect.Govern, path: "/repos/acme/site/issues/*/reactions",
		again: "the forge keeps one reaction of a kind per account, and the port has no way to list them",
		make:  plain(func(w *world) effect.Payload { return effect.PutReaction{Issue: w.issue(), Content: "eyes"} }),
		count: func(*world, effect.Payload) int { return 1 }},
	{kind: effect.TaskLease, stage: effect.Plan, path: "/repos/acme/site/git/refs",
		make: plain(func(w *world) effect.Payload { return w.lease(w.issue(), w.run) }),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.RefsUnder(w.Context(), "refs/seedbed/leases/")
			w.ok(err)
			return len(all)
		}},
	{kind: effect.TaskRelease, stage: effect.Govern, path: "/repos/acme/site/git/refs/**",
		make: plain(func(w *world) effect.Payload {
			n := w.issue()
			w.apply(w.applier(), effect.Done, govern("l", w.lease(n, w.run)))
			return effect.ReleaseLease{Issue: n, Run: w.run}
		}),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.RefsUnder(w.Context(), "refs/seedbed/leases/")
			w.ok(err)
			return 1 - len(all)
		}},
	{kind: effect.ChangePublish, stage: effect.Govern, path: "/repos/acme/site/pulls",
		make: func(w *world) (effect.Payload, *effect.Applier) {
			a := w.applier()
			p, approved := w.judged(w.main, "one\ntwo\n")
			a.Approved = approved
			return p, a
		},
		count: func(w *world, p effect.Payload) int {
			all, err := w.maya.PullsByHead(w.Context(), p.(effect.PublishChange).Branch)
			w.ok(err)
			return len(all)
		}},
	{kind: effect.PullEdit, stage: effect.Govern, path: "/repos/acme/site/pulls/*",
		make: plain(func(w *world) effect.Payload {
			m, _ := w.open("one\ntwo\n")
			return effect.EditPull{Pull: m.Pull, Body: text("other")}
		}),
		count: func(w *world, p effect.Payload) int {
			q, err := w.maya.Pull(w.Context(), p.(effect.EditPull).Pull)
			w.ok(err)
			return one(q.Body == "other")
		}},
	{kind: effect.ReviewPost, stage: effect.Govern, path: "/repos/acme/site/pulls/*/reviews",
		make: plain(func(w *world) effect.Payload {
			m, _ := w.open("one\ntwo\n")
			return effect.PostReview{Pull: m.Pull, SHA: m.Head, Event: "COMMENT", Body: "read",
				Comments: []forge.LineComment{{Path: "docs/a.md", Line: 2, Body: "good"}}}
		}),
		count: func(w *world, p effect.Payload) int {
			all, err := w.maya.Reviews(w.Context(), p.(effect.PostReview).Pull)
			w.ok(err)
			return len(all)
		}},
	{kind: effect.CheckPost, stage: effect.Govern, path: "/repos/acme/site/check-runs",
		make: plain(func(w *world) effect.Payload {
			return effect.PostCheck{Report: forge.CheckReport{Name: "seedbed", HeadSHA: w.main, Status: "completed", Conclusion: "success", Title: "t", Summary: "s"}}
		}),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.Checks(w.Context(), w.main)
			w.ok(err)
			return len(all)
		}},
	{kind: effect.PullMerge, stage: effect.Govern, path: "/repos/acme/site/pulls/*/merge",
		make: func(w *world) (effect.Payload, *effect.Applier) {
			m, approved := w.open("one\ntwo\n")
			a := w.applier()
			a.Approved = approved
			return m, a
		},
		count: func(w *world, p effect.Payload) int {
			q, err := w.maya.Pull(w.Context(), p.(effect.MergePull).Pull)
			w.ok(err)
			return one(q.Merged && w.refSHA("refs/heads/main") == q.MergeCommitSHA)
		}},
	{kind: effect.PullClose, stage: effect.Govern, path: "/repos/acme/site/pulls/*",
		make: plain(func(w *world) effect.Payload {
			m, _ := w.open("one\ntwo\n")
			return effect.ClosePull{Pull: m.Pull}
		}),
		count: func(w *world, p effect.Payload) int {
			q, err := w.maya.Pull(w.Context(), p.(effect.ClosePull).Pull)
			w.ok(err)
			return one(q.State == "closed" && !q.Merged)
		}},
	{kind: effect.WorkflowDispatch, stage: effect.Govern,
		again: "GitHub gives a dispatch no name to find it by; the workflow that is started finds its own work done",
		make: plain(func(*world) effect.Payload {
			return effect.DispatchWorkflow{File: "deploy.yml", Ref: "main", Inputs: map[string]string{"sha": "x"}}
		})},
	{kind: effect.WorkflowRerun, stage: effect.Govern,
		again: "a run that is asked for again is a new attempt each time",
		make:  plain(func(w *world) effect.Payload { return effect.RerunWorkflow{Run: w.ended} })},
	{kind: effect.FreezeSet, stage: effect.Govern, path: "/repos/acme/site/git/refs",
		again: "creating the reference is the look-up",
		make:  plain(func(w *world) effect.Payload { return effect.SetFreeze{What: "deploy", SHA: w.main} }),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.RefsUnder(w.Context(), "refs/seedbed/freeze/")
			w.ok(err)
			return len(all)
		}},
	{kind: effect.FreezeClear, stage: effect.Govern, path: "/repos/acme/site/git/refs/**",
		again: "deleting the reference is the look-up",
		make: plain(func(w *world) effect.Payload {
			w.apply(w.applier(), effect.Done, govern("f", effect.SetFreeze{What: "deploy", SHA: w.main}))
			return effect.ClearFreeze{What: "deploy"}
		}),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.RefsUnder(w.Context(), "refs/seedbed/freeze/")
			w.ok(err)
			return 1 - len(all)
		}},
	{kind: effect.LogAppend, stage: effect.Govern, path: "/repos/acme/site/contents/**",
		make: plain(func(*world) effect.Payload { return logEntry("cycle 1") }),
		count: func(w *world, _ effect.Payload) int {
			return len(w.log("main"))
		}},
	{kind: effect.DeploymentCreate, stage: effect.Deploy, path: "/repos/acme/site/deployments",
		make: plain(func(w *world) effect.Payload {
			return effect.CreateDeployment{SHA: w.main, Environment: "production", Task: "promote", Payload: `{"v":1}`}
		}),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.Deployments(w.Context(), "production")
			w.ok(err)
			return len(all)
		}},
	{kind: effect.DeploymentStatus, stage: effect.Deploy, path: "/repos/acme/site/deployments/*/statuses",
		make: plain(func(w *world) effect.Payload {
			res := w.apply(w.applier(), effect.Done, effect.New(effect.Deploy, "d", "", effect.CreateDeployment{SHA: w.main, Environment: "production", Task: "promote"}))
			return effect.SetDeployment{Deployment: res[0].ID, Environment: "production", State: "success"}
		}),
		count: func(w *world, _ effect.Payload) int {
			all, err := w.maya.Deployments(w.Context(), "production")
			w.ok(err)
			return one(len(all) == 1 && all[0].State == "success")
		}},
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// log reads and checks the log on a branch.
func (w *world) log(branch string) []journal.Entry {
	w.Helper()
	f, err := w.maya.File(w.Context(), journal.Path, branch)
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	w.ok(err)
	entries, err := journal.Parse(f.Content)
	w.ok(err)
	return entries
}

// Every kind is done once; proposed again it is found done, is charged nothing
// and sends nothing that asks for a change.
func TestEachKindOnceAndTwice(t *testing.T) {
	for _, c := range kindCases {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p, a := c.make(w)
			e := effect.New(c.stage, "key-1", "because", p)
			before := a.Left
			w.apply(a, effect.Done, e)
			if a.Left != before-1 {
				t.Errorf("once: %d effects were charged, want 1", before-a.Left)
			}
			if c.count != nil {
				if n := c.count(w, p); n != 1 {
					t.Errorf("once: there are %d, want 1", n)
				}
			}
			if c.again != "" {
				return
			}
			since := len(w.requests())
			w.apply(a, effect.Already, e)
			if n, what := w.mutations(since); n != 0 {
				t.Errorf("twice: sent %q, want no mutation", what)
			}
			if a.Left != before-1 {
				t.Errorf("twice: charged again")
			}
			if n := c.count(w, p); n != 1 {
				t.Errorf("twice: there are %d, want 1", n)
			}
		})
	}
}

// Kinds for which the forge itself is the look-up end as done already too.
func TestFreezeTwiceIsAlready(t *testing.T) {
	w := newWorld(t)
	set, clearing := govern("f", effect.SetFreeze{What: "deploy", SHA: w.main}), govern("c", effect.ClearFreeze{What: "deploy"})
	w.apply(w.applier(), effect.Done, set)
	w.apply(w.applier(), effect.Already, set)
	w.apply(w.applier(), effect.Done, clearing)
	w.apply(w.applier(), effect.Already, clearing)
}

// The table above knows every kind.
func TestEveryKindHasACase(t *testing.T) {
	have := map[string]bool{}
	for _, c := range kindCases {
		have[string(c.kind)] = true
	}
	for _, k := range effect.Kinds() {
		if !have[k] {
			t.Errorf("no case for %s", k)
		}
	}
}

// An answer that is lost is looked up: the mutation is repeated only if it did
// not happen, and there is one of it in the end either way.
func TestLostAnswers(t *testing.T) {
	for _, c := range kindCases {
		if c.path == "" {
			continue
		}
		for _, lost := range []fakegithub.FaultKind{fakegithub.FaultDropBefore, fakegithub.FaultDropAfter, fakegithub.FaultCut} {
			t.Run(string(c.kind)+" "+string(lost), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				p, a := c.make(w)
				since := len(w.requests())
				w.server.SetFaults(mutationFaults(c.path, lost)...)
				results, err := a.Apply(t.Context(), []effect.Effect{effect.New(c.stage, "key-1", "", p)})
				w.server.SetFaults()
				if err != nil || results[0].State != effect.Done && results[0].State != effect.Already {
					t.Fatalf("have %+v, %v, want done", results, err)
				}
				if n := c.count(w, p); n != 1 {
					t.Errorf("there are %d, want 1", n)
				}
				if lost != fakegithub.FaultDropBefore && c.again == "" && c.kind != effect.LogAppend {
					if n := times(w.requests()[since:], c.path); n != 1 && !harmless[c.kind] {
						t.Errorf("sent %d times, want once: it had happened", n)
					}
				}
			})
		}
	}
}

// harmless kinds set a value to what it is already.
var harmless = map[effect.Kind]bool{effect.IssueEdit: true, effect.IssueClose: true, effect.LabelsSet: true,
	effect.LabelSync: true, effect.PullEdit: true, effect.PullClose: true}

// mutationFaults breaks the first mutation on a path, whatever its method.
func mutationFaults(path string, kind fakegithub.FaultKind) []fakegithub.Fault {
	var faults []fakegithub.Fault
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		faults = append(faults, fakegithub.Fault{Method: method, Path: path, Nth: 1, Kind: kind})
	}
	return faults
}

func times(all []request, glob string) int {
	n := 0
	prefix, _, _ := strings.Cut(glob, "*")
	for _, r := range all {
		if r.Mutation && strings.HasPrefix(r.Path, prefix) && strings.Count(r.Path, "/") >= strings.Count(strings.TrimSuffix(glob, "/**"), "/") &&
			(strings.Contains(glob, "**") || strings.Count(r.Path, "/") == strings.Count(glob, "/")) {
			n++
		}
	}
	return n
}

// Trees and commits that nothing points at may be made twice; a lost answer
// there must not end the cycle.
func TestLostObjectAnswers(t *testing.T) {
	for _, path := range []string{"/repos/acme/site/git/trees", "/repos/acme/site/git/commits", "/repos/acme/site/git/refs"} {
		w := newWorld(t)
		p, approved := w.judged(w.main, "one\ntwo\n")
		a := w.applier()
		a.Approved = approved
		w.server.SetFaults(fakegithub.Fault{Method: "POST", Path: path, Nth: 1, Kind: fakegithub.FaultDropAfter})
		w.apply(a, effect.Done, govern("publish", p))
		w.server.SetFaults(fakegithub.Fault{Method: "POST", Path: path, Nth: 1, Kind: fakegithub.FaultDropAfter})
		w.apply(a, effect.Done, govern("lease", w.lease(1, w.run)))
	}
}

// A dispatch whose answer is lost is not sent again, and says so.
func TestLostDispatchIsNotRepeated(t *testing.T) {
	w := newWorld(t)
	w.server.SetFaults(fakegithub.Fault{Method: "POST", Path: "/repos/acme/site/actions/**", Kind: fakegithub.FaultDropAfter})
	since, a := len(w.requests()), w.applier()
	results, err := a.Apply(t.Context(), []effect.Effect{govern("d", effect.DispatchWorkflow{File: "deploy.yml", Ref: "main"})})
	wantIs(t, err, forge.ErrUnclear)
	if results[0].State != effect.Broken {
		t.Errorf("have %s, want %s", results[0].State, effect.Broken)
	}
	if n, what := w.mutations(since); n != 1 {
		t.Errorf("sent %q, want one", what)
	}
	if a.Left != 999 {
		t.Errorf("what may have happened is charged: have %d left, want 999", a.Left)
	}
}

// Which stage may propose which kind: the whole table, so that a change of it
// is seen.
func TestKindsOfStages(t *testing.T) {
	may := map[effect.Stage]string{
		effect.Plan:      "comment.put issue.edit issue.open label.sync labels.set reaction.put task.lease",
		effect.Implement: "change.publish comment.put",
		effect.Test:      "comment.put",
		effect.Review:    "comment.put labels.set review.post",
		effect.Deploy:    "comment.put deployment.create deployment.status freeze.set issue.open labels.set",
	}
	w := newWorld(t)
	for stage, kinds := range may {
		for _, c := range kindCases {
			allowed := strings.Contains(" "+kinds+" ", " "+string(c.kind)+" ")
			err := effect.Allowed(stage, c.kind)
			if allowed != (err == nil) {
				t.Errorf("%s for %s: have %v, want allowed %v", c.kind, stage, err, allowed)
			}
		}
	}
	// B01: a stage that proposes what it may not makes nothing happen at all.
	since := len(w.requests())
	for stage, kinds := range may {
		for _, c := range kindCases {
			if strings.Contains(" "+kinds+" ", " "+string(c.kind)+" ") {
				continue
			}
			bad := effect.Effect{Kind: c.kind, Stage: stage, Key: "k", Payload: payloadOf(c.kind)}
			good := effect.New(stage, "c", "", effect.PutComment{Issue: 1, Body: "x"})
			results, err := w.applier().Apply(t.Context(), []effect.Effect{good, bad})
			if want := "effect " + string(c.kind) + " is not for " + string(stage); err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("have %v, want %s", err, want)
			}
			for _, r := range results {
				if want := map[bool]effect.State{true: effect.Refused, false: effect.Waiting}[r.Kind == c.kind]; r.State != want {
					t.Errorf("%s for %s: have %s, want %s", r.Kind, stage, r.State, want)
				}
			}
		}
	}
	if n := len(w.requests()) - since; n != 0 {
		t.Errorf("%d requests were sent, want none", n)
	}
	for _, c := range kindCases {
		for _, stage := range []effect.Stage{"", "govern ", "Govern", "report"} {
			if effect.Allowed(stage, c.kind) == nil {
				t.Errorf("stage %q may propose %s", stage, c.kind)
			}
		}
	}
	wantText(t, effect.Allowed(effect.Govern, "repo.delete").Error(), "is not known; known are change.publish")
}

// payloadOf is an empty payload of a kind.
func payloadOf(k effect.Kind) effect.Payload {
	var e effect.Effect
	if err := json.Unmarshal([]byte(`{"kind":"`+string(k)+`","stage":"govern","key":"k","payload":{}}`), &e); err != nil {
		panic(err)
	}
	return e.Payload
}

// A payload under another kind's name is refused: the name alone was checked.
func TestPayloadOfAnotherKind(t *testing.T) {
	w := newWorld(t)
	for _, p := range []effect.Payload{effect.MergePull{Pull: 1}, nil} {
		e := effect.Effect{Kind: effect.CommentPut, Stage: effect.Review, Key: "k", Payload: p}
		results, err := w.applier().Apply(t.Context(), []effect.Effect{e})
		if err == nil || results[0].State != effect.Refused {
			t.Errorf("%T: have %+v, %v, want it refused", p, results, err)
		}
	}
}

// A step without a port cannot use it, and the error names the effect.
func TestMissingPorts(t *testing.T) {
	w := newWorld(t)
	for _, c := range kindCases {
		p, a := c.make(w)
		a.Ports = effect.Ports{}
		since := len(w.requests())
		results, err := a.Apply(t.Context(), []effect.Effect{effect.New(c.stage, "k", "", p)})
		if err == nil || !strings.Contains(err.Error(), "this step does not hold what "+string(c.kind)+" needs") || results[0].State != effect.Broken {
			t.Errorf("%s: have %v %+v", c.kind, err, results)
		}
		if len(w.requests()) != since {
			t.Errorf("%s: something was sent", c.kind)
		}
		reset(w)
	}
}

// reset makes room for the next case in the same world.
func reset(w *world) {
	w.server.SetFaults()
	for _, ref := range []string{task.LeaseRef(1), "refs/seedbed/freeze/deploy", "refs/heads/seedbed/1-abcdef12"} {
		if err := w.maya.DeleteRef(w.Context(), ref); err != nil && !errors.Is(err, forge.ErrNotFound) {
			w.Fatal(err)
		}
	}
}

// The hour's effects are used up: the first that does not fit stops the batch,
// the rest stays pending, and the results say so of each.
func TestBudget(t *testing.T) {
	w := newWorld(t)
	n := w.issue()
	a := w.applier()
	a.Left = 2
	results, err := a.Apply(t.Context(), []effect.Effect{
		govern("a", effect.SetLabels{Issue: n, Add: []string{"x"}}),
		govern("b", effect.PutComment{Issue: n, Body: "x"}),
		govern("c", effect.PutReaction{Issue: n, Content: "eyes"}),
		govern("d", effect.CloseIssue{Issue: n, Why: "completed"}),
	})
	wantIs(t, err, effect.ErrBudget)
	var have []string
	for _, r := range results {
		have = append(have, string(r.Kind)+" "+string(r.State))
	}
	if have, want := strings.Join(have, ", "), "labels.set done, comment.put done, reaction.put pending, issue.close pending"; have != want {
		t.Errorf("have %s, want %s", have, want)
	}
}

// The kill switch is read before the first effect of a batch and again before
// each that publishes, merges or starts something.
func TestStop(t *testing.T) {
	killed := errors.New("the kill switch is set")
	w := newWorld(t)
	n := w.issue()
	a := w.applier()
	a.Stop = func(context.Context) error { return killed }
	since := len(w.requests())
	results, err := a.Apply(t.Context(), []effect.Effect{govern("b", effect.PutComment{Issue: n, Body: "x"})})
	wantIs(t, err, killed)
	if len(w.requests()) != since || results[0].State != effect.Waiting {
		t.Errorf("something was done after the switch: %+v", results)
	}

	p, approved := w.judged(w.main, "one\ntwo\n")
	a.Approved = approved
	asked := 0
	a.Stop = func(context.Context) error {
		if asked++; asked > 1 {
			return killed
		}
		return nil
	}
	results, err = a.Apply(t.Context(), []effect.Effect{govern("l", w.lease(n, w.run)), govern("p", p)})
	wantIs(t, err, killed)
	if results[0].State != effect.Done || results[1].State != effect.Waiting {
		t.Errorf("have %s, %s, want done and pending", results[0].State, results[1].State)
	}
	if _, err := w.maya.Ref(t.Context(), "refs/heads/"+p.Branch); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("the branch was made after the switch: %v", err)
	}
}

// Effects are applied by kind, claims first and their release last, and as
// proposed among equals.
func TestInOrder(t *testing.T) {
	have := effect.InOrder([]effect.Effect{
		govern("5", effect.ReleaseLease{}), govern("4", effect.AppendLog{}), govern("2", effect.PutComment{Issue: 1}),
		govern("3", effect.PutComment{Issue: 2}), govern("1", effect.PublishChange{}), govern("0", effect.TakeLease{})})
	for i, e := range have {
		if e.Key != string(rune('0'+i)) {
			t.Errorf("place %d: have %s %s", i, e.Kind, e.Key)
		}
	}
}

package github

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// server is one implementation of GitHub that the suite drives. Its repository
// is acme/site with README.md on main; maya owns it, noor may write, and robot
// is what an Actions token acts as.
type server interface {
	name() string
	url() (base, graphql string)
	token(who string) string
	// workflowRun gives the id of a completed run of .github/workflows/ci.yml at
	// a commit.
	workflowRun(t *testing.T, sha string) int64
	// queue turns the merge queue of main on or off.
	queue(t *testing.T, on bool)
	// lacks says why the server cannot do a step, "" if it can.
	lacks(step string) string
}

// story is what the steps of the suite pass on to one another.
type story struct {
	t                 *testing.T
	s                 server
	ctx               context.Context
	maya, noor, robot *Client

	issue  int
	main   string // commit
	branch string
	head   string // commit
	pull   forge.Pull
}

// steps drive every method, in the order of a growth cycle.
var steps = []struct {
	name string
	run  func(*story, *testing.T)
}{
	{"repository", (*story).repository},
	{"viewer", (*story).viewer},
	{"viewer of an Actions token", (*story).actionsViewer},
	{"permission", (*story).permission},
	{"labels", (*story).labels},
	{"issues", (*story).issues},
	{"odd labels", (*story).oddLabels},
	{"assignees", (*story).assignees},
	{"comments", (*story).comments},
	{"reactions", (*story).reactions},
	{"timeline", (*story).timeline},
	{"edit times", (*story).edits},
	{"refs", (*story).refs},
	{"ref forward only", (*story).forwardOnly},
	{"lease", (*story).lease},
	{"publish", (*story).publish},
	{"contents", (*story).contents},
	{"contents changed meanwhile", (*story).stale},
	{"pull request", (*story).pullRequest},
	{"second pull request of a branch", (*story).secondPull},
	{"pull request as an issue", (*story).pullAsIssue},
	{"pull request files", (*story).pullFiles},
	{"reviewers", (*story).reviewers},
	{"review", (*story).review},
	{"review on a line", (*story).lineReview},
	{"own approval", (*story).ownApproval},
	{"threads", (*story).threads},
	{"draft and ready", (*story).draft},
	{"check", (*story).check},
	{"statuses among checks", (*story).checks},
	{"merge queue", (*story).mergeQueue},
	{"merge of a moved head", (*story).movedHead},
	{"merge", (*story).merge},
	{"workflows", (*story).workflows},
	{"deployments", (*story).deployments},
	{"close", (*story).close},
	{"nothing there", (*story).nothingThere},
	{"unchanged reads", (*story).unchanged},
}

func runSuite(t *testing.T, s server) {
	watched := watch(t, s.name())
	st := &story{t: t, s: s, ctx: context.Background()}
	st.maya, st.noor, st.robot = st.client("maya", watched), st.client("noor", watched), st.client("robot", watched)
	for _, step := range steps {
		if why := s.lacks(step.name); why != "" {
			t.Logf("%s has no %s: %s", s.name(), step.name, why)
			continue
		}
		t.Run(step.name, func(t *testing.T) { step.run(st, t) })
	}
}

func (s *story) client(who string, transport http.RoundTripper) *Client {
	base, graphql := s.s.url()
	c, err := New(Options{
		BaseURL: base, GraphQLURL: graphql, Token: s.s.token(who), Owner: "acme", Repo: "site", UserAgent: "seedbed-test",
		HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refusedAs(t *testing.T, kind, err error) {
	t.Helper()
	var e *forge.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) {
		t.Errorf("have %v, want %v", err, kind)
	}
}

func same[T comparable](t *testing.T, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Errorf("%s: have %v, want %v", what, have, want)
	}
}

func (s *story) repository(t *testing.T) {
	r, err := s.maya.Repository(s.ctx)
	ok(t, err)
	same(t, "name", r.FullName(), "acme/site")
	same(t, "default branch", r.DefaultBranch, "main")
	if r.ID == 0 || !r.AllowSquash {
		t.Errorf("have %+v, want an id and squash merges", r)
	}
}

func (s *story) viewer(t *testing.T) {
	u, err := s.maya.Viewer(s.ctx)
	ok(t, err)
	if u.Login != "maya" || u.ID == 0 || u.Bot {
		t.Errorf("have %+v, want maya", u)
	}
}

func (s *story) actionsViewer(t *testing.T) {
	u, err := s.robot.Viewer(s.ctx)
	ok(t, err)
	same(t, "viewer", u, forge.ActionsBot)
}

func (s *story) permission(t *testing.T) {
	p, err := s.maya.Permission(s.ctx, "noor")
	ok(t, err)
	if !p.Push || p.Admin {
		t.Errorf("noor: have %+v, want push and not admin", p)
	}
}

func (s *story) labels(t *testing.T) {
	for range 2 {
		ok(t, s.maya.EnsureLabel(s.ctx, "ai-task", "0e8a16", "work for an agent"))
	}
	have, err := s.maya.Labels(s.ctx)
	ok(t, err)
	if !slices.Contains(have, "ai-task") {
		t.Errorf("have %q, want ai-task among them", have)
	}
}

func (s *story) issues(t *testing.T) {
	made, err := s.maya.CreateIssue(s.ctx, "first", "body <&> é", []string{"ai-task"})
	ok(t, err)
	s.issue = made.Number
	title, body := "renamed", "edited"
	_, err = s.maya.EditIssue(s.ctx, s.issue, &title, &body, nil)
	ok(t, err)
	have, err := s.maya.Issue(s.ctx, s.issue)
	ok(t, err)
	same(t, "title", have.Title, "renamed")
	same(t, "body", have.Body, "edited")
	same(t, "state", have.State, "open")
	same(t, "author", have.Author.Login, "maya")
	same(t, "labelled", have.HasLabel("ai-task"), true)
	second, err := s.maya.CreateIssue(s.ctx, "second", "", nil)
	ok(t, err)
	with, err := s.maya.IssuesWithLabel(s.ctx, "ai-task")
	ok(t, err)
	if len(with) != 1 || with[0].Number != s.issue {
		t.Errorf("with label: have %+v, want #%d only", with, s.issue)
	}
	open, err := s.maya.OpenIssues(s.ctx)
	ok(t, err)
	if len(open) != 2 || open[0].Number != s.issue || open[1].Number != second.Number {
		t.Errorf("open: have %+v, want #%d, #%d", open, s.issue, second.Number)
	}
}

func (s *story) oddLabels(t *testing.T) {
	for _, label := range []string{"a,b", "50% / done?", "zażółć 🌱", "a#b&c"} {
		ok(t, s.maya.EnsureLabel(s.ctx, label, "ededed", ""))
		ok(t, s.maya.AddLabels(s.ctx, s.issue, label))
		with, err := s.maya.IssuesWithLabel(s.ctx, label)
		ok(t, err)
		if len(with) != 1 {
			t.Errorf("label %q: have %d issues, want 1", label, len(with))
		}
		for range 2 { // one that is not there is fine
			ok(t, s.maya.RemoveLabel(s.ctx, s.issue, label))
		}
	}
	have, err := s.maya.Issue(s.ctx, s.issue)
	ok(t, err)
	same(t, "labels", strings.Join(have.Labels, " "), "ai-task")
}

func (s *story) assignees(t *testing.T) { ok(t, s.maya.AddAssignees(s.ctx, s.issue, "noor")) }

func (s *story) comments(t *testing.T) {
	made, err := s.noor.CreateComment(s.ctx, s.issue, "one")
	ok(t, err)
	_, err = s.noor.EditComment(s.ctx, made.ID, "two")
	ok(t, err)
	have, err := s.maya.Comments(s.ctx, s.issue)
	ok(t, err)
	if len(have) != 1 || have[0].ID != made.ID || have[0].Body != "two" || have[0].Author.Login != "noor" || have[0].ViaApp {
		t.Errorf("have %+v, want noor's comment, edited", have)
	}
}

func (s *story) reactions(t *testing.T) {
	comments, err := s.maya.Comments(s.ctx, s.issue)
	ok(t, err)
	for range 2 {
		ok(t, s.maya.React(s.ctx, s.issue, 0, "eyes"))
		ok(t, s.maya.React(s.ctx, s.issue, comments[0].ID, "confused"))
	}
}

func (s *story) timeline(t *testing.T) {
	have, err := s.maya.Timeline(s.ctx, s.issue)
	ok(t, err)
	for _, e := range have {
		if e.Kind == "labeled" && e.Label == "ai-task" && e.Actor.Login == "maya" && e.Actor.ID != 0 && !e.At.IsZero() {
			return
		}
	}
	t.Errorf("have %+v, want maya labelling it", have)
}

func (s *story) edits(t *testing.T) {
	have, err := s.maya.Edits(s.ctx, s.issue)
	ok(t, err)
	if have.Body.IsZero() || len(have.Renamed) != 1 {
		t.Errorf("have %+v, want one edit and one rename", have)
	}
	_, err = s.maya.Edits(s.ctx, 9999)
	refusedAs(t, forge.ErrNotFound, err)
}

func (s *story) refs(t *testing.T) {
	have, err := s.maya.Ref(s.ctx, "refs/heads/main")
	ok(t, err)
	s.main = have.SHA
	commit, err := s.maya.Commit(s.ctx, s.main)
	ok(t, err)
	if commit.SHA != s.main || len(commit.Tree) != 40 {
		t.Errorf("have %+v, want a commit with a tree", commit)
	}
	ok(t, s.maya.CreateRef(s.ctx, "refs/heads/topic/a", s.main))
	refusedAs(t, forge.ErrExists, s.maya.CreateRef(s.ctx, "refs/heads/topic/a", s.main))
	under, err := s.maya.RefsUnder(s.ctx, "refs/heads/topic/")
	ok(t, err)
	if len(under) != 1 || under[0] != (forge.Ref{Name: "refs/heads/topic/a", SHA: s.main}) {
		t.Errorf("have %+v, want refs/heads/topic/a", under)
	}
	ok(t, s.maya.DeleteRef(s.ctx, "refs/heads/topic/a"))
	refusedAs(t, forge.ErrNotFound, s.maya.DeleteRef(s.ctx, "refs/heads/topic/a"))
	_, err = s.maya.Ref(s.ctx, "refs/heads/topic/a")
	refusedAs(t, forge.ErrNotFound, err)
	none, err := s.maya.RefsUnder(s.ctx, "refs/heads/topic/")
	ok(t, err)
	same(t, "left", len(none), 0)
}

// commit makes a commit of one file on main and gives its name.
func (s *story) commit(t *testing.T, parents []string, text string) string {
	t.Helper()
	tree, err := s.maya.CreateTree(s.ctx, "", []forge.TreeEdit{{Path: "lease.json", Mode: "100644", Content: []byte(text)}})
	ok(t, err)
	sha, err := s.maya.CreateCommit(s.ctx, "one file", tree, parents)
	ok(t, err)
	return sha
}

func (s *story) forwardOnly(t *testing.T) {
	a, b := s.commit(t, []string{s.main}, "a"), s.commit(t, []string{s.main}, "b")
	ok(t, s.maya.CreateRef(s.ctx, "refs/heads/forward", s.main))
	ok(t, s.maya.UpdateRef(s.ctx, "refs/heads/forward", a))
	refusedAs(t, forge.ErrConflict, s.maya.UpdateRef(s.ctx, "refs/heads/forward", b))
	have, err := s.maya.Ref(s.ctx, "refs/heads/forward")
	ok(t, err)
	same(t, "ref", have.SHA, a)
	ok(t, s.maya.DeleteRef(s.ctx, "refs/heads/forward"))
}

// lease is a ref outside refs/heads on a commit without parents.
func (s *story) lease(t *testing.T) {
	sha := s.commit(t, nil, `{"run":1}`)
	const name = "refs/seedbed/leases/12"
	ok(t, s.maya.CreateRef(s.ctx, name, sha))
	refusedAs(t, forge.ErrExists, s.noor.CreateRef(s.ctx, name, sha))
	held, err := s.noor.RefsUnder(s.ctx, "refs/seedbed/leases/")
	ok(t, err)
	if len(held) != 1 || held[0].SHA != sha {
		t.Errorf("have %+v, want the lease", held)
	}
	commit, err := s.noor.Commit(s.ctx, sha)
	ok(t, err)
	same(t, "parents", len(commit.Parents), 0)
	ok(t, s.maya.DeleteRef(s.ctx, name))
}

var binary = []byte{0, 1, 2, 0xff, 0xfe, 'x'}

func (s *story) publish(t *testing.T) {
	base, err := s.maya.Commit(s.ctx, s.main)
	ok(t, err)
	tree, err := s.maya.CreateTree(s.ctx, base.Tree, []forge.TreeEdit{
		{Path: "docs/new.md", Mode: "100644", Content: []byte("one\ntwo\nzażółć \u2028 <&>\n")},
		{Path: "bin/run.sh", Mode: "100755", Content: []byte("#!/bin/sh\n")},
		{Path: "empty.txt", Mode: "100644", Content: []byte{}},
		{Path: "data.bin", Mode: "100644", Content: binary},
		{Path: "README.md", Delete: true},
	})
	ok(t, err)
	s.head, err = s.maya.CreateCommit(s.ctx, "seedbed: a step\n\nwith a body\n", tree, []string{s.main})
	ok(t, err)
	s.branch = "seedbed/1-abcd1234"
	ok(t, s.maya.CreateRef(s.ctx, "refs/heads/"+s.branch, s.head))
	have, err := s.maya.Commit(s.ctx, s.head)
	ok(t, err)
	same(t, "tree", have.Tree, tree)
	same(t, "parents", strings.Join(have.Parents, " "), s.main)
	for path, want := range map[string]string{"docs/new.md": "one\ntwo\nzażółć \u2028 <&>\n", "bin/run.sh": "#!/bin/sh\n", "empty.txt": "", "data.bin": string(binary)} {
		file, err := s.maya.File(s.ctx, path, s.branch)
		ok(t, err)
		same(t, path, string(file.Content), want)
		blob, err := s.maya.Blob(s.ctx, file.SHA)
		ok(t, err)
		same(t, "blob of "+path, string(blob), want)
	}
	_, err = s.maya.File(s.ctx, "README.md", s.branch)
	refusedAs(t, forge.ErrNotFound, err)
	_, err = s.maya.File(s.ctx, "docs", s.branch)
	refusedAs(t, forge.ErrInvalid, err)
}

func (s *story) contents(t *testing.T) {
	blob, commit, err := s.maya.PutFile(s.ctx, "LOG.md", "main", "log: begin", []byte("a\n"), "")
	ok(t, err)
	have, err := s.maya.File(s.ctx, "LOG.md", "main")
	ok(t, err)
	same(t, "blob", have.SHA, blob)
	same(t, "content", string(have.Content), "a\n")
	next, _, err := s.maya.PutFile(s.ctx, "LOG.md", "main", "log: go on", []byte("a\nb\n"), blob)
	ok(t, err)
	old, err := s.maya.File(s.ctx, "LOG.md", commit)
	ok(t, err)
	if string(old.Content) != "a\n" || next == blob {
		t.Errorf("the first version was not kept: %q", old.Content)
	}
}

// stale is the log's compare-and-swap: two writers, one wins.
func (s *story) stale(t *testing.T) {
	now, err := s.maya.File(s.ctx, "LOG.md", "main")
	ok(t, err)
	_, _, err = s.maya.PutFile(s.ctx, "LOG.md", "main", "m", []byte("x"), strings.Repeat("1", 40))
	refusedAs(t, forge.ErrConflict, err)
	_, _, err = s.maya.PutFile(s.ctx, "LOG.md", "main", "m", []byte("x"), "")
	refusedAs(t, forge.ErrConflict, err)
	after, err := s.maya.File(s.ctx, "LOG.md", "main")
	ok(t, err)
	same(t, "content", string(after.Content), string(now.Content))
}

func (s *story) pullRequest(t *testing.T) {
	made, err := s.maya.CreatePull(s.ctx, "title", s.branch, "main", "body", false)
	ok(t, err)
	title, body := "outcome", "why"
	_, err = s.maya.EditPull(s.ctx, made.Number, &title, &body, nil)
	ok(t, err)
	s.pull, err = s.maya.Pull(s.ctx, made.Number)
	ok(t, err)
	same(t, "title", s.pull.Title, "outcome")
	same(t, "body", s.pull.Body, "why")
	same(t, "head", s.pull.Head.SHA, s.head)
	same(t, "head branch", s.pull.Head.Ref, s.branch)
	same(t, "base", s.pull.Base.Ref, "main")
	same(t, "fork", s.pull.Fork(), false)
	same(t, "merged", s.pull.Merged, false)
	byHead, err := s.maya.PullsByHead(s.ctx, s.branch)
	ok(t, err)
	open, err := s.maya.OpenPulls(s.ctx)
	ok(t, err)
	for _, list := range [][]forge.Pull{byHead, open} {
		if len(list) != 1 || list[0].Number != s.pull.Number || list[0].Fork() {
			t.Errorf("have %+v, want #%d", list, s.pull.Number)
		}
	}
	none, err := s.maya.PullsByHead(s.ctx, "no-such-branch")
	ok(t, err)
	same(t, "pull requests of no branch", len(none), 0)
	issues, err := s.maya.OpenIssues(s.ctx)
	ok(t, err)
	for _, i := range issues {
		if i.Number == s.pull.Number {
			t.Error("the pull request is listed as an issue")
		}
	}
}

func (s *story) secondPull(t *testing.T) {
	_, err := s.maya.CreatePull(s.ctx, "title", s.branch, "main", "body", false)
	refusedAs(t, forge.ErrExists, err)
}

func (s *story) pullAsIssue(t *testing.T) {
	asIssue, err := s.maya.Issue(s.ctx, s.pull.Number)
	ok(t, err)
	same(t, "is a pull request", asIssue.IsPull, true)
}

func (s *story) pullFiles(t *testing.T) {
	have, err := s.maya.PullFiles(s.ctx, s.pull.Number)
	ok(t, err)
	slices.Sort(have)
	same(t, "files", strings.Join(have, " "), "README.md bin/run.sh data.bin docs/new.md empty.txt")
}

func (s *story) reviewers(t *testing.T) {
	ok(t, s.maya.RequestReviewers(s.ctx, s.pull.Number, "noor"))
}

func (s *story) review(t *testing.T) {
	made, err := s.noor.CreateReview(s.ctx, s.pull.Number, s.head, "APPROVE", "good", nil)
	ok(t, err)
	have, err := s.maya.Reviews(s.ctx, s.pull.Number)
	ok(t, err)
	for _, r := range have {
		if r.ID == made.ID {
			if r.State != "APPROVED" || r.Author.Login != "noor" || r.CommitSHA != s.head || r.SubmittedAt.IsZero() {
				t.Errorf("have %+v, want noor's approval of %s", r, s.head)
			}
			return
		}
	}
	t.Errorf("have %+v, want review %d among them", have, made.ID)
}

func (s *story) lineReview(t *testing.T) {
	_, err := s.noor.CreateReview(s.ctx, s.pull.Number, s.head, "COMMENT", "look", []forge.LineComment{{Path: "docs/new.md", Line: 2, Body: "here"}})
	ok(t, err)
	_, err = s.noor.CreateReview(s.ctx, s.pull.Number, s.head, "COMMENT", "look", []forge.LineComment{{Path: "docs/new.md", Line: 99, Body: "nowhere"}})
	refusedAs(t, forge.ErrInvalid, err)
}

func (s *story) ownApproval(t *testing.T) {
	_, err := s.maya.CreateReview(s.ctx, s.pull.Number, s.head, "APPROVE", "mine", nil)
	refusedAs(t, forge.ErrInvalid, err)
}

func (s *story) threads(t *testing.T) {
	for _, resolved := range []bool{false, true} {
		have, err := s.maya.ReviewThreads(s.ctx, s.pull.Number)
		ok(t, err)
		if len(have) != 1 || have[0].Path != "docs/new.md" || have[0].Line != 2 || have[0].Body != "here" || have[0].Author != "noor" || have[0].Resolved != resolved {
			t.Fatalf("have %+v, want noor's thread, resolved %v", have, resolved)
		}
		ok(t, s.maya.ResolveThread(s.ctx, have[0].ID))
	}
	_, err := s.maya.ReviewThreads(s.ctx, s.issue)
	refusedAs(t, forge.ErrInvalid, err)
	refusedAs(t, forge.ErrNotFound, s.maya.ResolveThread(s.ctx, "PRRT_none"))
}

func (s *story) draft(t *testing.T) {
	for _, step := range []struct {
		do   func(context.Context, string) error
		want bool
	}{{s.maya.ConvertToDraft, true}, {s.maya.ReadyForReview, false}} {
		ok(t, step.do(s.ctx, s.pull.NodeID))
		have, err := s.maya.Pull(s.ctx, s.pull.Number)
		ok(t, err)
		same(t, "draft", have.Draft, step.want)
	}
}

func (s *story) check(t *testing.T) {
	report := forge.CheckReport{Name: "seedbed", HeadSHA: s.head, Status: "in_progress", ExternalID: "key8", Title: "looking", Summary: "soon"}
	id, err := s.robot.PutCheck(s.ctx, report, 0)
	ok(t, err)
	report.Status, report.Conclusion, report.Title = "completed", "action_required", "needs approval"
	for n := range 120 {
		report.Annotations = append(report.Annotations, forge.Annotation{Path: "docs/new.md", Line: n % 3, Level: "warning", Title: "t", Message: fmt.Sprintf("note %d", n)})
	}
	again, err := s.robot.PutCheck(s.ctx, report, id)
	ok(t, err)
	same(t, "id", again, id)
}

func (s *story) checks(t *testing.T) {
	have, err := s.maya.Checks(s.ctx, s.head)
	ok(t, err)
	if len(have) != 1 || have[0].Name != "seedbed" || have[0].Status != "completed" || have[0].Conclusion != "action_required" || have[0].ExternalID != "key8" || have[0].AppID == 0 {
		t.Errorf("have %+v, want our check", have)
	}
}

func (s *story) mergeQueue(t *testing.T) {
	refusedAs(t, forge.ErrInvalid, s.maya.Enqueue(s.ctx, s.pull.NodeID, s.head))
	s.s.queue(t, true)
	defer s.s.queue(t, false)
	refusedAs(t, forge.ErrInvalid, s.maya.Enqueue(s.ctx, s.pull.NodeID, s.main))
	ok(t, s.maya.Enqueue(s.ctx, s.pull.NodeID, s.head))
}

func (s *story) movedHead(t *testing.T) {
	_, err := s.maya.Merge(s.ctx, s.pull.Number, s.main, "squash", "", "")
	refusedAs(t, forge.ErrConflict, err)
}

func (s *story) merge(t *testing.T) {
	sha, err := s.maya.Merge(s.ctx, s.pull.Number, s.head, "squash", "outcome (#3)", "why")
	ok(t, err)
	have, err := s.maya.Pull(s.ctx, s.pull.Number)
	ok(t, err)
	if !have.Merged || have.State != "closed" || have.MergeCommitSHA != sha {
		t.Errorf("have %+v, want merged as %s", have, sha)
	}
	byHead, err := s.maya.PullsByHead(s.ctx, s.branch)
	ok(t, err)
	if len(byHead) != 1 || !byHead[0].Merged {
		t.Errorf("in a list: have %+v, want merged", byHead)
	}
	base, err := s.maya.Ref(s.ctx, "refs/heads/main")
	ok(t, err)
	same(t, "main", base.SHA, sha)
}

func (s *story) workflows(t *testing.T) {
	id := s.s.workflowRun(t, s.main)
	have, err := s.maya.WorkflowRun(s.ctx, id)
	ok(t, err)
	if have.ID != id || have.Path != ".github/workflows/ci.yml" || have.Status != "completed" || have.Attempt != 1 {
		t.Errorf("have %+v, want run %d completed", have, id)
	}
	ok(t, s.maya.Rerun(s.ctx, id))
	ok(t, s.maya.Dispatch(s.ctx, "ci.yml", "main", map[string]string{"issue": "12"}))
	ok(t, s.maya.Dispatch(s.ctx, "ci.yml", "main", nil))
	refusedAs(t, forge.ErrNotFound, s.maya.Dispatch(s.ctx, "none.yml", "main", nil))
}

func (s *story) deployments(t *testing.T) {
	want := forge.Deployment{Ref: "main", Environment: "production", Task: "deploy", Description: "d", Payload: `{"key":"k"}`}
	first, err := s.maya.CreateDeployment(s.ctx, want)
	ok(t, err)
	second, err := s.maya.CreateDeployment(s.ctx, forge.Deployment{Ref: "main", Environment: "production"})
	ok(t, err)
	ok(t, s.maya.SetDeploymentStatus(s.ctx, first.ID, "in_progress", "", "", ""))
	ok(t, s.maya.SetDeploymentStatus(s.ctx, first.ID, "success", "up", "https://example.com/log", "https://example.com"))
	have, err := s.maya.Deployments(s.ctx, "production")
	ok(t, err)
	if len(have) != 2 || have[0].ID != second.ID || have[1].ID != first.ID {
		t.Fatalf("have %+v, want the newest first", have)
	}
	if d := have[1]; d.State != "success" || d.Payload != `{"key":"k"}` || d.Task != "deploy" || len(d.SHA) != 40 {
		t.Errorf("have %+v, want success and our payload", d)
	}
	same(t, "state of the other", have[0].State, "")
	none, err := s.maya.Deployments(s.ctx, "staging")
	ok(t, err)
	same(t, "to staging", len(none), 0)
}

func (s *story) close(t *testing.T) {
	ok(t, s.maya.CloseIssue(s.ctx, s.issue, "completed"))
	have, err := s.maya.Issue(s.ctx, s.issue)
	ok(t, err)
	same(t, "state", have.State, "closed")
	with, err := s.maya.IssuesWithLabel(s.ctx, "ai-task")
	ok(t, err)
	same(t, "open with label", len(with), 0)
}

func (s *story) nothingThere(t *testing.T) {
	for what, call := range map[string]func() error{
		"issue":    func() error { _, err := s.maya.Issue(s.ctx, 9999); return err },
		"comments": func() error { _, err := s.maya.Comments(s.ctx, 9999); return err },
		"pull":     func() error { _, err := s.maya.Pull(s.ctx, 9999); return err },
		"blob":     func() error { _, err := s.maya.Blob(s.ctx, strings.Repeat("1", 40)); return err },
		"file":     func() error { _, err := s.maya.File(s.ctx, "none.md", "main"); return err },
		"run":      func() error { _, err := s.maya.WorkflowRun(s.ctx, 999999); return err },
		"comment":  func() error { _, err := s.maya.EditComment(s.ctx, 999999, "x"); return err },
	} {
		if err := call(); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: have %v, want not found", what, err)
		}
	}
}

// unchanged reads give the same again, whether or not the server has ETags.
func (s *story) unchanged(t *testing.T) {
	one, err := s.maya.Issue(s.ctx, s.issue)
	ok(t, err)
	two, err := s.maya.Issue(s.ctx, s.issue)
	ok(t, err)
	same(t, "read twice", fmt.Sprint(one), fmt.Sprint(two))
}

// The content that CreateTree sends as a blob is exactly what cannot be inline.
func TestInline(t *testing.T) {
	for _, tc := range []struct {
		content []byte
		want    bool
	}{{nil, true}, {[]byte("text\r\n"), true}, {[]byte("\u2028\ufeff"), true}, {[]byte{0xff}, false}, {[]byte("a\x00b"), false}} {
		same(t, fmt.Sprintf("%q", tc.content), inline(tc.content), tc.want)
	}
}

func TestDecode(t *testing.T) {
	long := bytes.Repeat([]byte("seedbed "), 50)
	text := base64.StdEncoding.EncodeToString(long)
	have, err := decode(text[:60]+"\n"+text[60:]+"\n", "base64")
	if err != nil || !bytes.Equal(have, long) {
		t.Errorf("have %q, %v", have, err)
	}
	if _, err := decode("x", "rot13"); err == nil {
		t.Error("an unknown encoding was read")
	}
}

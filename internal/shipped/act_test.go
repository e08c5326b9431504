package shipped

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/examples/tally"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
)

// shout is a repository whose one worker is a command: no model is needed. Its
// check prints workflow commands, as a hostile test would.
func shout(mode string) map[string]string {
	return map[string]string{
		"seed.yaml": `version: 1
project: {name: site, owners: [{handle: ana}]}
` + mode + `
commands:
  test: ["sh check.sh"]
automation_contract:
  ai_access: {write_paths: ["text/**"]}
  merge_policy: {allow_auto_merge: true}
growth: {preapproved_modules: ["text/**"]}
workers:
  shout: {command: "sh -c 'tr a-z A-Z <text/hello.txt >text/new && mv text/new text/hello.txt'"}
`,
		"check.sh": `echo "::error file=text/hello.txt,line=1::evil annotation"
echo "::set-output name=outcome::evil"
echo "::add-mask::e"
echo "##[command]evil"
test -s text/hello.txt
`,
		"text/hello.txt": "hello\n",
		"README.md":      "A site.\n",
	}
}

const (
	proposes = "mode: propose"
	merges   = "mode: auto\nphase: 4"
)

// opened checks everything a cycle leaves on the forge when it stops for an
// approval, and gives the pull request.
func (s *site) opened(issue int, content string) forge.Pull {
	s.t.Helper()
	ctx := context.Background()
	pulls, err := s.ana.OpenPulls(ctx)
	s.must(err)
	if len(pulls) != 1 {
		s.t.Fatalf("have %d open pull requests, want 1", len(pulls))
	}
	pull := pulls[0]
	if prefix := fmt.Sprintf("seedbed/%d-", issue); !strings.HasPrefix(pull.Head.Ref, prefix) || len(pull.Head.Ref) != len(prefix)+8 {
		s.t.Errorf("have branch %q, want %s and eight digits", pull.Head.Ref, prefix)
	}
	for _, want := range []string{fmt.Sprintf("For #%d", issue), "| proof | before | after |", "<!-- seedbed:v1"} {
		if !strings.Contains(pull.Body, want) {
			s.t.Errorf("the pull request's body lacks %q:\n%s", want, pull.Body)
		}
	}
	bare := filepath.Join(s.dir, "github", siteRepo+".git")
	if have := git(s.t, bare, "show", pull.Head.Ref+":text/hello.txt"); have != content {
		s.t.Errorf("the branch has %q, want %q", have, content)
	}
	if have := git(s.t, bare, "diff", "--name-only", "main..."+pull.Head.Ref); have != "text/hello.txt" {
		s.t.Errorf("the branch changes %q, want text/hello.txt", have)
	}
	checks, err := s.ana.Checks(ctx, pull.Head.SHA)
	s.must(err)
	if len(checks) != 1 || checks[0].Name != "seedbed" || checks[0].Conclusion != "action_required" {
		s.t.Errorf("have checks %+v, want seedbed: action_required", checks)
	}
	is, err := s.ana.Issue(ctx, issue)
	s.must(err)
	if !is.HasLabel("ai-task") || !is.HasLabel("seed:in-review") || is.HasLabel("seed:working") || is.State != "open" {
		s.t.Errorf("the issue is %s with labels %q", is.State, is.Labels)
	}
	if c := s.comments(issue); len(c) != 1 || !strings.Contains(c[0], fmt.Sprintf("#%d", pull.Number)) {
		s.t.Errorf("have comments %q, want one that names #%d", c, pull.Number)
	}
	if strings.Contains(s.refs(), "refs/seedbed/leases/") {
		s.t.Errorf("a lease was left behind:\n%s", s.refs())
	}
	return pull
}

func (s *site) comments(issue int) []string {
	s.t.Helper()
	list, err := s.ana.Comments(context.Background(), issue)
	s.must(err)
	var bodies []string
	for _, c := range list {
		bodies = append(bodies, c.Body)
	}
	return bodies
}

// log reads the log of the default branch.
func (s *site) log() []journal.Entry {
	s.t.Helper()
	file, err := s.ana.File(context.Background(), journal.Path, "main")
	s.must(err)
	entries, err := journal.Parse(file.Content)
	s.must(err)
	return entries
}

// merged checks what a cycle leaves when it ends with a merge.
func (s *site) merged(issue, pull int) {
	s.t.Helper()
	ctx := context.Background()
	p, err := s.ana.Pull(ctx, pull)
	s.must(err)
	is, err := s.ana.Issue(ctx, issue)
	s.must(err)
	if !p.Merged || is.State != "closed" || !is.HasLabel("seed:done") {
		s.t.Errorf("pull request merged: %v, issue %s with labels %q; want merged, closed, seed:done", p.Merged, is.State, is.Labels)
	}
	entries := s.log()
	last := entries[len(entries)-1]
	if !slices.ContainsFunc(last.Tasks, func(l journal.Line) bool { return l.Issue == issue && l.Pull == pull && l.Outcome == "merged" }) {
		s.t.Errorf("the last log entry is %+v, want the merge of #%d", last, pull)
	}
	if strings.Contains(s.refs(), "refs/seedbed/leases/") {
		s.t.Errorf("a lease was left behind:\n%s", s.refs())
	}
}

// quiet runs again and wants nothing changed: no write asked for, every ref as
// it was.
func (s *site) quiet(what string, again func() ran) {
	s.t.Helper()
	before := s.refs()
	r := again()
	if r.failed || len(r.writes) > 0 || s.refs() != before {
		s.t.Errorf("%s once more: failed %v, writes %q of %q, refs\n%s\nwant\n%s\n%s", what, r.failed, r.writes, r.bodies, s.refs(), before, r.text())
	}
}

func (s *site) wantJobs(r ran, want ...string) {
	s.t.Helper()
	if have := r.names(); r.failed || !slices.Equal(have, want) {
		s.t.Fatalf("have jobs %q, failed %v; want %q, all green\n%s", have, r.failed, want, r.text())
	}
}

// inert checks that nothing the repository's tests printed became a command.
func (s *site) inert(r ran) {
	s.t.Helper()
	for _, l := range r.lines {
		if l.Command != "" && (strings.Contains(l.Msg, "evil") || strings.Contains(l.Msg, "add-mask")) {
			s.t.Errorf("test output became the command %q: %s", l.Command, l.Msg)
		}
	}
}

// The shortest workflow, two jobs: from the label to a pull request that waits
// for a person; then the same again changes nothing, and neither does a label
// that is not ours.
func TestActQuickstart(t *testing.T) {
	s := newSite(t, shout(proposes), "quickstart.yml")
	issue := s.label("$(touch "+filepath.Join(s.dir, "pwned")+")\"; id", "worker:shout", "ai-task")
	labelled := s.event("issues-labeled")
	r := s.start("issues", labelled, "quickstart.yml", "ana")
	s.wantJobs(r, "govern", "propose")
	s.opened(issue, "HELLO")
	s.inert(r)
	if _, err := os.Stat(filepath.Join(s.dir, "pwned")); err == nil {
		t.Error("the issue's title was run")
	}
	s.quiet("the same label", func() ran { return s.start("issues", labelled, "quickstart.yml", "ana") })
	s.must(s.ana.AddLabels(context.Background(), issue, "question"))
	if r := s.start("issues", s.event("issues-labeled"), "quickstart.yml", "ana"); len(r.jobs) != 0 || len(r.writes) != 0 {
		t.Errorf("another label ran %q and wrote %q, want nothing", r.names(), r.writes)
	}
}

// This repository's own workflow takes the action from the checkout.
func TestActSelf(t *testing.T) {
	files := shout(proposes)
	files["action.yml"] = read(t, abs(t, "action.yml"))
	for _, name := range []string{"install.sh", "step.sh", "checksums.txt", "workflows/self.yml"} {
		files[".github/"+name] = read(t, abs(t, ".github", name))
	}
	s := newSite(t, files)
	issue := s.label("Shout the greeting", "worker:shout", "ai-task")
	labelled := s.event("issues-labeled")
	s.wantJobs(s.start("issues", labelled, "self.yml", "ana"), "govern", "propose")
	s.opened(issue, "HELLO")
	s.quiet("the same label", func() ran { return s.start("issues", labelled, "self.yml", "ana") })
}

// The full cycle to a pull request (a): a second user approves, decide goes on
// to merge; the bot's own approval does not count and is refused.
func TestActApprove(t *testing.T) {
	s := newSite(t, shout(proposes), "issue.yml", "decide.yml")
	issue := s.label("Shout the greeting", "worker:shout", "ai-task")
	labelled := s.event("issues-labeled")
	r := s.start("issues", labelled, "issue.yml", "ana")
	s.wantJobs(r, "accept", "build", "decide", "verify")
	s.inert(r)
	pull := s.opened(issue, "HELLO")
	s.quiet("the same label", func() ran { return s.start("issues", labelled, "issue.yml", "ana") })
	s.quiet("a sweep", func() ran { return s.start("schedule", s.payload(`{"schedule":"41 5 * * *"}`), "decide.yml", "ana") })

	bot, err := github.New(github.Options{BaseURL: s.url, Token: s.token, Owner: "ana", Repo: "site", UserAgent: "job", Now: time.Now})
	s.must(err)
	if _, err := bot.CreateReview(context.Background(), pull.Number, pull.Head.SHA, "APPROVE", "fine", nil); !errors.Is(err, forge.ErrInvalid) {
		t.Errorf("the author's own approval: have %v, want 422", err)
	}
	ben := s.person("ben")
	_, err = ben.CreateReview(context.Background(), pull.Number, pull.Head.SHA, "APPROVE", "fine", nil)
	s.must(err)
	approved := s.event("pull_request_review-submitted")
	s.wantJobs(s.start("pull_request_review", approved, "decide.yml", "ben"), "decide")
	s.merged(issue, pull.Number)
	s.quiet("the same approval", func() ran { return s.start("pull_request_review", approved, "decide.yml", "ben") })
	s.quiet("the same label", func() ran { return s.start("issues", labelled, "issue.yml", "ana") })
}

// By schedule, mode auto (b): from the queue to the merge in one run.
func TestActGrowMergesAlone(t *testing.T) {
	s := newSite(t, shout(merges), "grow.yml", "decide.yml")
	issue := s.label("Shout the greeting", "worker:shout", "ai-task")
	tick := s.payload(`{"schedule":"17 */4 * * *"}`)
	s.wantJobs(s.start("schedule", tick, "grow.yml", "ana"), "accept", "build", "decide", "verify")
	s.merged(issue, 2)
	s.quiet("the next tick", func() ran { return s.start("schedule", tick, "grow.yml", "ana") })
}

// A model over HTTP, a merge, a deployment: the bundled example as its users
// would run it, without the recording's shortcut.
func TestActModelAndDeploy(t *testing.T) {
	files := map[string]string{}
	for name, data := range tally.Files() {
		files[name] = string(data)
	}
	s := newSite(t, files, "issue.yml", "deploy.yml")
	scene := tally.Scenes()[0]
	model := newScripted(t, scene.Recording)
	s.env = append(s.env, "OPENAI_BASE_URL="+model.url, "SEEDBED_MODEL=scripted", "DEPLOY_ROOT="+filepath.Join(s.dir, "deployed"))
	issue, err := s.ana.CreateIssue(context.Background(), scene.Title, scene.Body, nil)
	s.must(err)
	s.must(s.ana.AddLabels(context.Background(), issue.Number, "ai-task"))
	last := s.start("issues", s.event("issues-labeled"), "issue.yml", "ana")
	s.wantJobs(last, "accept", "build", "decide", "verify")
	s.merged(issue.Number, 2)

	dispatched := s.event("workflow_dispatch")
	r := s.start("workflow_dispatch", dispatched, "deploy.yml", "github-actions[bot]")
	s.wantJobs(r, "deploy", "record")
	if !strings.Contains(r.text(), "production") {
		t.Errorf("deploy says nothing of production:\n%s", r.text())
	}
	s.quiet("the same dispatch", func() ran { return s.start("workflow_dispatch", dispatched, "deploy.yml", "github-actions[bot]") })
	pull, err := s.ana.Pull(context.Background(), 2)
	s.must(err)
	push := s.payload(fmt.Sprintf(`{"ref":"refs/heads/main","after":%q,"head_commit":{"id":%[1]q}}`, pull.MergeCommitSHA))
	s.quiet("a push of the same commit", func() ran { return s.start("push", push, "deploy.yml", "ana") })
}

// A person's pull request is judged without a checkout; the job is the check.
func TestActPullRequest(t *testing.T) {
	s := newSite(t, shout(proposes), "pull-request.yml")
	s.branch("docs", map[string]string{"README.md": "A better site.\n"})
	_, err := s.person("ben").CreatePull(context.Background(), "Say more", "docs", "main", "", false)
	s.must(err)
	opened := s.event("pull_request-opened")
	r := s.start("pull_request_target", opened, "pull-request.yml", "ben")
	if len(r.jobs) != 1 || len(s.comments(1)) != 1 {
		t.Fatalf("have jobs %q and comments %q; want the judge's\n%s", r.names(), s.comments(1), r.text())
	}
	s.quietButRed("the same event", func() ran { return s.start("pull_request_target", opened, "pull-request.yml", "ben") })
}

// On demand the same pull request gets a review: one job reads it with the
// model's key, another writes the findings down.
func TestActReviewOnDemand(t *testing.T) {
	s := newSite(t, shout(proposes), "pull-request.yml")
	s.branch("docs", map[string]string{"README.md": "<<<<<<< ours\nA site.\n=======\nA better site.\n>>>>>>> theirs\n"})
	_, err := s.person("ben").CreatePull(context.Background(), "Say more", "docs", "main", "", false)
	s.must(err)
	dispatch := s.payload(`{"inputs":{"pull":"1"},"ref":"refs/heads/main"}`)
	r := s.start("workflow_dispatch", dispatch, "pull-request.yml", "ana")
	if have := r.names(); !slices.Equal(have, []string{"post", "review", "seedbed"}) || r.jobs["post"] != "success" {
		t.Fatalf("have jobs %q; want the judge, review and post\n%s", r.jobs, r.text())
	}
	reviews, err := s.ana.Reviews(context.Background(), 1)
	s.must(err)
	if len(reviews) != 1 || reviews[0].State == "APPROVED" {
		t.Errorf("have reviews %+v, want one that does not approve", reviews)
	}
	if again := s.start("workflow_dispatch", dispatch, "pull-request.yml", "ana"); len(again.writes) > 0 {
		t.Errorf("the same dispatch once more wrote %q", again.writes)
	}
}

// What concerns nothing of ours starts nothing, or looks and leaves.
func TestActOtherEvents(t *testing.T) {
	s := newSite(t, shout(proposes), "decide.yml", "issue.yml")
	issue := s.label("A question", "question")
	_, err := s.ana.CreateComment(context.Background(), issue, "what does /seed do?")
	s.must(err)
	if r := s.start("issue_comment", s.event("issue_comment-created"), "decide.yml", "ana"); len(r.jobs) != 0 {
		t.Errorf("a comment that is no command ran %q", r.names())
	}
	if r := s.start("issues", s.event("issues-labeled"), "issue.yml", "ana"); len(r.jobs) != 0 {
		t.Errorf("another label ran %q", r.names())
	}
	main, err := s.ana.Ref(context.Background(), "refs/heads/main")
	s.must(err)
	_, err = s.server.SetRun(siteRepo, fakegithub.Run{Path: ".github/workflows/ci.yml", Name: "ci", Event: "push", Status: "completed", Conclusion: "success", HeadSHA: main.SHA})
	s.must(err)
	for event, payload := range map[string]string{
		"workflow_run": s.event("workflow_run"),
		"merge_group":  s.payload(`{"action":"checks_requested","merge_group":{"head_sha":"0123456789012345678901234567890123456789","head_ref":"refs/heads/q","base_sha":"0123456789012345678901234567890123456789"}}`),
	} {
		s.quiet(event, func() ran { return s.start(event, payload, "decide.yml", "ana") })
	}
}

// quietButRed is quiet for a job that is red because something is missing.
func (s *site) quietButRed(what string, again func() ran) {
	s.t.Helper()
	if r := again(); len(r.writes) > 0 {
		s.t.Errorf("%s once more wrote %q", what, r.writes)
	}
}

// branch pushes a commit by a person.
func (s *site) branch(name string, files map[string]string) {
	s.t.Helper()
	dir := s.workTree()
	git(s.t, dir, "checkout", "-q", "-b", name)
	write(s.t, dir, files)
	git(s.t, dir, "add", "-A")
	git(s.t, dir, "commit", "-q", "-m", "Say more")
	git(s.t, dir, "push", "-q", filepath.Join(s.dir, "github", siteRepo+".git"), name)
}

// The kill switch stops a run before anything is asked for.
func TestActKill(t *testing.T) {
	s := newSite(t, shout(proposes), "issue.yml")
	s.label("Shout the greeting", "worker:shout", "ai-task")
	s.vars = []string{"SEEDBED_KILL=1"}
	s.quiet("a label under the kill switch", func() ran { return s.start("issues", s.event("issues-labeled"), "issue.yml", "ana") })
}

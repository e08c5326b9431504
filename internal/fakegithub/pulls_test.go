package fakegithub

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func pulls(format string, args ...any) string {
	return repoPath + "/pulls" + fmt.Sprintf(format, args...)
}

func TestPullLife(t *testing.T) {
	w := newWorld(t)
	head := w.branch(w.dev, "p", "x.txt", "x\n")
	create := func(in obj) *answer { return w.do(w.dev, "POST", pulls(""), in) }
	p := create(obj{"title": "P", "head": "acme:p", "base": "main", "draft": true}).want(201)
	p.is(1, "number").is(true, "draft").is("draft", "mergeable_state").is(head, "head", "sha").is("acme:p", "head", "label").is(1, "changed_files").is(1, "additions").is(nil, "body")
	create(obj{"title": "P", "head": "p", "base": "main"}).want(422).saying("A pull request already exists for acme:p")
	create(obj{"title": "P", "head": "none", "base": "main"}).want(422).saying("head")
	create(obj{"title": "P", "head": "p", "base": "none"}).want(422).saying("base")
	create(obj{"title": "P", "head": "main", "base": "p"}).want(422).saying("No commits between")
	create(obj{"head": "p", "base": "main"}).want(422).saying("missing_field")
	if have := w.s.dir(w.s.st.Repos["acme/app"]).resolve("refs/pull/1/head"); have != head {
		t.Errorf("have refs/pull/1/head at %s, want %s", have, head)
	}
	w.branch(w.dev, "q", "y.txt", "y\n")
	create(obj{"title": "Q", "head": "q", "base": "p"}).want(201)
	for query, want := range map[string]string{"": "2 1", "head=acme:p": "1", "base=p": "2", "state=closed": "", "state=all&direction=asc&sort=created": "1 2", "head=stranger:p": ""} {
		list := w.do(w.dev, "GET", pulls("")+"?"+query, nil).want(200)
		var have []string
		for i := 0; i < list.length(); i++ {
			have = append(have, fmt.Sprint(list.num(i, "number")))
		}
		if got := strings.Join(have, " "); got != want {
			t.Errorf("pulls?%s: have %q, want %q", query, got, want)
		}
	}
	next := w.commitFile(w.dev, head, "x.txt", "x\ny\n", "more")
	w.do(w.dev, "PATCH", repoPath+"/git/refs/heads/p", obj{"sha": next}).want(200)
	w.do(w.dev, "GET", pulls("/1"), nil).want(200).is(next, "head", "sha").is(2, "commits").is(2, "additions")
	w.event("pull_request-synchronize").is(head, "before").is(next, "after").is(next, "pull_request", "head", "sha")
	w.do(w.dev, "GET", pulls("/1/commits"), nil).want(200).is(head, 0, "sha").is(next, 1, "sha")
	w.do(w.dev, "GET", pulls("/1/files"), nil).want(200).is("x.txt", 0, "filename").is("@@ -0,0 +1,2 @@\n+x\n+y", 0, "patch")
	w.do(w.dev, "GET", repoPath+"/commits/"+head+"/pulls", nil).want(200).is(1, 0, "number")
	w.do(w.dev, "PATCH", pulls("/1"), obj{"title": "New", "body": "words", "base": "q"}).want(200).is("New", "title").is("q", "base", "ref")
	w.do(w.dev, "PATCH", pulls("/1"), obj{"state": "closed"}).want(200).is("closed", "state").is(nil, "mergeable")
	w.do(w.dev, "PATCH", pulls("/1"), obj{"state": "open"}).want(200).is("open", "state")
	w.do(w.stranger, "PATCH", pulls("/1"), obj{"title": "mine"}).want(403)
	w.do(w.dev, "DELETE", repoPath+"/git/refs/heads/p", nil).want(204)
	w.do(w.dev, "GET", pulls("/1"), nil).want(200).is("closed", "state")
	w.do(w.dev, "PATCH", pulls("/1"), obj{"state": "open"}).want(422).saying("has been deleted")
	w.do(w.dev, "GET", pulls("/99"), nil).want(404)
	if have := string(w.do(w.dev, "GET", pulls("/2"), nil, "Accept", "application/vnd.github.v3.diff").want(200).raw); !strings.Contains(have, "+y") {
		t.Errorf("have diff %q, want the added line", have)
	}
}

func TestActionsMayNotOpenPulls(t *testing.T) {
	w := newWorld(t)
	settings := DefaultSettings()
	settings.ActionsCanOpenPulls = false
	w.must(w.s.Configure("acme/app", settings))
	w.branch(w.actions, "p", "x.txt", "x\n")
	w.do(w.actions, "POST", pulls(""), obj{"title": "P", "head": "p", "base": "main"}).want(403).saying("GitHub Actions is not permitted to create or approve pull requests.")
	w.do(w.app, "POST", pulls(""), obj{"title": "P", "head": "p", "base": "main"}).want(201).is("seedbed[bot]", "user", "login")
	w.do(w.actions, "POST", pulls("/1/reviews"), obj{"event": "APPROVE"}).want(403)
}

func TestReviews(t *testing.T) {
	w := newWorld(t)
	n := w.pull(w.dev, "p", "docs/guide.md", "one\nTWO\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n")
	reviews := pulls("/%d/reviews", n)
	for event, why := range map[string]string{"APPROVE": "Can not approve your own pull request", "REQUEST_CHANGES": "Can not request changes on your own pull request"} {
		w.do(w.dev, "POST", reviews, obj{"event": event, "body": "b"}).want(422).saying(why)
	}
	w.do(w.owner, "POST", reviews, obj{"event": "COMMENT"}).want(422)
	w.do(w.owner, "POST", reviews, obj{"event": "COMMENT", "body": "b", "commit_id": strings.Repeat("1", 40)}).want(422)

	line := func(more obj) obj { return withFields(obj{"path": "docs/guide.md", "body": "hm"}, more) }
	cases := []struct {
		name string
		in   obj
		want string // reason, or "" when it lies in the diff
	}{
		{"changed line", line(obj{"line": 2}), ""},
		{"removed line", line(obj{"line": 2, "side": "LEFT"}), ""},
		{"context line", line(obj{"line": 5, "side": "RIGHT"}), ""},
		{"span", line(obj{"start_line": 1, "line": 2, "side": "RIGHT", "start_side": "RIGHT"}), ""},
		{"position", line(obj{"position": 3}), ""},
		{"after the hunk", line(obj{"line": 6}), "Line could not be resolved"},
		{"line 0", line(obj{"line": 0}), "Line could not be resolved"},
		{"position past the end", line(obj{"position": 99}), "Position could not be resolved"},
		{"span backward", line(obj{"start_line": 3, "line": 2}), "Start line could not be resolved"},
		{"other file", obj{"path": "main.go", "line": 1, "body": "hm"}, "Path could not be resolved"},
		{"no body", obj{"path": "docs/guide.md", "line": 2, "body": ""}, "Body can't be blank"},
	}
	for _, c := range cases {
		have := w.do(w.owner, "POST", reviews, obj{"event": "COMMENT", "body": "see", "comments": []any{c.in}})
		if c.want == "" {
			have.want(200)
			continue
		}
		have.want(422).saying(c.want)
	}
	r := w.do(w.owner, "GET", reviews, nil).want(200)
	first := r.num(0, "id")
	got := w.do(w.owner, "GET", fmt.Sprintf("%s/%d/comments", reviews, first), nil).want(200)
	got.is(2, 0, "original_line").is("docs/guide.md", 0, "path")
	if have, want := got.str(0, "diff_hunk"), "@@ -1,5 +1,5 @@\n one\n-two\n+TWO"; have != want {
		t.Errorf("have hunk %q, want %q", have, want)
	}
	// One comment without a review, an answer to it, and one beside the diff.
	tip := w.tip("p")
	one := w.do(w.owner, "POST", pulls("/%d/comments", n), obj{"path": "docs/guide.md", "line": 2, "side": "RIGHT", "commit_id": tip, "body": "why"}).want(201)
	w.do(w.owner, "POST", pulls("/%d/comments", n), obj{"path": "docs/guide.md", "line": 9, "side": "RIGHT", "commit_id": tip, "body": "why"}).want(422).saying("pull_request_review_thread.line")
	w.do(w.owner, "POST", pulls("/%d/comments", n), obj{"path": "none", "line": 9, "side": "RIGHT", "commit_id": tip, "body": "why"}).want(422).saying("pull_request_review_thread.path")
	w.do(w.dev, "POST", pulls("/%d/comments/%d/replies", n, one.num("id")), obj{"body": "because"}).want(201).is(one.num("id"), "in_reply_to_id")
	w.do(w.dev, "POST", pulls("/comments/%d/reactions", one.num("id")), obj{"content": "+1"}).want(201)
	w.do(w.dev, "GET", pulls("/comments/%d/reactions", one.num("id")), nil).want(200).is("+1", 0, "content")
	w.do(w.owner, "PATCH", pulls("/comments/%d", one.num("id")), obj{"body": "why not"}).want(200).is("why not", "body")
	w.do(w.owner, "GET", pulls("/comments/%d", one.num("id")), nil).want(200)
	w.do(w.owner, "GET", pulls("/comments"), nil).want(200)
	w.do(w.owner, "DELETE", pulls("/comments/%d", one.num("id")), nil).want(204)
	w.do(w.dev, "GET", pulls("/%d/comments?per_page=1", n), nil).want(200)

	// Pending: seen by its author only, until submitted.
	pending := w.do(w.owner, "POST", reviews, obj{"body": "draft", "comments": []any{line(obj{"line": 2})}}).want(200).is("PENDING", "state").num("id")
	at := fmt.Sprintf("%s/%d", reviews, pending)
	w.do(w.dev, "GET", at, nil).want(404)
	w.do(w.owner, "POST", reviews, obj{"body": "second draft"}).want(422).saying("one pending review")
	w.do(w.owner, "PUT", at, obj{"body": "better"}).want(200)
	w.do(w.owner, "POST", at+"/events", obj{"event": "REQUEST_CHANGES"}).want(200).is("CHANGES_REQUESTED", "state").is("better", "body")
	w.do(w.owner, "DELETE", at, nil).want(422)
	w.do(w.dev, "PUT", at+"/dismissals", obj{"message": "done since"}).want(200).is("DISMISSED", "state")
	w.do(w.dev, "PUT", at+"/dismissals", obj{"message": "again"}).want(422)
	gone := w.do(w.owner, "POST", reviews, obj{"body": "never mind"}).want(200).num("id")
	w.do(w.owner, "DELETE", fmt.Sprintf("%s/%d", reviews, gone), nil).want(200)
	w.event("pull_request_review-submitted").is("changes_requested", "review", "state")
	w.event("pull_request_review-dismissed")
	w.event("pull_request_review_comment-created")

	w.do(w.dev, "POST", pulls("/%d/requested_reviewers", n), obj{"reviewers": []any{"helper"}}).want(201).is("helper", "requested_reviewers", 0, "login")
	w.do(w.dev, "POST", pulls("/%d/requested_reviewers", n), obj{"reviewers": []any{"dev"}}).want(422)
	w.do(w.dev, "POST", pulls("/%d/requested_reviewers", n), obj{"reviewers": []any{"stranger"}}).want(422).saying("not a collaborator")
	w.do(w.dev, "GET", pulls("/%d/requested_reviewers", n), nil).want(200).is("helper", "users", 0, "login")
	w.do(w.dev, "DELETE", pulls("/%d/requested_reviewers", n), obj{"reviewers": []any{"helper"}}).want(200)
}

func TestMergeMethods(t *testing.T) {
	for _, c := range []struct{ method, message, parents string }{
		{"merge", "Merge pull request #1 from acme/p\n\nChange x.txt", "2"},
		{"squash", "change x.txt (#1)", "1"},
		{"rebase", "change x.txt", "1"},
	} {
		t.Run(c.method, func(t *testing.T) {
			w := newWorld(t)
			n := w.pull(w.dev, "p", "x.txt", "x\n")
			head := w.tip("p")
			w.do(w.dev, "GET", pulls("/%d/merge", n), nil).want(404)
			sha := w.do(w.owner, "PUT", pulls("/%d/merge", n), obj{"merge_method": c.method, "sha": head}).want(200).str("sha")
			k := w.do(w.dev, "GET", repoPath+"/git/commits/"+sha, nil).want(200)
			if k.str("message") != c.message || fmt.Sprint(k.length("parents")) != c.parents {
				t.Errorf("have %q with %d parents, want %q with %s", k.str("message"), k.length("parents"), c.message, c.parents)
			}
			if have := w.tip("main"); have != sha {
				t.Errorf("have main at %s, want %s", have, sha)
			}
			w.do(w.dev, "GET", pulls("/%d/merge", n), nil).want(204)
			p := w.do(w.dev, "GET", pulls("/%d", n), nil).want(200)
			p.is(true, "merged").is("acme", "merged_by", "login").is(sha, "merge_commit_sha").is("closed", "state").is(1, "changed_files").is(1, "commits")
			w.do(w.owner, "PUT", pulls("/%d/merge", n), obj{"merge_method": c.method}).want(405)
			w.do(w.dev, "PATCH", pulls("/%d", n), obj{"state": "open"}).want(422)
			w.event("pull_request-closed").is(true, "pull_request", "merged")
		})
	}
}

func TestMergeRefusals(t *testing.T) {
	w := newWorld(t)
	n := w.pull(w.dev, "p", "main.go", "package main\n\nfunc main() {}\n")
	merge := func(in obj) *answer { return w.do(w.actions, "PUT", pulls("/%d/merge", n), in) }
	head := w.tip("p")
	merge(obj{"sha": w.tip("main")}).want(409).saying("Head branch was modified")
	merge(obj{"merge_method": "octopus"}).want(422)
	settings := DefaultSettings()
	settings.AllowMerge = false
	w.must(w.s.Configure("acme/app", settings))
	merge(obj{"merge_method": "merge"}).want(405).saying("Merge commits are not allowed on this repository.")

	w.must(w.s.Protect("acme/app", "main", Protection{Checks: []string{"ci", "seedbed"}, Reviews: 1, Strict: true, Admins: true}))
	w.do(w.dev, "GET", pulls("/%d", n), nil).want(200).is("blocked", "mergeable_state").is(true, "mergeable")
	squash := obj{"merge_method": "squash", "sha": head}
	merge(squash).want(405).saying("At least 1 approving review")
	w.do(w.stranger, "POST", pulls("/%d/reviews", n), obj{"event": "APPROVE"}).want(200)
	merge(squash).want(405).saying("At least 1 approving review") // strangers do not count
	w.do(w.owner, "POST", pulls("/%d/reviews", n), obj{"event": "REQUEST_CHANGES", "body": "no"}).want(200)
	merge(squash).want(405).saying("Changes have been requested")
	w.do(w.owner, "POST", pulls("/%d/reviews", n), obj{"event": "APPROVE"}).want(200)
	merge(squash).want(405).saying(`Required status check "ci" is expected.`)
	w.do(w.dev, "POST", repoPath+"/statuses/"+head, obj{"state": "success", "context": "ci"}).want(201)
	run := w.do(w.actions, "POST", repoPath+"/check-runs", obj{"name": "seedbed", "head_sha": head, "status": "completed", "conclusion": "failure"}).want(201).num("id")
	merge(squash).want(405).saying(`Required status check "seedbed" is expected.`)
	w.do(w.actions, "PATCH", fmt.Sprintf("%s/check-runs/%d", repoPath, run), obj{"status": "completed", "conclusion": "success"}).want(200)

	// Nobody writes past the protection: not by ref, not by contents.
	side := w.commitFile(w.dev, w.tip("main"), "main.go", "package main\n\n// other\n", "side")
	w.do(w.dev, "PATCH", repoPath+"/git/refs/heads/main", obj{"sha": side}).want(422).saying("through a pull request")
	w.do(w.dev, "PUT", repoPath+"/contents/z", obj{"message": "z", "content": "eA=="}).want(409).saying("through a pull request")
	w.must(w.s.Protect("acme/app", "main", Protection{Checks: []string{"ci", "seedbed"}, Reviews: 1, Strict: true}))
	w.do(w.owner, "PATCH", repoPath+"/git/refs/heads/main", obj{"sha": side}).want(200) // an admin may, when admins are not bound
	w.do(w.dev, "GET", pulls("/%d", n), nil).want(200).is("dirty", "mergeable_state").is(false, "mergeable")
	merge(squash).want(405).saying("out of date")
	w.must(w.s.Protect("acme/app", "main", Protection{}))
	merge(squash).want(405).saying("Pull Request is not mergeable")
	w.do(w.dev, "PUT", pulls("/%d/update-branch", n), nil).want(422).saying("merge conflict")
}

func TestUpdateBranchAndDismissStale(t *testing.T) {
	w := newWorld(t)
	w.must(w.s.Protect("acme/app", "main", Protection{Strict: true, Reviews: 1, DismissStale: true}))
	n := w.pull(w.dev, "p", "x.txt", "x\n")
	w.do(w.owner, "POST", pulls("/%d/reviews", n), obj{"event": "APPROVE"}).want(200)
	w.do(w.owner, "PUT", repoPath+"/contents/z", obj{"message": "z", "content": "eA=="}).want(201)
	w.do(w.owner, "PUT", pulls("/%d/update-branch", n), obj{"expected_head_sha": strings.Repeat("1", 40)}).want(422)
	w.do(w.owner, "PUT", pulls("/%d/update-branch", n), obj{"expected_head_sha": w.tip("p")}).want(202)
	w.do(w.owner, "GET", pulls("/%d/reviews", n), nil).want(200).is("DISMISSED", 0, "state")
	w.do(w.dev, "GET", pulls("/%d", n), nil).want(200).is("blocked", "mergeable_state").is(1, "changed_files")
}

func TestClosingKeywords(t *testing.T) {
	cases := []struct{ text, want string }{
		{"Closes #1", "[1]"},
		{"fix #1, fixes: #2 and RESOLVED #3", "[1 2 3]"},
		{"closes acme/app#4", "[4]"},
		{"closes other/app#4", "[]"},
		{"`closes #1`", "[]"},
		{"```\ncloses #1\n```", "[]"},
		{"<!-- closes #1 -->", "[]"},
		{"discloses #1, see #2", "[]"},
		{"closes #1x", "[]"},
	}
	for _, c := range cases {
		if have := fmt.Sprint(closingNumbers(c.text, "acme/app")); have != c.want {
			t.Errorf("%q: have %s, want %s", c.text, have, c.want)
		}
	}
	w := newWorld(t)
	w.issue(w.dev, "One")
	w.issue(w.dev, "Two")
	sha := w.commitFile(w.dev, w.tip("main"), "x", "x", "x\n\nFixes #2")
	w.do(w.dev, "PATCH", repoPath+"/git/refs/heads/main", obj{"sha": sha}).want(200)
	w.do(w.dev, "GET", repoPath+"/issues/1", nil).want(200).is("open", "state")
	w.do(w.dev, "GET", repoPath+"/issues/2", nil).want(200).is("closed", "state").is("completed", "state_reason")
	w.do(w.dev, "GET", repoPath+"/issues/2/events", nil).want(200).is(sha, 0, "commit_id")
}

func TestDeleteBranchOnMerge(t *testing.T) {
	w := newWorld(t)
	settings := DefaultSettings()
	settings.DeleteBranchOnMerge = true
	w.must(w.s.Configure("acme/app", settings))
	n := w.pull(w.dev, "p", "x.txt", "x\n")
	w.do(w.owner, "PUT", pulls("/%d/merge", n), nil).want(200)
	w.do(w.dev, "GET", repoPath+"/git/ref/heads/p", nil).want(404)
	w.do(w.dev, "GET", pulls("/%d", n), nil).want(200).is(true, "merged")
}

// A person's pull request from a fork, and a push to it.
func TestForkPull(t *testing.T) {
	w := newWorld(t)
	w.must(w.s.AddRepository(Repository{Owner: "stranger", Name: "app", ForkOf: "acme/app"}))
	dir := filepath.Join(t.TempDir(), "fork")
	url := strings.Replace(w.cloneURL(w.stranger), "acme/", "stranger/", 1)
	w.mustGit(".", "clone", "-q", url, dir)
	commit := func(text string) {
		w.must(os.WriteFile(filepath.Join(dir, "f.txt"), []byte(text), 0o644))
		w.mustGit(dir, "add", "-A")
		w.mustGit(dir, "commit", "-q", "-m", "f")
		w.mustGit(dir, "push", "-q", "origin", "HEAD:refs/heads/f")
	}
	commit("one\n")
	p := w.do(w.stranger, "POST", pulls(""), obj{"title": "F", "head": "stranger:f", "base": "main"}).want(201)
	p.is("stranger/app", "head", "repo", "full_name").is(true, "head", "repo", "fork").is(1, "changed_files")
	w.clock.add(time.Minute)
	commit("two\n")
	w.do(w.dev, "GET", pulls("/1"), nil).want(200).is(2, "commits").is(strings.TrimSpace(w.mustGit(dir, "rev-parse", "HEAD")), "head", "sha")
	w.do(w.dev, "GET", repoPath+"/compare/main...stranger:f", nil).want(200).is(2, "ahead_by")
	w.event("pull_request-synchronize").is("acme/app", "repository", "full_name")
	w.mustGit(dir, "fetch", "-q", w.cloneURL(w.dev), "refs/pull/1/head")
	w.do(w.owner, "PUT", pulls("/1/merge"), obj{"merge_method": "squash"}).want(200)
}

package fakegithub

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestIssueLife(t *testing.T) {
	w := newWorld(t)
	made := w.do(w.dev, "POST", repoPath+"/issues", obj{"title": "One", "body": "b", "labels": []any{"bug", "brand-new"}, "assignees": []any{"dev", "stranger"}}).want(201)
	made.is(1, "number").is("open", "state").is("dev", "user", "login").is("2026-03-01T09:00:00Z", "created_at").is(nil, "performed_via_github_app")
	if n := made.length("labels"); n != 2 {
		t.Errorf("have %d labels, want 2", n)
	}
	if n := made.length("assignees"); n != 1 {
		t.Errorf("have %d assignees, want 1: who may not be assigned is ignored", n)
	}
	if have, want := made.header.Get("Location"), w.base+repoPath+"/issues/1"; have != want {
		t.Errorf("have Location %s, want %s", have, want)
	}
	w.clock.add(time.Minute)
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"title": "Two"}).want(200).is("Two", "title").is("2026-03-01T09:01:00Z", "updated_at")
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"state": "closed", "state_reason": "not_planned"}).want(200).is("not_planned", "state_reason").is("dev", "closed_by", "login")
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"state": "open"}).want(200).is(nil, "closed_at").is("reopened", "state_reason")
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"state": "half"}).want(422)
	w.do(w.dev, "POST", repoPath+"/issues", obj{"body": "no title"}).want(422).saying("missing_field")
	w.do(w.dev, "POST", repoPath+"/issues", obj{"title": "long", "body": strings.Repeat("x", bodyLimit+1)}).want(422).saying("body is too long")
	w.do(w.dev, "POST", repoPath+"/issues", `{"title": `).want(400).saying("Problems parsing JSON")
	w.do(w.dev, "POST", repoPath+"/issues", `{"title": {}}`).want(422)
	w.do(w.dev, "GET", repoPath+"/issues/99", nil).want(404).saying("documentation_url")
	// Somebody else's issue is not theirs to edit, and their labels do not count.
	w.do(w.stranger, "PATCH", repoPath+"/issues/1", obj{"title": "mine"}).want(403)
	w.do(w.stranger, "POST", repoPath+"/issues", obj{"title": "Three", "labels": []any{"bug"}}).want(201).is("[]", "labels")
	for _, e := range []string{"issues-opened", "issues-labeled", "issues-assigned", "issues-edited", "issues-closed", "issues-reopened"} {
		w.event(e).is("app", "repository", "name")
	}
	w.event("issues-edited").is("One", "changes", "title", "from")
	w.do(w.dev, "PUT", repoPath+"/issues/1/lock", nil).want(204)
	w.do(w.reader, "POST", repoPath+"/issues/1/comments", obj{"body": "hi"}).want(403).saying("locked")
	w.do(w.dev, "DELETE", repoPath+"/issues/1/lock", nil).want(204)
	w.do(w.dev, "POST", repoPath+"/issues/1/assignees", obj{"assignees": []any{"helper"}}).want(201)
	w.do(w.dev, "DELETE", repoPath+"/issues/1/assignees", obj{"assignees": []any{"helper"}}).want(200)
	w.do(w.dev, "GET", repoPath+"/assignees", nil).want(200).is("acme", 0, "login")
	w.do(w.dev, "POST", repoPath+"/milestones", obj{"title": "M1"}).want(201).is(1, "number")
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"milestone": 1}).want(200).is("M1", "milestone", "title")
	w.do(w.dev, "GET", repoPath+"/milestones", nil).want(200).is(1, 0, "open_issues")
}

func TestIssueFilters(t *testing.T) {
	w := newWorld(t)
	for n := 1; n <= 4; n++ {
		w.issue(w.dev, fmt.Sprintf("Issue %d", n))
		w.clock.add(time.Hour)
	}
	w.do(w.dev, "POST", repoPath+"/issues/2/labels", obj{"labels": []any{"bug", "ai-task"}}).want(200)
	w.do(w.dev, "POST", repoPath+"/issues/3/labels", obj{"labels": []any{"bug"}}).want(200)
	w.do(w.dev, "PATCH", repoPath+"/issues/4", obj{"state": "closed"}).want(200)
	w.do(w.dev, "POST", repoPath+"/issues/3/assignees", obj{"assignees": []any{"dev"}}).want(201)
	w.do(w.reader, "POST", repoPath+"/issues/1/comments", obj{"body": "hi"}).want(201)
	w.pull(w.dev, "p", "x.txt", "x\n")
	cases := []struct{ query, want string }{
		{"", "5 3 2 1"}, // a pull request is an issue too
		{"state=closed", "4"},
		{"state=all&direction=asc", "1 2 3 4 5"},
		{"labels=bug", "3 2"},
		{"labels=bug,AI-Task", "2"},
		{"labels=nowhere", ""},
		{"creator=dev&labels=ai-task", "2"},
		{"creator=guest", ""},
		{"assignee=dev", "3"},
		{"assignee=*", "3"},
		{"assignee=none&labels=bug", "2"},
		{"since=2026-03-01T13:00:00Z&sort=updated&state=all", "5 4 3 2 1"},
		{"since=2026-03-01T13:00:01Z", ""},
		{"sort=comments", "1 5 3 2"},
		{"per_page=2&page=2", "2 1"},
	}
	for _, c := range cases {
		list := w.do(w.dev, "GET", repoPath+"/issues?"+c.query, nil).want(200)
		var have []string
		for i := 0; i < list.length(); i++ {
			have = append(have, fmt.Sprint(list.num(i, "number")))
		}
		if got := strings.Join(have, " "); got != c.want {
			t.Errorf("issues?%s: have %q, want %q", c.query, got, c.want)
		}
	}
	w.do(w.dev, "GET", "/search/issues?q=repo:acme/app+is:issue+label:bug+Issue", nil).want(200).is(2, "total_count")
	w.do(w.dev, "GET", "/search/issues?q=repo:acme/app+is:pr+is:open+author:dev+head:p", nil).want(200).is(1, "total_count")
	w.do(w.dev, "GET", "/search/issues?q=nothing", nil).want(422)
}

func TestLabels(t *testing.T) {
	w := newWorld(t)
	w.issue(w.dev, "One")
	w.do(w.dev, "POST", repoPath+"/labels", obj{"name": "seed:working", "color": "AABBCC", "description": "d"}).want(201).is("aabbcc", "color")
	w.do(w.dev, "POST", repoPath+"/labels", obj{"name": "SEED:working"}).want(422).saying("already_exists")
	w.do(w.dev, "POST", repoPath+"/labels", obj{"name": "x", "color": "red"}).want(422).saying("invalid")
	w.do(w.dev, "GET", repoPath+"/labels/seed:working", nil).want(200).is("d", "description")
	w.do(w.dev, "PATCH", repoPath+"/labels/seed:working", obj{"new_name": "seed:done"}).want(200).is("seed:done", "name")
	w.do(w.dev, "GET", repoPath+"/labels/seed:working", nil).want(404)
	w.do(w.dev, "GET", repoPath+"/labels?per_page=100", nil).want(200)
	w.do(w.triager, "POST", repoPath+"/issues/1/labels", obj{"labels": []any{"seed:done", "bug"}}).want(200)
	w.do(w.triager, "PUT", repoPath+"/issues/1/labels", []any{"bug", "question"}).want(200).is("question", 1, "name")
	w.do(w.triager, "DELETE", repoPath+"/issues/1/labels/bug", nil).want(200).is("question", 0, "name")
	w.do(w.triager, "DELETE", repoPath+"/issues/1/labels/bug", nil).want(404).saying("Label does not exist")
	w.do(w.dev, "GET", repoPath+"/issues/1/labels", nil).want(200).is("question", 0, "name")
	w.do(w.triager, "DELETE", repoPath+"/issues/1/labels", nil).want(204)
	w.do(w.reader, "POST", repoPath+"/issues/1/labels", obj{"labels": []any{"bug"}}).want(403)
	w.do(w.dev, "DELETE", repoPath+"/labels/seed:done", nil).want(204)
	// Who put a label on, and when, is what authority is derived from.
	ev := w.do(w.dev, "GET", repoPath+"/issues/1/events", nil).want(200)
	ev.is("labeled", 0, "event").is("helper", 0, "actor", "login").is("seed:done", 0, "label", "name")
}

func TestCommentsAndReactions(t *testing.T) {
	w := newWorld(t)
	w.issue(w.dev, "One")
	id := w.do(w.reader, "POST", repoPath+"/issues/1/comments", obj{"body": "/seed status"}).want(201).is(nil, "performed_via_github_app").num("id")
	at := fmt.Sprintf("%s/issues/comments/%d", repoPath, id)
	bot := w.do(w.actions, "POST", repoPath+"/issues/1/comments", obj{"body": "working"}).want(201)
	bot.is("github-actions", "performed_via_github_app", "slug").is(41898282, "user", "id").is("Bot", "user", "type")
	w.clock.add(time.Minute)
	w.do(w.reader, "PATCH", at, obj{"body": "/seed hold"}).want(200).is("2026-03-01T09:01:00Z", "updated_at")
	w.do(w.stranger, "PATCH", at, obj{"body": "no"}).want(403)
	w.do(w.dev, "POST", repoPath+"/issues/1/comments", obj{"body": " "}).want(422)
	w.do(w.dev, "GET", repoPath+"/issues/1/comments", nil).want(200).is("/seed hold", 0, "body").is("working", 1, "body")
	w.do(w.dev, "GET", repoPath+"/issues/1/comments?since=2026-03-01T09:01:00Z", nil).want(200).is("/seed hold", 0, "body")
	w.do(w.dev, "GET", repoPath+"/issues/comments?direction=desc&sort=created", nil).want(200).is("working", 0, "body")
	first := w.do(w.actions, "POST", at+"/reactions", obj{"content": "eyes"}).want(201).num("id")
	w.do(w.actions, "POST", at+"/reactions", obj{"content": "eyes"}).want(200).is(first, "id")
	w.do(w.dev, "POST", at+"/reactions", obj{"content": "eyes"}).want(201)
	w.do(w.dev, "POST", at+"/reactions", obj{"content": "shrug"}).want(422)
	w.do(w.dev, "GET", at+"/reactions?content=eyes", nil).want(200).is("dev", 1, "user", "login")
	w.do(w.dev, "GET", at, nil).want(200).is(2, "reactions", "eyes").is(2, "reactions", "total_count")
	w.do(w.dev, "DELETE", fmt.Sprintf("%s/reactions/%d", at, first), nil).want(404) // not one's own
	w.do(w.actions, "DELETE", fmt.Sprintf("%s/reactions/%d", at, first), nil).want(204)
	mine := w.do(w.dev, "POST", repoPath+"/issues/1/reactions", obj{"content": "+1"}).want(201).num("id")
	w.do(w.dev, "GET", repoPath+"/issues/1/reactions", nil).want(200).is("+1", 0, "content")
	w.do(w.dev, "DELETE", fmt.Sprintf("%s/issues/1/reactions/%d", repoPath, mine), nil).want(204)
	w.do(w.dev, "DELETE", at, nil).want(204)
	w.do(w.dev, "GET", at, nil).want(404)
	w.event("issue_comment-created").is("working", "comment", "body").is(1, "issue", "number")
	w.event("issue_comment-edited").is("/seed status", "changes", "body", "from")
	w.event("issue_comment-deleted")
}

func TestTimeline(t *testing.T) {
	w := newWorld(t)
	w.pull(w.dev, "p", "x.txt", "x\n")
	step := func() { w.clock.add(time.Minute) }
	step()
	w.do(w.dev, "POST", repoPath+"/issues/1/labels", obj{"labels": []any{"bug"}}).want(200)
	step()
	w.do(w.dev, "POST", repoPath+"/issues/1/comments", obj{"body": "hi"}).want(201)
	step()
	w.do(w.owner, "POST", repoPath+"/pulls/1/reviews", obj{"event": "COMMENT", "body": "hm"}).want(200)
	step()
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"title": "renamed"}).want(200)
	step()
	w.do(w.dev, "PATCH", repoPath+"/pulls/1", obj{"state": "closed"}).want(200).is("closed", "state")
	list := w.do(w.dev, "GET", repoPath+"/issues/1/timeline", nil).want(200)
	var have []string
	for i := 0; i < list.length(); i++ {
		have = append(have, list.str(i, "event"))
	}
	if got, want := strings.Join(have, " "), "committed labeled commented reviewed renamed closed"; got != want {
		t.Errorf("have timeline %s, want %s", got, want)
	}
	list.is("Change x.txt", 4, "rename", "from")
	w.do(w.dev, "GET", repoPath+"/issues/events", nil).want(200).is("closed", 0, "event").is(1, 0, "issue", "number")
	w.do(w.dev, "GET", repoPath+"/issues/1/events", nil).want(200).is("labeled", 0, "event")
}

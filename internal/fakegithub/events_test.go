package fakegithub

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// payloadShape is what all published payloads of one event have in common:
// for each place the keys that are never missing and the JSON types seen.
type payloadShape struct {
	objects map[string]int
	keys    map[string]map[string]int
	types   map[string]map[string]bool
}

func (p *payloadShape) learn(at string, v any) {
	if p.types[at] == nil {
		p.types[at] = map[string]bool{}
	}
	p.types[at][jsonType(v)] = true
	switch v := v.(type) {
	case map[string]any:
		p.objects[at]++
		if p.keys[at] == nil {
			p.keys[at] = map[string]int{}
		}
		for k, one := range v {
			p.keys[at][k]++
			p.learn(at+"."+k, one)
		}
	case []any:
		for _, one := range v {
			p.learn(at+"[]", one)
		}
	}
}

// faults lists what a payload lacks or has in another type.
func (p *payloadShape) faults(at string, v any) []string {
	var out []string
	if seen := p.types[at]; len(seen) > 0 && !seen[jsonType(v)] && !(v == nil || seen["null"] && len(seen) == 1) {
		out = append(out, fmt.Sprintf("%s: have %s, GitHub sends %v", at, jsonType(v), keysOf(seen)))
	}
	switch v := v.(type) {
	case map[string]any:
		for k, n := range p.keys[at] {
			if _, have := v[k]; !have && n == p.objects[at] {
				out = append(out, at+"."+k+": missing")
			}
		}
		for k, one := range v {
			out = append(out, p.faults(at+"."+k, one)...)
		}
	case []any:
		for _, one := range v {
			out = append(out, p.faults(at+"[]", one)...)
		}
	}
	return out
}

func jsonType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case string:
		return "text"
	case bool:
		return "bool"
	}
	return "number"
}

func keysOf(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// payloadExceptions: what the examples always carry and ours need not.
var payloadExceptions = map[string]string{
	".organization": "the fake's owners are users; the few examples of this event come from organizations",
	".installation": "sent to the Apps of an installation only",
	".check_run.check_suite.app.permissions.members": "an organization's permission",
}

// Every payload written has what GitHub's published payloads of that event have.
func TestPayloadsAreGitHubs(t *testing.T) {
	data, err := fixtures("webhook-examples.json.gz")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("GitHub's webhook examples are not there (SEEDBED_FIXTURES or ../shared/fixtures)")
	}
	if err != nil {
		t.Fatal(err)
	}
	var published []struct {
		Name     string
		Examples []any
	}
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	shapes := map[string]*payloadShape{}
	for _, e := range published {
		p := &payloadShape{map[string]int{}, map[string]map[string]int{}, map[string]map[string]bool{}}
		for _, example := range e.Examples {
			p.learn("", example)
		}
		shapes[e.Name] = p
	}
	w := eventful(t)
	checked := map[string]bool{}
	seen, needed := map[string]bool{}, map[string]bool{}
	for _, file := range w.events() {
		name := strings.SplitN(strings.TrimSuffix(strings.TrimPrefix(file, "suppressed/"), ".json"), "-", 3)[1]
		raw, err := os.ReadFile(filepath.Join(w.root, "events", file))
		w.must(err)
		var v any
		w.must(json.Unmarshal(raw, &v))
		shape := shapes[name]
		if shape == nil {
			t.Errorf("%s: GitHub publishes no event %s", file, name)
			continue
		}
		checked[name] = true
		for _, fault := range shape.faults("", v) {
			at, _, _ := strings.Cut(fault, ":")
			if excused(at, needed) || seen[name+fault] {
				continue
			}
			seen[name+fault] = true
			t.Errorf("%s: %s", name, fault)
		}
	}
	for at := range payloadExceptions {
		if !needed[at] {
			t.Errorf("the exception for %s is not needed any more", at)
		}
	}
	for _, name := range []string{"check_run", "create", "delete", "deployment", "deployment_status", "issue_comment", "issues", "label", "merge_group", "pull_request", "pull_request_review", "pull_request_review_comment", "push", "repository_dispatch", "status", "workflow_dispatch", "workflow_run"} {
		if !checked[name] {
			t.Errorf("have no payload of %s to check", name)
		}
	}
}

func excused(at string, needed map[string]bool) bool {
	for prefix := range payloadExceptions {
		if at == prefix || strings.HasPrefix(at, prefix+".") || strings.HasPrefix(at, prefix+"[") {
			needed[prefix] = true
			return true
		}
	}
	return false
}

// eventful is a world in which everything that has an event has happened.
func eventful(t *testing.T) *world {
	w, params := furnished(t)
	w.must(w.s.Protect("acme/app", "main", Protection{}))
	w.do(w.dev, "POST", repoPath+"/issues/1/labels", obj{"labels": []any{"ai-task"}}).want(200)
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"title": "New", "body": "new"}).want(200)
	w.do(w.dev, "PATCH", repoPath+"/issues/comments/"+params["comment_id"], obj{"body": "new"}).want(200)
	w.do(w.dev, "POST", repoPath+"/issues/1/assignees", obj{"assignees": []any{"dev"}}).want(201)
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"state": "closed"}).want(200)
	w.do(w.dev, "POST", repoPath+"/statuses/"+params["sha"], obj{"state": "success"}).want(201)
	w.do(w.actions, "PATCH", repoPath+"/check-runs/"+params["check_run_id"], obj{"conclusion": "success"}).want(200)
	w.do(w.actions, "POST", repoPath+"/actions/workflows/ci.yml/dispatches", obj{"ref": "main", "inputs": obj{"a": "b"}}).want(204)
	w.do(w.actions, "POST", repoPath+"/dispatches", obj{"event_type": "x"}).want(204)
	w.do(w.dev, "POST", pulls("/2/requested_reviewers"), obj{"reviewers": []any{"helper"}}).want(201)
	next := w.commitFile(w.dev, params["sha"], "x.txt", "y\n", "y")
	w.do(w.dev, "PATCH", repoPath+"/git/refs/heads/p", obj{"sha": next}).want(200)
	w.do(w.owner, "POST", pulls("/2/reviews"), obj{"event": "APPROVE"}).want(200)
	w.do(w.owner, "PUT", pulls("/2/merge"), obj{"merge_method": "squash"}).want(200)
	w.do(w.dev, "DELETE", repoPath+"/git/refs/heads/p", nil).want(204)
	n := w.pull(w.dev, "queued", "q.txt", "q\n")
	w.must(w.s.Protect("acme/app", "main", Protection{MergeQueue: true}))
	w.graph(w.dev, document("Enqueue"), obj{"id": w.do(w.dev, "GET", pulls("/%d", n), nil).str("node_id")})
	return w
}

// What GITHUB_TOKEN does starts no workflow; what people and Apps do does.
func TestSuppressedEvents(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{w.actions, w.app, w.dev} {
		w.issue(token, "x")
	}
	if have, want := strings.Join(w.events(), " "), "000002-issues-opened.json 000003-issues-opened.json suppressed/000001-issues-opened.json"; have != want {
		t.Errorf("have events %s\nwant %s", have, want)
	}
}

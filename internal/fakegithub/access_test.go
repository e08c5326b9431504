package fakegithub

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// furnished is a world in which every route has something to find, and the
// path parameters that find it.
func furnished(t *testing.T) (*world, map[string]string) {
	w := newWorld(t)
	w.issue(w.dev, "One")
	w.pull(w.dev, "p", "x.txt", "x\n")
	head := w.tip("p")
	id := func(a *answer) string { return fmt.Sprint(a.num("id")) }
	p := map[string]string{"owner": "acme", "repo": "app", "username": "dev", "name": "bug", "sha": head, "ref": "heads/p", "path": "README.md", "basehead": "main...p", "branch": "main", "number": "1", "ruleset_id": "1", "workflow": "ci.yml", "reaction_id": "1"}
	p["comment_id"] = id(w.do(w.dev, "POST", repoPath+"/issues/1/comments", obj{"body": "c"}).want(201))
	p["review_id"] = id(w.do(w.owner, "POST", pulls("/2/reviews"), obj{"event": "COMMENT", "body": "r"}).want(200))
	p["line_comment_id"] = id(w.do(w.owner, "POST", pulls("/2/comments"), obj{"path": "x.txt", "line": 1, "side": "RIGHT", "commit_id": head, "body": "l"}).want(201))
	p["check_run_id"] = id(w.do(w.actions, "POST", repoPath+"/check-runs", obj{"name": "k", "head_sha": head}).want(201))
	p["check_suite_id"] = fmt.Sprint(w.do(w.dev, "GET", repoPath+"/commits/p/check-suites", nil).num("check_suites", 0, "id"))
	p["deployment_id"] = id(w.do(w.actions, "POST", repoPath+"/deployments", obj{"ref": "main", "required_contexts": []any{}}).want(201))
	p["status_id"] = id(w.do(w.actions, "POST", repoPath+"/deployments/"+p["deployment_id"]+"/statuses", obj{"state": "success"}).want(201))
	run, err := w.s.SetRun("acme/app", Run{Path: ".github/workflows/ci.yml", HeadSHA: head, Status: "completed", Conclusion: "success"})
	w.must(err)
	p["run_id"] = fmt.Sprint(run)
	w.must(w.s.Protect("acme/app", "main", Protection{Checks: []string{"ci"}}))
	return w, p
}

var braces = regexp.MustCompile(`\{[a-z_]+\}`)

func fillPath(rt *route, params map[string]string) string {
	return braces.ReplaceAllStringFunc(rt.pattern, func(m string) string {
		name := strings.Trim(m, "{}")
		if name == "number" && strings.Contains(rt.pattern, "/pulls/") {
			return "2"
		}
		if name == "ref" && !strings.Contains(rt.pattern, "/git/") || name == "ref" && strings.Contains(rt.pattern, "/git/trees") {
			return "p"
		}
		return params[name]
	})
}

// Every route of a repository is refused to a token without its permission,
// and says which one it was; with exactly that permission it is not.
func TestEveryRouteNeedsItsPermission(t *testing.T) {
	w, params := furnished(t)
	w.check = nil // most of these requests are sent empty: only the refusal counts
	none := w.mint(Token{Name: "none", Kind: KindActions, Permissions: map[string]string{}})
	all := routes()
	for i := range all {
		rt := &all[i]
		if !strings.HasPrefix(rt.pattern, "/repos/") || strings.HasPrefix(rt.needs, "metadata") {
			continue
		}
		path := fillPath(rt, params)
		needs := parseNeeds(rt.needs)
		if strings.Contains(rt.pattern, "{number}") || strings.Contains(rt.pattern, "{comment_id}") {
			if !strings.Contains(rt.pattern, "/pulls/") {
				needs = needs[:1] // number 1 is an issue: only issues=… counts
			}
		}
		refused := w.do(none, rt.method, path, nil)
		if refused.status != 403 || !strings.Contains(string(refused.raw), notByActor) {
			t.Errorf("%s %s without permission: have %d %s, want 403", rt.method, path, refused.status, refused.raw)
		}
		if have, want := refused.header.Get("X-Accepted-GitHub-Permissions"), needsString(needs); have != want {
			t.Errorf("%s %s: have accepted permissions %q, want %q", rt.method, path, have, want)
		}
		for _, n := range needs {
			kind := Token{Name: "one", Kind: KindActions, Permissions: map[string]string{n.name: n.level}}
			if rt.people {
				kind.Kind, kind.Login = KindUser, "acme"
			}
			given := w.do(w.mint(kind), rt.method, path, nil)
			if given.header.Get("X-Accepted-GitHub-Permissions") != "" || given.status == 404 && strings.Contains(string(given.raw), "does not serve") || given.status >= 500 {
				t.Errorf("%s %s with %s=%s: have %d %s, want it let in", rt.method, path, n.name, n.level, given.status, given.raw)
			}
		}
		if rt.method == "DELETE" { // what was there is gone now
			w, params = furnished(t)
			w.check = nil
			none = w.mint(Token{Name: "none", Kind: KindActions, Permissions: map[string]string{}})
		}
	}
}

// Read does not write, and the issue permission does not reach pull requests' own routes.
func TestPermissionLevels(t *testing.T) {
	w, _ := furnished(t)
	cases := []struct {
		name         string
		permissions  map[string]string
		method, path string
		body         any
		want         int
	}{
		{"read lists", map[string]string{"issues": "read"}, "GET", "/issues", nil, 200},
		{"read does not comment", map[string]string{"issues": "read"}, "POST", "/issues/1/comments", obj{"body": "x"}, 403},
		{"write comments", map[string]string{"issues": "write"}, "POST", "/issues/1/comments", obj{"body": "x"}, 201},
		{"issues reaches a pull request's comments", map[string]string{"issues": "write"}, "POST", "/issues/2/comments", obj{"body": "x"}, 201},
		{"pull-requests does too", map[string]string{"pull-requests": "write"}, "POST", "/issues/2/comments", obj{"body": "x"}, 201},
		{"but not an issue's", map[string]string{"pull-requests": "write"}, "POST", "/issues/1/comments", obj{"body": "x"}, 403},
		{"issues opens no pull request", map[string]string{"issues": "write"}, "POST", "/pulls", obj{"title": "x", "head": "p", "base": "main"}, 403},
		{"contents read makes no ref", map[string]string{"contents": "read"}, "POST", "/git/refs", obj{"ref": "refs/heads/z", "sha": "x"}, 403},
		{"metadata is always there", map[string]string{}, "GET", "", nil, 200},
		{"protection needs administration", map[string]string{"contents": "write"}, "GET", "/branches/main/protection", nil, 403},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w.check = nil
			token := w.mint(Token{Name: "case", Kind: KindActions, Repo: "acme/app", Permissions: c.permissions})
			w.do(token, c.method, repoPath+c.path, c.body).want(c.want)
		})
	}
}

func TestWhoIsLetIn(t *testing.T) {
	w := newWorld(t)
	w.must(w.s.AddRepository(Repository{Owner: "acme", Name: "secret", Private: true}))
	w.must(w.s.AddRepository(Repository{Owner: "acme", Name: "open"}))
	w.check = nil
	w.do("ghp_wrong", "GET", repoPath, nil).want(401).saying("Bad credentials")
	w.do("", "GET", repoPath, nil).want(200)
	w.do("", "POST", repoPath+"/issues", obj{"title": "x"}).want(401)
	w.do("", "GET", "/repos/acme/secret", nil).want(404)
	w.do(w.stranger, "GET", "/repos/acme/secret", nil).want(404)
	w.do(w.actions, "GET", "/repos/acme/secret", nil).want(404)
	w.do(w.owner, "GET", "/repos/acme/secret", nil).want(200)
	// A token for one repository reads what is public elsewhere, and no more.
	w.do(w.actions, "GET", "/repos/acme/open", nil).want(200)
	w.do(w.actions, "POST", "/repos/acme/open/issues", obj{"title": "x"}).want(403)
	w.do(w.owner, "GET", "/api/v3"+repoPath, nil).want(200)
	w.do(w.owner, "GET", "/REPOS/acme/app", nil).want(404)
	w.do(w.owner, "GET", "/repos/ACME/App", nil).want(200).is("acme/app", "full_name")
	w.do(w.owner, "GET", "/repos/acme/app/hooks", nil).want(404).saying("does not serve")
	for _, auth := range []string{"token " + w.owner, "Basic " + basic("x-access-token", w.owner), "Basic " + basic(w.owner, "x-oauth-basic")} {
		w.do("", "GET", "/user", nil, "Authorization", auth).want(200).is("acme", "login")
	}
	for _, auth := range []string{"Basic %%%", "Digest x y"} {
		w.do("", "GET", "/user", nil, "Authorization", auth).want(401)
	}
}

// A page on another site, or a name rebound to loopback, is kept out.
func TestForeignHostAndOrigin(t *testing.T) {
	w := newWorld(t)
	w.check = nil
	port := w.base[strings.LastIndex(w.base, ":"):]
	cases := []struct {
		header, value string
		want          int
	}{
		{"Host", "evil.example" + port, 403},
		{"Host", "127.0.0.1:1", 403},
		{"Host", "127.0.0.2" + port, 403},
		{"Host", "localhost" + port, 200},
		{"Origin", "http://evil.example", 403},
		{"Origin", "null", 403},
		{"Origin", w.base, 200},
	}
	for _, c := range cases {
		if have := w.do(w.owner, "GET", repoPath, nil, c.header, c.value); have.status != c.want {
			t.Errorf("%s %s: have %d, want %d: %s", c.header, c.value, have.status, c.want, have.raw)
		}
	}
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "nonsense"} {
		if _, err := w.s.Start(addr); err == nil {
			t.Errorf("Start(%s): have no error, want a refusal", addr)
		}
	}
}

func TestBodyCap(t *testing.T) {
	w := newWorld(t)
	w.check = nil
	w.must(w.s.Close())
	w.open(Options{MaxBody: 1000})
	w.do(w.owner, "POST", repoPath+"/issues", obj{"title": "x", "body": strings.Repeat("x", 2000)}).want(413)
	w.do(w.owner, "POST", repoPath+"/issues", obj{"title": "x"}).want(201)
}

func TestPagesAndETags(t *testing.T) {
	w := newWorld(t)
	for n := 1; n <= 5; n++ {
		w.issue(w.dev, fmt.Sprint("Issue ", n))
	}
	first := w.do(w.dev, "GET", repoPath+"/issues?per_page=2&state=all", nil).want(200)
	at := w.base + repoPath + "/issues?page=%d&per_page=2&state=all"
	if have, want := first.header.Get("Link"), fmt.Sprintf("<"+at+">; rel=\"next\", <"+at+">; rel=\"last\"", 2, 3); have != want {
		t.Errorf("have Link %s\nwant %s", have, want)
	}
	last := w.do(w.dev, "GET", repoPath+"/issues?per_page=2&state=all&page=3", nil).want(200)
	if have, want := last.header.Get("Link"), fmt.Sprintf("<"+at+">; rel=\"prev\", <"+at+">; rel=\"first\"", 2, 1); have != want {
		t.Errorf("have Link %s\nwant %s", have, want)
	}
	if last.length() != 1 {
		t.Errorf("have %d entries on the last page, want 1", last.length())
	}
	w.do(w.dev, "GET", repoPath+"/issues?page=9", nil).want(200).is("[]")
	w.check = nil
	if n := w.do(w.dev, "GET", repoPath+"/issues?per_page=1000", nil).want(200).length(); n != 5 {
		t.Errorf("have %d entries, want 5", n)
	}
	tag := w.do(w.dev, "GET", repoPath+"/issues/1", nil).want(200).header.Get("ETag")
	used := w.do(w.dev, "GET", repoPath+"/issues/1", nil, "If-None-Match", tag).want(304).header.Get("X-RateLimit-Used")
	if again := w.do(w.dev, "GET", repoPath+"/issues/1", nil, "If-None-Match", strings.TrimPrefix(tag, "W/")).want(304); again.header.Get("X-RateLimit-Used") != used || len(again.raw) != 0 {
		t.Errorf("have %s requests used after a 304 and %d bytes, want %s and none", again.header.Get("X-RateLimit-Used"), len(again.raw), used)
	}
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"title": "New"}).want(200)
	w.do(w.dev, "GET", repoPath+"/issues/1", nil, "If-None-Match", tag).want(200)
}

func TestHeadersAndRateLimit(t *testing.T) {
	w := newWorld(t)
	a := w.do(w.actions, "GET", repoPath, nil).want(200)
	for name, want := range map[string]string{"Date": "Sun, 01 Mar 2026 09:00:00 GMT", "X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "999", "X-RateLimit-Used": "1",
		"X-RateLimit-Reset": fmt.Sprint(w.clock.now().Add(time.Hour).Unix()), "X-RateLimit-Resource": "core", "Content-Type": "application/json; charset=utf-8"} {
		if have := a.header.Get(name); have != want {
			t.Errorf("%s: have %q, want %q", name, have, want)
		}
	}
	if a.header.Get("X-GitHub-Request-Id") == "" {
		t.Error("have no X-GitHub-Request-Id")
	}
	w.check = nil
	w.must(w.s.Close())
	w.open(Options{RateLimit: 2})
	w.do(w.dev, "GET", repoPath, nil).want(200)
	w.do(w.dev, "GET", repoPath, nil).want(200)
	out := w.do(w.dev, "GET", repoPath, nil).want(403).saying("rate limit exceeded")
	if have := out.header.Get("X-RateLimit-Remaining"); have != "0" {
		t.Errorf("have %s requests remaining, want 0", have)
	}
	w.clock.add(time.Hour)
	w.do(w.dev, "GET", repoPath, nil).want(200)
}

// A workflow file is out of reach for tokens without the workflows permission,
// by every way in.
func TestWorkflowFilesNeedTheirPermission(t *testing.T) {
	w := newWorld(t)
	w.check = nil
	main := w.tip("main")
	sha := w.commitFile(w.actions, main, ".github/workflows/new.yml", "on: push\n", "sneak")
	limited := w.mint(Token{Name: "limited", Kind: KindActions, Permissions: map[string]string{"contents": "write", "pull_requests": "write"}})
	w.do(limited, "POST", repoPath+"/git/refs", obj{"ref": "refs/heads/s", "sha": sha}).want(403)
	w.do(limited, "PATCH", repoPath+"/git/refs/heads/main", obj{"sha": sha}).want(403)
	w.do(limited, "PUT", repoPath+"/contents/.github/workflows/new.yml", obj{"message": "m", "content": "eA=="}).want(403)
	w.do(w.dev, "POST", repoPath+"/git/refs", obj{"ref": "refs/heads/s", "sha": sha}).want(201)
	dir := filepath.Join(t.TempDir(), "work")
	w.mustGit(".", "clone", "-q", "-b", "s", w.cloneURL(limited), dir)
	out, err := w.git(dir, "push", "origin", "HEAD:refs/heads/s2")
	if err == nil || !strings.Contains(out, "workflows") {
		t.Errorf("have push %v: %s, want it refused for the workflow file", err, out)
	}
	w.do(w.dev, "GET", repoPath+"/git/ref/heads/s2", nil).want(404)
	n := w.do(w.dev, "POST", pulls(""), obj{"title": "S", "head": "s", "base": "main"}).want(201).num("number")
	w.do(limited, "PUT", pulls("/%d/merge", n), nil).want(403)
}

func TestReadyFile(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "ready.json")
	w.must(w.s.WriteReadyFile(path))
	info, err := os.Stat(path)
	w.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("have mode %v, want 0600", info.Mode().Perm())
	}
	raw, err := os.ReadFile(path)
	w.must(err)
	a := &answer{t: t, raw: raw, what: path}
	a.is(w.base, "base_url").is(w.base+"/graphql", "graphql_url").is(w.actions, "tokens", "actions").is(w.dev, "tokens", "dev")
	if w.s.TokenNamed("dev") != w.dev || w.s.URL() != w.base {
		t.Error("TokenNamed and URL do not agree with the ready file")
	}
}

func TestCloseIsQuick(t *testing.T) {
	w := newWorld(t)
	w.s.SetFaults(Fault{Kind: FaultDelay, Delay: Duration(time.Hour)})
	gone := make(chan error, 1)
	go func() {
		_, err := http.Get(w.base + repoPath)
		gone <- err
	}()
	for w.s.plan.count() == 0 {
		runtime.Gosched() // until the request is being delayed
	}
	start := time.Now()
	w.must(w.s.Close())
	w.must(w.s.Close())
	if took := time.Since(start); took > time.Second {
		t.Errorf("have Close after %v, want at most 1s", took)
	}
	if err := <-gone; err == nil {
		t.Error("have an answer from a closed server")
	}
}

// count is how many requests the plan has seen.
func (p *plan) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

package fakegithub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time source that moves only when told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// counter stands in for crypto/rand, so that tokens are the same each time.
type counter struct{ n byte }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		c.n++
		p[i] = c.n
	}
	return len(p), nil
}

// world is a started server with a repository acme/app, its people and tokens.
type world struct {
	t     *testing.T
	s     *Server
	root  string
	base  string
	clock *clock
	check *contract // nil where the exchange is not held against OpenAPI

	owner, dev, triager, reader, stranger, actions, app string
}

const repoPath = "/repos/acme/app"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir(), clock: newClock(), check: loadContract(t)}
	w.open(Options{})
	w.must(w.s.AddRepository(Repository{Owner: "acme", Name: "app", From: seedDir(t)}))
	for login, role := range map[string]string{"dev": "write", "helper": "triage", "guest": "read"} {
		w.must(w.s.AddUser(User{Login: login, ID: map[string]int64{"dev": 501, "helper": 502, "guest": 503}[login]}))
		w.must(w.s.SetPermission("acme/app", login, role))
	}
	w.must(w.s.AddUser(User{Login: "stranger", ID: 504}))
	w.owner = w.mint(Token{Kind: KindUser, Login: "acme"})
	w.dev = w.mint(Token{Kind: KindUser, Login: "dev"})
	w.triager = w.mint(Token{Kind: KindUser, Login: "helper"})
	w.reader = w.mint(Token{Kind: KindUser, Login: "guest"})
	w.stranger = w.mint(Token{Kind: KindUser, Login: "stranger"})
	w.actions = w.mint(Token{Kind: KindActions, Repo: "acme/app"})
	w.app = w.mint(Token{Kind: KindApp, Login: "seedbed[bot]"})
	return w
}

// open starts a server on the world's directory.
func (w *world) open(opt Options) {
	w.t.Helper()
	opt.Root, opt.Now, opt.Rand = w.root, w.clock.now, &counter{}
	s, err := Open(opt)
	w.must(err)
	w.s = s
	w.base, err = s.Start("127.0.0.1:0")
	w.must(err)
	w.t.Cleanup(func() { s.Close() })
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) mint(tok Token) string {
	w.t.Helper()
	value, err := w.s.MintToken(tok)
	w.must(err)
	return value
}

// seedDir is a small project to start from.
func seedDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"README.md":                  "# app\n",
		"main.go":                    "package main\n\nfunc main() {\n\tprintln(1)\n}\n",
		"docs/guide.md":              "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n",
		".github/workflows/ci.yml":   "name: CI\non:\n  push:\n  workflow_dispatch:\n",
		".github/workflows/push.yml": "name: Push only\non: push\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	raw    []byte
	what   string
}

// do sends one request. body may be nil, a string sent as it is, or a value sent as JSON.
func (w *world) do(token, method, path string, body any, header ...string) *answer {
	w.t.Helper()
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	default:
		var err error
		data, err = json.Marshal(b)
		w.must(err)
	}
	req, err := http.NewRequest(method, w.base+path, bytes.NewReader(data))
	w.must(err)
	if data != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	w.must(err)
	if w.check != nil {
		w.check.exchange(w.t, req, data, res, raw)
	}
	return &answer{w.t, res.StatusCode, res.Header, raw, method + " " + path}
}

// want fails unless the status is the one wanted.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: have status %d, want %d: %s", a.what, a.status, status, a.raw)
	}
	return a
}

// saying fails unless the body contains a text.
func (a *answer) saying(text string) *answer {
	a.t.Helper()
	if !strings.Contains(strings.ReplaceAll(string(a.raw), `\"`, `"`), text) {
		a.t.Fatalf("%s: have body %s, want it to contain %q", a.what, a.raw, text)
	}
	return a
}

// get follows a path of keys and indexes into the JSON body.
func (a *answer) get(path ...any) any {
	a.t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(a.raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		a.t.Fatalf("%s: reading %s: %v", a.what, a.raw, err)
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, isObject := v.(map[string]any)
			if !isObject {
				a.t.Fatalf("%s: no object at %v in %s", a.what, path, a.raw)
			}
			v = o[p]
		case int:
			l, isList := v.([]any)
			if !isList || p >= len(l) {
				a.t.Fatalf("%s: no list entry at %v in %s", a.what, path, a.raw)
			}
			v = l[p]
		}
	}
	return v
}

func (a *answer) str(path ...any) string {
	a.t.Helper()
	s, _ := a.get(path...).(string)
	return s
}

func (a *answer) num(path ...any) int64 {
	a.t.Helper()
	n, _ := a.get(path...).(json.Number)
	i, _ := n.Int64()
	return i
}

func (a *answer) length(path ...any) int {
	a.t.Helper()
	l, isList := a.get(path...).([]any)
	if !isList {
		a.t.Fatalf("%s: no list at %v in %s", a.what, path, a.raw)
	}
	return len(l)
}

// is fails unless the value at the path prints as wanted.
func (a *answer) is(want any, path ...any) *answer {
	a.t.Helper()
	if have := a.get(path...); fmt.Sprint(have) != fmt.Sprint(want) {
		a.t.Fatalf("%s: have %v at %v, want %v", a.what, have, path, want)
	}
	return a
}

// tip is the commit a branch points at.
func (w *world) tip(branch string) string {
	w.t.Helper()
	return w.do(w.owner, "GET", repoPath+"/git/ref/heads/"+branch, nil).want(200).str("object", "sha")
}

// commitFile commits one file's text on top of a commit, by the git data API.
func (w *world) commitFile(token, parent, path, text, message string) string {
	w.t.Helper()
	tree := w.do(token, "POST", repoPath+"/git/trees", obj{"base_tree": parent, "tree": []any{obj{"path": path, "mode": "100644", "type": "blob", "content": text}}}).want(201).str("sha")
	return w.do(token, "POST", repoPath+"/git/commits", obj{"message": message, "tree": tree, "parents": []any{parent}}).want(201).str("sha")
}

// branch makes a branch with one commit that writes a file.
func (w *world) branch(token, name, path, text string) string {
	w.t.Helper()
	sha := w.commitFile(token, w.tip("main"), path, text, "change "+path)
	w.do(token, "POST", repoPath+"/git/refs", obj{"ref": "refs/heads/" + name, "sha": sha}).want(201)
	return sha
}

// pull opens a pull request from a new branch that writes a file, and gives its number.
func (w *world) pull(token, name, path, text string) int64 {
	w.t.Helper()
	w.branch(token, name, path, text)
	return w.do(token, "POST", repoPath+"/pulls", obj{"title": "Change " + path, "head": name, "base": "main", "body": "why"}).want(201).num("number")
}

// issue opens an issue and gives its number.
func (w *world) issue(token, title string) int64 {
	w.t.Helper()
	return w.do(token, "POST", repoPath+"/issues", obj{"title": title, "body": "words"}).want(201).num("number")
}

// events lists the event files, with their folder when suppressed.
func (w *world) events() []string {
	w.t.Helper()
	var out []string
	for _, dir := range []string{"", "suppressed/"} {
		entries, err := os.ReadDir(filepath.Join(w.root, "events", dir))
		w.must(err)
		for _, e := range entries {
			if !e.IsDir() {
				out = append(out, dir+e.Name())
			}
		}
	}
	return out
}

// event reads the last event file whose name has the suffix.
func (w *world) event(suffix string) *answer {
	w.t.Helper()
	for _, name := range reversed(w.events()) {
		if strings.HasSuffix(name, suffix+".json") {
			raw, err := os.ReadFile(filepath.Join(w.root, "events", name))
			w.must(err)
			return &answer{t: w.t, raw: raw, what: name}
		}
	}
	w.t.Fatalf("no event %s in %v", suffix, w.events())
	return nil
}

func reversed(list []string) []string {
	out := append([]string{}, list...)
	reverse(out)
	return out
}

// git runs the user's git in a directory, without anyone's configuration.
func (w *world) git(dir string, args ...string) (string, error) {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(gitEnv(), "GIT_AUTHOR_NAME=Dev", "GIT_AUTHOR_EMAIL=501+dev@users.noreply.github.com", "GIT_COMMITTER_NAME=Dev", "GIT_COMMITTER_EMAIL=501+dev@users.noreply.github.com")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) mustGit(dir string, args ...string) string {
	w.t.Helper()
	out, err := w.git(dir, args...)
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

// cloneURL is the repository's address with a token in it.
func (w *world) cloneURL(token string) string {
	return strings.Replace(w.base, "http://", "http://x-access-token:"+token+"@", 1) + "/acme/app.git"
}

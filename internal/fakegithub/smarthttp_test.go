package fakegithub

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// clone gives a work tree of acme/app.
func (w *world) clone(token string) string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "work")
	w.mustGit(".", "clone", "-q", w.cloneURL(token), dir)
	return dir
}

// commit writes a file and commits it.
func (w *world) commit(dir, name string, data []byte) string {
	w.t.Helper()
	path := filepath.Join(dir, name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o755))
	w.must(os.WriteFile(path, data, 0o644))
	w.mustGit(dir, "add", "-A")
	w.mustGit(dir, "commit", "-q", "-m", "write "+name)
	return strings.TrimSpace(w.mustGit(dir, "rev-parse", "HEAD"))
}

// noise is data that does not compress, so that a pack of it is as large.
func noise(n int) []byte {
	var out bytes.Buffer
	sum := sha256.Sum256([]byte("noise"))
	for out.Len() < n {
		out.Write(sum[:])
		sum = sha256.Sum256(sum[:])
	}
	return out.Bytes()
}

// Clone, push and fetch with the git people have; the push moves the pull request.
func TestCloneAndPush(t *testing.T) {
	w := newWorld(t)
	dir := w.clone(w.dev)
	w.mustGit(dir, "checkout", "-q", "-b", "feature")
	w.commit(dir, "new.txt", []byte("new\n"))
	w.mustGit(dir, "push", "-q", "origin", "feature")
	n := w.do(w.dev, "POST", pulls(""), obj{"title": "P", "head": "feature", "base": "main"}).want(201).num("number")
	head := w.commit(dir, "big.bin", noise(3<<20)) // chunked: larger than git's http.postBuffer
	w.mustGit(dir, "push", "-q", "origin", "feature")
	w.do(w.dev, "GET", pulls("/%d", n), nil).want(200).is(head, "head", "sha").is(2, "commits")
	w.event("pull_request-synchronize").is("dev", "sender", "login").is(head, "after")
	push := w.event("push").is("refs/heads/feature", "ref").is(head, "after").is(head, "head_commit", "id").is("big.bin", "commits", 0, "added", 0).is("dev", "pusher", "name")
	push.is(false, "forced").is("dev", "commits", 0, "author", "username")
	other := w.clone(w.reader)
	w.mustGit(other, "fetch", "-q", "origin", "refs/pull/1/head:pr")
	w.mustGit(other, "fetch", "-q", "--depth=1", "origin", head) // by commit, as a checkout in a job does
	if have := strings.TrimSpace(w.mustGit(other, "rev-parse", "pr")); have != head {
		t.Errorf("have refs/pull/1/head at %s, want %s", have, head)
	}
	w.mustGit(dir, "push", "-q", "origin", "HEAD:refs/seedbed/leases/1")
	w.mustGit(dir, "push", "-q", "origin", ":refs/seedbed/leases/1")
	w.mustGit(dir, "tag", "v1")
	w.mustGit(dir, "push", "-q", "origin", "v1")
	w.event("create").is("tag", "ref_type").is("v1", "ref")
	w.mustGit(dir, "commit", "-q", "--amend", "-m", "again")
	if out, err := w.git(dir, "push", "origin", "feature"); err == nil {
		t.Errorf("have a push that is no fast-forward taken: %s", out)
	}
	w.mustGit(dir, "push", "-q", "-f", "origin", "feature")
	w.event("push").is(true, "forced")
	w.mustGit(dir, "push", "-q", "origin", ":feature")
	w.do(w.dev, "GET", pulls("/%d", n), nil).want(200).is("closed", "state")
}

// The base moved by a push that contains the head: merged, as GitHub marks it.
func TestPushMerges(t *testing.T) {
	w := newWorld(t)
	dir := w.clone(w.dev)
	w.issue(w.dev, "One")
	w.commit(dir, "a.txt", []byte("a\n"))
	w.mustGit(dir, "push", "-q", "origin", "HEAD:refs/heads/feature")
	w.do(w.dev, "POST", pulls(""), obj{"title": "P", "head": "feature", "base": "main", "body": "closes #1"}).want(201)
	w.mustGit(dir, "push", "-q", "origin", "HEAD:main")
	w.do(w.dev, "GET", pulls("/2"), nil).want(200).is(true, "merged").is("dev", "merged_by", "login")
	w.do(w.dev, "GET", repoPath+"/issues/1", nil).want(200).is("closed", "state")
}

func TestPushRefusals(t *testing.T) {
	w := newWorld(t)
	w.must(w.s.Protect("acme/app", "main", Protection{Reviews: 1}))
	read := w.mint(Token{Name: "read", Kind: KindActions, Permissions: map[string]string{"contents": "read"}})
	issues := w.mint(Token{Name: "issues", Kind: KindActions, Permissions: map[string]string{"issues": "write"}})
	dir := w.clone(w.dev)
	w.commit(dir, "a.txt", []byte("a\n"))
	push := func(token, spec string) (string, error) { return w.git(dir, "push", w.cloneURL(token), spec) }
	cases := []struct{ name, token, spec, want string }{
		{"read token", read, "HEAD:refs/heads/x", "403"},
		{"reader", w.reader, "HEAD:refs/heads/x", "403"},
		{"wrong token", "ghs_wrong", "HEAD:refs/heads/x", "Authentication failed"},
		{"protected branch", w.dev, "HEAD:refs/heads/main", "protected branch hook declined"},
		{"hidden ref", w.dev, "HEAD:refs/pull/1/head", "hidden ref"},
		{"default branch deleted", w.owner, ":refs/heads/main", "refusing to delete the current branch"},
	}
	for _, c := range cases {
		out, err := push(c.token, c.spec)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: have %v: %s, want it refused with %q", c.name, err, out, c.want)
		}
	}
	w.must(w.s.AddRepository(Repository{Owner: "acme", Name: "secret", Private: true}))
	secret := func(token string) string { return strings.Replace(w.cloneURL(token), "acme/app", "acme/secret", 1) }
	if out, err := w.git(".", "ls-remote", secret(w.stranger)); err == nil || !strings.Contains(out, "not found") {
		t.Errorf("have a private repository told to a stranger: %v %s", err, out)
	}
	w.mustGit(".", "ls-remote", secret(w.owner))
	// Of a public repository git never shows its token: it is not asked to.
	if out, err := w.git(".", "ls-remote", secret(issues)); err == nil || !strings.Contains(out, "403") {
		t.Errorf("have a fetch without contents permission: %v %s", err, out)
	}
	w.mustGit(".", "ls-remote", w.base+"/acme/app") // public, anonymous, without .git
	if _, err := push(w.owner, "HEAD:refs/heads/main"); err != nil {
		t.Errorf("have an admin refused where admins are not bound: %v", err)
	}
}

// What a repository is made from: nothing, a folder, a work tree, a bare repository.
func TestRepositorySources(t *testing.T) {
	w := newWorld(t)
	dir := w.clone(w.dev)
	w.mustGit(dir, "checkout", "-q", "-b", "trunk")
	head := w.commit(dir, "t.txt", []byte("t\n"))
	w.must(os.WriteFile(filepath.Join(dir, ".git", "hooks", "post-update"), []byte("#!/bin/sh\ntouch "+filepath.Join(w.root, "hooked")+"\n"), 0o755))
	detached := w.clone(w.dev)
	w.mustGit(detached, "checkout", "-q", "--detach")
	cases := []struct {
		name, from, branch string
		want               string // head of the default branch, "" for none
	}{
		{"work-tree", dir, "trunk", head},
		{"bare", filepath.Join(w.root, "acme", "app.git"), "main", w.tip("main")},
		{"empty", "", "main", ""},
	}
	for _, c := range cases {
		w.must(w.s.AddRepository(Repository{Owner: "acme", Name: c.name, From: c.from}))
		r := w.do(w.owner, "GET", "/repos/acme/"+c.name, nil).want(200).is(c.branch, "default_branch")
		if have := w.s.dir(w.s.st.Repos["acme/"+c.name]).resolve("refs/heads/" + r.str("default_branch")); have != c.want {
			t.Errorf("%s: have head %q, want %q", c.name, have, c.want)
		}
	}
	w.must(w.s.AddRepository(Repository{Owner: "acme", Name: "detached", From: detached, DefaultBranch: "dev"}))
	w.do(w.owner, "GET", "/repos/acme/detached/contents/README.md", nil).want(200)
	w.do(w.owner, "GET", "/repos/acme/empty/commits", nil).want(409).saying("empty")
	w.do(w.owner, "PUT", "/repos/acme/empty/contents/first", obj{"message": "first", "content": "eA=="}).want(201)
	if _, err := os.Stat(filepath.Join(w.root, "hooked")); err == nil {
		t.Error("have a hook of the source run")
	}
	for _, bad := range []Repository{{Owner: "..", Name: "x"}, {Owner: "a", Name: ".."}, {Owner: "a", Name: "x.git"}, {Owner: "a", Name: "x/y"}, {Owner: "a", Name: "x", From: filepath.Join(w.root, "nowhere")}} {
		if err := w.s.AddRepository(bad); err == nil {
			t.Errorf("AddRepository(%+v): have no error", bad)
		}
	}
}

// Set-up mistakes are named.
func TestSetupErrors(t *testing.T) {
	w := newWorld(t)
	cases := []struct {
		name string
		err  error
		want string
	}{
		{"bad login", w.s.AddUser(User{Login: "a b"}), "not a login"},
		{"taken id", w.s.AddUser(User{Login: "new", ID: 501}), "belongs to dev"},
		{"bad role", w.s.SetPermission("acme/app", "dev", "king"), "unknown role"},
		{"no user", w.s.SetPermission("acme/app", "nobody", "read"), "no such user"},
		{"no repository", w.s.Protect("acme/none", "main", Protection{}), "no repository acme/none"},
	}
	for _, tok := range []struct {
		tok  Token
		want string
	}{
		{Token{Kind: KindUser, Login: "nobody"}, "no user"},
		{Token{Kind: KindApp, Login: "dev"}, "[bot]"},
		{Token{Kind: "else"}, "unknown kind"},
		{Token{Kind: KindActions, Repo: "acme/none"}, "no repository"},
		{Token{Kind: KindActions, Permissions: map[string]string{"contents": "all"}}, "unknown level"},
	} {
		_, err := w.s.MintToken(tok.tok)
		cases = append(cases, struct {
			name string
			err  error
			want string
		}{tok.want, err, tok.want})
	}
	_, err := w.s.SetRun("acme/app", Run{})
	cases = append(cases, struct {
		name string
		err  error
		want string
	}{"run", err, "head commit"})
	for _, c := range cases {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: have error %v, want it to say %q", c.name, c.err, c.want)
		}
	}
	if _, err := Open(Options{}); err == nil {
		t.Error("Open without a root: have no error")
	}
	if _, err := Open(Options{Root: t.TempDir(), Git: "no-such-git"}); err == nil {
		t.Error("Open without git: have no error")
	}
}

package fakegithub

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"
)

func TestRefs(t *testing.T) {
	w := newWorld(t)
	main := w.tip("main")
	sha := w.commitFile(w.dev, main, "a.txt", "a\n", "a")
	other := w.commitFile(w.dev, main, "b.txt", "b\n", "b")
	refs := repoPath + "/git/refs"
	w.do(w.dev, "POST", refs, obj{"ref": "refs/heads/feature/x", "sha": sha}).want(201).is("refs/heads/feature/x", "ref").is("commit", "object", "type")
	w.do(w.dev, "POST", refs, obj{"ref": "refs/heads/feature/x", "sha": sha}).want(422).saying("Reference already exists")
	w.do(w.dev, "POST", refs, obj{"ref": "refs/heads/feature", "sha": sha}).want(422)
	w.do(w.dev, "POST", refs, obj{"ref": "refs/seedbed/leases/1", "sha": sha}).want(201)
	refused := []struct{ ref, sha, want string }{
		{"heads/x", sha, "must start with 'refs/'"},
		{"refs/x", sha, "at least one other slash"},
		{"refs/heads/a..b", sha, "not a valid ref name"},
		{"refs/heads/a b", sha, "not a valid ref name"},
		{"refs/heads/-x^", sha, "not a valid ref name"},
		{"refs/pull/1/head", sha, "not a valid ref name"},
		{"refs/heads/x", "1234", "40 characters"},
		{"refs/heads/x", strings.Repeat("1", 40), "Object does not exist"},
		{"refs/heads/x", emptyTreeIn(w), "Object is not a commit"},
		{"", "", "missing_field"},
	}
	for _, c := range refused {
		w.do(w.dev, "POST", refs, obj{"ref": c.ref, "sha": c.sha}).want(422).saying(c.want)
	}
	w.do(w.dev, "GET", repoPath+"/git/ref/heads/feature/x", nil).want(200).is(sha, "object", "sha")
	w.do(w.dev, "GET", repoPath+"/git/ref/heads/feature", nil).want(404)
	w.do(w.dev, "GET", repoPath+"/git/ref/heads/main~1", nil).want(404)
	w.do(w.dev, "GET", repoPath+"/git/matching-refs/heads/fea", nil).want(200).is("refs/heads/feature/x", 0, "ref")
	w.do(w.dev, "GET", repoPath+"/git/matching-refs/seedbed/leases/", nil).want(200).is("refs/seedbed/leases/1", 0, "ref")
	w.do(w.dev, "GET", repoPath+"/git/matching-refs/seedbed/none", nil).want(200).is("[]")
	w.do(w.dev, "PATCH", refs+"/heads/feature/x", obj{"sha": other}).want(422).saying("Update is not a fast forward")
	w.do(w.dev, "PATCH", refs+"/heads/feature/x", obj{"sha": other, "force": true}).want(200).is(other, "object", "sha")
	w.do(w.dev, "PATCH", refs+"/heads/none", obj{"sha": other}).want(422).saying("Reference does not exist")
	w.do(w.dev, "DELETE", refs+"/heads/main", nil).want(422)
	w.do(w.dev, "DELETE", refs+"/heads/feature/x", nil).want(204)
	w.do(w.dev, "DELETE", refs+"/heads/feature/x", nil).want(422).saying("Reference does not exist")
	w.event("push").is(true, "deleted")
	if err := w.s.Configure("acme/app", Settings{RefuseCustomRefs: true}); err != nil {
		t.Fatal(err)
	}
	w.do(w.dev, "POST", refs, obj{"ref": "refs/seedbed/leases/2", "sha": sha}).want(422)
}

func emptyTreeIn(w *world) string {
	return w.do(w.dev, "GET", repoPath+"/git/commits/"+w.tip("main"), nil).want(200).str("tree", "sha")
}

// Creating a ref is how a lease is taken: of two at once exactly one wins.
func TestOneOfTwoTakesTheRef(t *testing.T) {
	w := newWorld(t)
	w.check = nil
	sha := w.tip("main")
	var wg sync.WaitGroup
	status := make([]int, 8)
	for i := range status {
		wg.Add(1)
		go func() {
			defer wg.Done()
			status[i] = w.do(w.actions, "POST", repoPath+"/git/refs", obj{"ref": "refs/seedbed/leases/7", "sha": sha}).status
		}()
	}
	wg.Wait()
	count := map[int]int{}
	for _, s := range status {
		count[s]++
	}
	if count[201] != 1 || count[422] != len(status)-1 {
		t.Errorf("have statuses %v, want one 201 and %d 422", count, len(status)-1)
	}
}

func TestBlobsTreesCommits(t *testing.T) {
	w := newWorld(t)
	main := w.tip("main")
	blob := w.do(w.dev, "POST", repoPath+"/git/blobs", obj{"content": "AAEC/w==", "encoding": "base64"}).want(201).str("sha")
	w.do(w.dev, "GET", repoPath+"/git/blobs/"+blob, nil).want(200).is(4, "size").is("AAEC/w==\n", "content")
	w.do(w.dev, "POST", repoPath+"/git/blobs", obj{"content": "%%", "encoding": "base64"}).want(422)
	w.do(w.dev, "GET", repoPath+"/git/blobs/"+strings.Repeat("1", 40), nil).want(404)

	entry := func(path string, more obj) obj {
		return withFields(obj{"path": path, "mode": "100644", "type": "blob"}, more)
	}
	text := func(path string) obj { return entry(path, obj{"content": "x\n"}) }
	tree := w.do(w.dev, "POST", repoPath+"/git/trees", obj{"base_tree": main, "tree": []any{
		text("new/deep/file.txt"), entry("bin", obj{"sha": blob, "mode": "100755"}), entry("docs/guide.md", obj{"sha": nil}),
	}}).want(201).str("sha")
	whole := w.do(w.dev, "GET", repoPath+"/git/trees/"+tree+"?recursive=1", nil).want(200).is(false, "truncated")
	var paths []string
	for i := 0; i < whole.length("tree"); i++ {
		paths = append(paths, whole.str("tree", i, "mode")+" "+whole.str("tree", i, "path"))
	}
	have, want := strings.Join(paths, ", "), "040000 .github, 040000 .github/workflows, 100644 .github/workflows/ci.yml, 100644 .github/workflows/push.yml, 100644 README.md, 100755 bin, 100644 main.go, 040000 new, 040000 new/deep, 100644 new/deep/file.txt"
	if have != want {
		t.Errorf("have tree %s\nwant %s", have, want)
	}
	// A directory taken away whole, and a tree put in its place.
	sub := w.do(w.dev, "POST", repoPath+"/git/trees", obj{"tree": []any{text("only")}}).want(201).str("sha")
	w.do(w.dev, "POST", repoPath+"/git/trees", obj{"base_tree": tree, "tree": []any{entry("new", obj{"mode": "040000", "type": "tree", "sha": sub})}}).want(201)
	w.do(w.dev, "POST", repoPath+"/git/trees", obj{"base_tree": tree, "tree": []any{entry("new", obj{"mode": "040000", "type": "tree", "sha": nil})}}).want(201)

	refused := []struct {
		name  string
		entry obj
		want  string
	}{
		{"escape", text("../x"), "malformed path"},
		{"absolute", text("/x"), "malformed path"},
		{"empty component", text("a//b"), "malformed path"},
		{"git directory", text("a/.GIT/config"), "malformed path"},
		{"bad mode", entry("x", obj{"mode": "100600", "content": "x"}), "tree.mode"},
		{"both", entry("x", obj{"content": "x", "sha": blob}), "either tree.sha or tree.content"},
		{"neither", entry("x", nil), "either tree.sha or tree.content"},
		{"no such blob", entry("x", obj{"sha": strings.Repeat("2", 40)}), "not a valid blob"},
		{"deleting nothing", entry("x", obj{"sha": nil}), "BadObjectState"},
	}
	for _, c := range refused {
		w.do(w.dev, "POST", repoPath+"/git/trees", obj{"base_tree": main, "tree": []any{c.entry}}).want(422).saying(c.want)
	}
	w.do(w.dev, "POST", repoPath+"/git/trees", obj{"base_tree": strings.Repeat("3", 40), "tree": []any{text("x")}}).want(404)
	w.do(w.dev, "GET", repoPath+"/git/trees/main", nil).want(200)
	w.do(w.dev, "GET", repoPath+"/git/trees/nowhere", nil).want(404)

	commits := repoPath + "/git/commits"
	mine := w.do(w.dev, "POST", commits, obj{"message": "by dev\n\nbody", "tree": tree, "parents": []any{main}}).want(201)
	mine.is("by dev\n\nbody", "message").is("501+dev@users.noreply.github.com", "committer", "email").is(false, "verification", "verified").is("2026-03-01T09:00:00Z", "author", "date")
	bot := w.do(w.actions, "POST", commits, obj{"message": "by bot", "tree": tree, "parents": []any{main}}).want(201)
	bot.is("github-actions[bot]", "author", "name").is("GitHub", "committer", "name").is(true, "verification", "verified")
	w.do(w.actions, "POST", commits, obj{"message": "m", "tree": tree, "parents": []any{}, "author": obj{"name": "A", "email": "a@b.c", "date": "2020-01-02T03:04:05Z"}}).want(201).
		is("2020-01-02T03:04:05Z", "committer", "date").is(false, "verification", "verified")
	w.do(w.dev, "POST", commits, obj{"message": "m", "tree": main}).want(422).saying("Tree SHA")
	w.do(w.dev, "POST", commits, obj{"message": "m", "tree": tree, "parents": []any{tree}}).want(422).saying("Parent SHA")
	w.do(w.dev, "POST", commits, obj{"tree": tree}).want(422)
	w.do(w.dev, "POST", commits, obj{"message": "m", "tree": tree, "author": obj{"name": "A\nB", "email": "a@b.c"}}).want(422)
	w.do(w.dev, "GET", commits+"/"+mine.str("sha"), nil).want(200).is(main, "parents", 0, "sha")
	w.do(w.dev, "GET", commits+"/"+tree, nil).want(404)
	tag := w.do(w.dev, "POST", repoPath+"/git/tags", obj{"tag": "v1", "message": "one", "object": main, "type": "commit"}).want(201).str("sha")
	w.do(w.dev, "GET", repoPath+"/git/tags/"+tag, nil).want(200).is("v1", "tag").is(main, "object", "sha")
	w.do(w.dev, "POST", repoPath+"/git/refs", obj{"ref": "refs/tags/v1", "sha": tag}).want(201).is("tag", "object", "type")
	w.do(w.dev, "GET", repoPath+"/commits/v1", nil).want(200).is(main, "sha")
}

func TestContents(t *testing.T) {
	w := newWorld(t)
	at := repoPath + "/contents/AUTOGEN_LOG.md"
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	first := w.do(w.actions, "PUT", at, obj{"message": "log", "content": b64("one\n")}).want(201)
	old := first.str("content", "sha")
	first.is("AUTOGEN_LOG.md", "content", "path").is("log", "commit", "message")
	w.do(w.actions, "PUT", at, obj{"message": "log", "content": b64("two\n")}).want(422).saying("sha")
	next := w.do(w.actions, "PUT", at, obj{"message": "log", "content": b64("two\n"), "sha": old, "branch": "main"}).want(200).str("content", "sha")
	w.do(w.actions, "PUT", at, obj{"message": "log", "content": b64("three\n"), "sha": old}).want(409).saying("does not match")
	w.do(w.actions, "PUT", at, obj{"message": "log", "content": "%"}).want(422)
	w.do(w.actions, "PUT", at, obj{"message": "log", "content": b64("x"), "branch": "none"}).want(404)
	w.do(w.actions, "PUT", repoPath+"/contents/a/../b", obj{"message": "log", "content": b64("x")}).want(422)
	w.do(w.dev, "GET", at, nil).want(200).is("dHdvCg==\n", "content").is("file", "type")
	if have := string(w.do(w.dev, "GET", at, nil, "Accept", "application/vnd.github.raw+json").want(200).raw); have != "two\n" {
		t.Errorf("have raw content %q, want %q", have, "two\n")
	}
	w.do(w.dev, "GET", repoPath+"/contents/docs", nil).want(200).is("docs/guide.md", 0, "path")
	w.do(w.dev, "GET", repoPath+"/contents/docs/none", nil).want(404)
	w.do(w.dev, "GET", at+"?ref=none", nil).want(404).saying("No commit found")
	w.do(w.actions, "DELETE", at, obj{"message": "gone", "sha": old}).want(409)
	w.do(w.actions, "DELETE", at, obj{"message": "gone", "sha": next}).want(200).is(nil, "content")
	w.do(w.dev, "GET", at, nil).want(404)
	big := b64(strings.Repeat("0123456789abcdef", contentLimit/16+1))
	w.do(w.dev, "PUT", repoPath+"/contents/big", obj{"message": "big", "content": big}).want(201)
	w.do(w.dev, "GET", repoPath+"/contents/big", nil).want(200).is("none", "encoding").is("", "content")
}

func TestCompareAndCommits(t *testing.T) {
	w := newWorld(t)
	main := w.tip("main")
	sha := w.branch(w.dev, "feat/a", "docs/guide.md", "one\nTWO\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n")
	w.do(w.dev, "PUT", repoPath+"/contents/side", obj{"message": "side", "content": "eA=="}).want(201)
	d := w.do(w.dev, "GET", repoPath+"/compare/main...feat/a", nil).want(200)
	d.is("diverged", "status").is(1, "ahead_by").is(1, "behind_by").is(main, "merge_base_commit", "sha").is("docs/guide.md", "files", 0, "filename").is(1, "files", 0, "additions").is("modified", "files", 0, "status")
	if have, want := d.str("files", 0, "patch"), "@@ -1,5 +1,5 @@\n one\n-two\n+TWO\n three\n four\n five"; have != want {
		t.Errorf("have patch %q, want %q", have, want)
	}
	w.do(w.dev, "GET", repoPath+"/compare/"+main+"..."+sha, nil).want(200).is("ahead", "status")
	w.do(w.dev, "GET", repoPath+"/compare/"+sha+"..."+main, nil).want(200).is("behind", "status").is(0, "total_commits")
	w.do(w.dev, "GET", repoPath+"/compare/main...main", nil).want(200).is("identical", "status")
	w.do(w.dev, "GET", repoPath+"/compare/main...none", nil).want(404)
	w.do(w.dev, "GET", repoPath+"/compare/main", nil).want(404)
	raw := w.do(w.dev, "GET", repoPath+"/compare/main...feat/a", nil, "Accept", "application/vnd.github.diff")
	raw.want(200).saying("diff --git a/docs/guide.md b/docs/guide.md")
	w.do(w.dev, "GET", repoPath+"/commits?sha=feat/a", nil).want(200).is(sha, 0, "sha").is("dev", 0, "author", "login")
	w.do(w.dev, "GET", repoPath+"/commits?path=docs/guide.md&sha=feat/a", nil).want(200).is(sha, 0, "sha")
	w.do(w.dev, "GET", repoPath+"/commits/"+sha, nil).want(200).is(2, "stats", "total").is("docs/guide.md", "files", 0, "filename")
	w.do(w.dev, "GET", repoPath+"/commits/feat%2Fa", nil).want(200).is(sha, "sha")
	w.do(w.dev, "GET", repoPath+"/commits/none", nil).want(422)
	w.do(w.dev, "GET", repoPath+"/branches", nil).want(200).is("feat/a", 0, "name")
	w.do(w.dev, "GET", repoPath+"/branches/feat/a", nil).want(200).is(sha, "commit", "sha").is(false, "protected")
	w.do(w.dev, "GET", repoPath+"/branches/none", nil).want(404)
}

// Renames, deletions, binary files, mode changes, and names git would quote.
func TestDiffKinds(t *testing.T) {
	w := newWorld(t)
	main := w.tip("main")
	guide := w.do(w.dev, "GET", repoPath+"/contents/docs/guide.md", nil).str("sha")
	readme := w.do(w.dev, "GET", repoPath+"/contents/README.md", nil).str("sha")
	bin := w.do(w.dev, "POST", repoPath+"/git/blobs", obj{"content": "AAEC/w==", "encoding": "base64"}).str("sha")
	one := func(path, mode string, sha any) obj {
		return obj{"path": path, "mode": mode, "type": "blob", "sha": sha}
	}
	tree := w.do(w.dev, "POST", repoPath+"/git/trees", obj{"base_tree": main, "tree": []any{
		one("docs/guide.md", "100644", nil), one("docs/läse mich.md", "100644", guide), one("README.md", "100755", readme), one("data.bin", "100644", bin), one("main.go", "100644", nil),
	}}).want(201).str("sha")
	sha := w.do(w.dev, "POST", repoPath+"/git/commits", obj{"message": "m", "tree": tree, "parents": []any{main}}).str("sha")
	d := w.do(w.dev, "GET", repoPath+"/compare/"+main+"..."+sha, nil).want(200)
	have := map[string]string{}
	for i := 0; i < d.length("files"); i++ {
		have[d.str("files", i, "filename")] = d.str("files", i, "status") + " " + d.str("files", i, "previous_filename") + " " + strings.SplitN(d.str("files", i, "patch"), "\n", 2)[0]
	}
	want := map[string]string{"docs/läse mich.md": "renamed docs/guide.md ", "README.md": "changed  ", "data.bin": "added  ", "main.go": "removed  @@ -1,5 +0,0 @@"}
	for path, line := range want {
		if have[path] != line {
			t.Errorf("%s: have %q, want %q", path, have[path], line)
		}
	}
}

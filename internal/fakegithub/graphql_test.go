package fakegithub

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	queryrules "github.com/vektah/gqlparser/v2/validator/rules"
)

// graph sends one document.
func (w *world) graph(token, document string, variables obj) *answer {
	w.t.Helper()
	return w.do(token, "POST", "/graphql", obj{"query": document, "variables": variables}).want(200)
}

func document(name string) string {
	o, _ := operation(name)
	return o.Document
}

func TestIssueEdits(t *testing.T) {
	w := newWorld(t)
	w.issue(w.dev, "One")
	vars := obj{"owner": "acme", "name": "app", "number": 1}
	at := []any{"data", "repository", "issueOrPullRequest"}
	in := func(path ...any) []any { return append(append([]any{}, at...), path...) }
	fresh := w.graph(w.actions, document("IssueEdits"), vars)
	fresh.is("Issue", in("__typename")...).is(nil, in("lastEditedAt")...).is(0, in("userContentEdits", "totalCount")...)
	w.clock.add(time.Minute)
	w.do(w.dev, "PATCH", repoPath+"/issues/1", obj{"title": "Two"}).want(200)
	w.graph(w.actions, document("IssueEdits"), vars).is(nil, in("lastEditedAt")...).is("One", in("timelineItems", "nodes", 0, "previousTitle")...).is("dev", in("timelineItems", "nodes", 0, "actor", "login")...)
	w.clock.add(time.Minute)
	w.do(w.owner, "PATCH", repoPath+"/issues/1", obj{"body": "other words"}).want(200)
	edited := w.graph(w.actions, document("IssueEdits"), vars)
	edited.is("2026-03-01T09:02:00Z", in("lastEditedAt")...).is("acme", in("editor", "login")...).is(2, in("userContentEdits", "totalCount")...)
	edited.is("2026-03-01T09:02:00Z", in("userContentEdits", "nodes", 0, "editedAt")...)
}

func TestDraftReadyEnqueue(t *testing.T) {
	w := newWorld(t)
	w.pull(w.dev, "p", "x.txt", "x\n")
	id := obj{"id": w.do(w.dev, "GET", pulls("/1"), nil).str("node_id")}
	w.graph(w.actions, document("PullDraft"), id).is(true, "data", "convertPullRequestToDraft", "pullRequest", "isDraft")
	w.do(w.dev, "GET", pulls("/1"), nil).want(200).is("draft", "mergeable_state")
	w.do(w.dev, "PUT", pulls("/1/merge"), nil).want(405).saying("draft")
	w.graph(w.actions, document("PullReady"), id).is(false, "data", "markPullRequestReadyForReview", "pullRequest", "isDraft")
	w.graph(w.stranger, document("PullDraft"), id).is("FORBIDDEN", "errors", 0, "type")
	w.graph(w.dev, document("PullDraft"), obj{"id": "PR_1"}).is("NOT_FOUND", "errors", 0, "type")
	w.graph(w.dev, document("Enqueue"), id).saying("does not have a merge queue")
	w.must(w.s.Protect("acme/app", "main", Protection{MergeQueue: true}))
	w.do(w.dev, "PUT", pulls("/1/merge"), nil).want(405).saying("merge queue")
	w.graph(w.dev, document("Enqueue"), withFields(obj{"head": w.tip("main")}, id)).saying("Head branch was modified")
	w.graph(w.dev, document("Enqueue"), id).is("QUEUED", "data", "enqueuePullRequest", "mergeQueueEntry", "state")
	w.graph(w.dev, document("Enqueue"), id).saying("already in the queue")
	w.event("pull_request-ready_for_review")
	w.event("pull_request-converted_to_draft")
}

// The queue's own story: a group waits for its checks, is formed again when
// the base moves, merges when green, and is put out when red.
func TestMergeQueue(t *testing.T) {
	w := newWorld(t)
	w.pull(w.dev, "p", "x.txt", "x\n")
	w.pull(w.dev, "q", "y.txt", "y\n")
	w.must(w.s.Protect("acme/app", "main", Protection{MergeQueue: true, Checks: []string{"ci"}}))
	group := func() string { return w.event("merge_group-checks_requested").str("merge_group", "head_sha") }
	drain := func(want string) {
		t.Helper()
		merged, err := w.s.DrainQueue("acme/app")
		w.must(err)
		if have := fmt.Sprint(merged); have != want {
			t.Errorf("have %s merged, want %s", have, want)
		}
	}
	for n := 1; n <= 2; n++ {
		id := obj{"id": w.do(w.dev, "GET", pulls("/%d", n), nil).str("node_id")}
		w.graph(w.dev, document("Enqueue"), id).is("QUEUED", "data", "enqueuePullRequest", "mergeQueueEntry", "state").is(group(), "data", "enqueuePullRequest", "mergeQueueEntry", "headCommit", "oid")
	}
	second := group()
	drain("[]")
	first := w.do(w.dev, "GET", repoPath+"/git/matching-refs/heads/gh-readonly-queue/main/pr-1", nil).want(200).str(0, "object", "sha")
	w.do(w.dev, "PATCH", repoPath+"/git/refs/heads/gh-readonly-queue/main/pr-1-"+w.tip("main"), obj{"sha": second, "force": true}).want(422)
	w.do(w.actions, "POST", repoPath+"/check-runs", obj{"name": "ci", "head_sha": first, "conclusion": "success", "status": "completed"}).want(201)
	drain("[1]")
	w.do(w.dev, "GET", pulls("/1"), nil).want(200).is(true, "merged").is(first, "merge_commit_sha")
	again := group()
	if again == second {
		t.Error("have the second group unchanged after its base moved")
	}
	w.do(w.dev, "POST", repoPath+"/statuses/"+again, obj{"state": "failure", "context": "ci"}).want(201)
	drain("[]")
	w.event("pull_request-dequeued").is(2, "number")
	drain("[]")
	w.do(w.dev, "GET", pulls("/2"), nil).want(200).is("open", "state")
	w.do(w.dev, "GET", repoPath+"/git/matching-refs/heads/gh-readonly-queue/", nil).want(200).is("[]")
}

func TestResolveThread(t *testing.T) {
	w := newWorld(t)
	w.pull(w.dev, "p", "x.txt", "x\ny\n")
	for line := 1; line <= 2; line++ {
		w.do(w.owner, "POST", pulls("/1/reviews"), obj{"event": "COMMENT", "comments": []any{obj{"path": "x.txt", "line": line, "body": "hm"}}}).want(200)
	}
	vars := obj{"owner": "acme", "name": "app", "number": 1}
	threads := w.graph(w.actions, document("IssueEdits"), vars)
	at := func(path ...any) []any {
		return append([]any{"data", "repository", "issueOrPullRequest", "reviewThreads"}, path...)
	}
	threads.is(2, at("totalCount")...).is(false, at("nodes", 0, "isResolved")...).is("hm", at("nodes", 0, "comments", "nodes", 0, "body")...).is(2, at("nodes", 1, "line")...)
	id := threads.str(at("nodes", 0, "id")...)
	w.graph(w.reader, document("ResolveThread"), obj{"id": id}).is("FORBIDDEN", "errors", 0, "type")
	w.graph(w.dev, document("ResolveThread"), obj{"id": id}).is(true, "data", "resolveReviewThread", "thread", "isResolved").is("dev", "data", "resolveReviewThread", "thread", "resolvedBy", "login")
	w.graph(w.dev, document("ResolveThread"), obj{"id": "PRRT_1"}).is("NOT_FOUND", "errors", 0, "type")
	w.graph(w.actions, document("IssueEdits"), vars).is(true, at("nodes", 0, "isResolved")...)
	paged := `query IssueEdits($after: String) { repository(owner: "acme", name: "app") { pullRequest(number: 1) { reviewThreads(first: 1, after: $after) { nodes { line } pageInfo { hasNextPage endCursor } } } } }`
	one := w.graph(w.dev, paged, nil)
	one.is(true, "data", "repository", "pullRequest", "reviewThreads", "pageInfo", "hasNextPage")
	w.graph(w.dev, paged, obj{"after": one.str("data", "repository", "pullRequest", "reviewThreads", "pageInfo", "endCursor")}).is(2, "data", "repository", "pullRequest", "reviewThreads", "nodes", 0, "line")
}

// Only what was selected is answered, and nothing else is served.
func TestGraphQLSelection(t *testing.T) {
	w := newWorld(t)
	w.issue(w.dev, "One")
	query := func(fields string) string {
		return `query IssueEdits { repository(owner: "acme", name: "app") { issue(number: 1) { ` + fields + ` } } }`
	}
	if have, want := string(w.graph(w.dev, query("n: number ...F @skip(if: true) ... @include(if: false) { id }")+" fragment F on Issue { title }", nil).raw), `{"data":{"repository":{"issue":{"n":1}}}}`; have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	refused := []struct{ document, want string }{
		{query("nonsense"), "doesn't exist on type 'Issue'"},
		{query("author"), "must have selections"},
		{query("number { x }"), "can't be made on scalars"},
		{query("userContentEdits { totalCount }"), "first"},
		{query("userContentEdits(first: 101) { totalCount }"), "100"},
		{query("...Missing"), "not defined"},
		{`query Viewer { viewer { login } }`, "serves no operation"},
		{`query IssueEdits { viewer { login } }`, "doesn't exist on type 'Query'"},
		{`query {`, "Expected"},
		{`query IssueEdits($n: Int!) { repository(owner: "acme", name: "app") { issue(number: $n) { id } } }`, "$n"},
		{`query IssueEdits { repository(owner: "acme", name: "none") { id } }`, "NOT_FOUND"},
		{`query IssueEdits { repository(owner: "acme", name: "app") { issue(number: 9) { id } } }`, "NOT_FOUND"},
	}
	for _, c := range refused {
		w.graph(w.dev, c.document, nil).saying(c.want)
	}
	w.do("", "POST", "/graphql", obj{"query": query("id")}).want(401)
	limited := w.mint(Token{Name: "limited", Kind: KindActions, Permissions: map[string]string{"contents": "write"}})
	w.graph(limited, query("id"), nil).is("FORBIDDEN", "errors", 0, "type")
}

// The five documents are valid against GitHub's own schema.
func TestDocumentsFitGitHubsSchema(t *testing.T) {
	file := schemaFile()
	if file == "" {
		t.Skip("GitHub's GraphQL schema (npm @octokit/graphql-schema) is not there: set SEEDBED_NODE_MODULES or install it under .cache/node_modules")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: file, Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range parsed.Definitions {
		def.Fields = onceEach(def.Fields)
	}
	schema, err := validator.ValidateSchemaDocument(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(Operations()); n != 5 {
		t.Errorf("have %d operations, want five", n)
	}
	for _, o := range Operations() {
		doc, errs := gqlparser.LoadQueryWithRules(schema, o.Document, queryrules.NewDefaultRules())
		if errs != nil {
			t.Errorf("%s: %v", o.Name, errs)
			continue
		}
		if len(doc.Operations) != 1 || doc.Operations[0].Name != o.Name {
			t.Errorf("%s: its document holds %d operations, the first named %s", o.Name, len(doc.Operations), doc.Operations[0].Name)
		}
	}
}

// onceEach drops repeated fields: the published schema defines
// EnterpriseOwnerInfo.repositoryDeployKeySetting twice, which no parser takes.
func onceEach(fields ast.FieldList) ast.FieldList {
	seen := map[string]bool{}
	return filter(fields, func(f *ast.FieldDefinition) bool {
		fresh := !seen[f.Name]
		seen[f.Name] = true
		return fresh
	})
}

func schemaFile() string {
	dirs := []string{os.Getenv("SEEDBED_NODE_MODULES")}
	if root, err := repoRoot(); err == nil {
		dirs = append(dirs, filepath.Join(root, ".cache", "node_modules"))
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, "@octokit", "graphql-schema", "schema.graphql")
		if _, err := os.Stat(file); dir != "" && err == nil {
			return file
		}
	}
	return ""
}

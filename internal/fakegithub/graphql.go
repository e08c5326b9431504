package fakegithub

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Operation is one GraphQL document the server answers.
type Operation struct {
	// Name is the operation's name; requests with another are refused.
	Name string
	// Document is a document that asks for everything the server knows.
	// Callers may select less.
	Document string
	// Needs is the token permission, spelled as in X-Accepted-GitHub-Permissions.
	Needs string
}

// Operations lists the five operations, which are what GitHub offers in
// GraphQL only: when a text was edited, draft and ready, resolving a review
// thread, entering a merge queue. IssueEdits reads; on a pull request it also
// gives the review threads, whose ids ResolveThread needs.
func Operations() []Operation {
	return []Operation{
		{"IssueEdits", issueEditsDocument, issueRead},
		{"PullDraft", pullDraftDocument, "pull_requests=write"},
		{"PullReady", pullReadyDocument, "pull_requests=write"},
		{"ResolveThread", resolveThreadDocument, "pull_requests=write"},
		{"Enqueue", enqueueDocument, "pull_requests=write"},
	}
}

const issueEditsDocument = `query IssueEdits($owner: String!, $name: String!, $number: Int!, $threads: String) {
  repository(owner: $owner, name: $name) {
    issueOrPullRequest(number: $number) {
      __typename
      ... on Issue {
        id number title createdAt lastEditedAt editor { login }
        userContentEdits(first: 100) { totalCount nodes { editedAt editor { login } } }
        timelineItems(last: 100, itemTypes: [RENAMED_TITLE_EVENT]) {
          totalCount
          nodes { __typename ... on RenamedTitleEvent { createdAt previousTitle currentTitle actor { login } } }
        }
      }
      ... on PullRequest {
        id number title createdAt lastEditedAt editor { login } isDraft headRefOid
        userContentEdits(first: 100) { totalCount nodes { editedAt editor { login } } }
        reviewThreads(first: 100, after: $threads) {
          totalCount
          pageInfo { hasNextPage endCursor }
          nodes {
            id isResolved isOutdated path line startLine diffSide resolvedBy { login }
            comments(first: 100) { totalCount nodes { id databaseId body author { login } } }
          }
        }
      }
    }
  }
}`

const pullDraftDocument = `mutation PullDraft($id: ID!) {
  convertPullRequestToDraft(input: {pullRequestId: $id}) { pullRequest { id number isDraft } }
}`

const pullReadyDocument = `mutation PullReady($id: ID!) {
  markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { id number isDraft } }
}`

const resolveThreadDocument = `mutation ResolveThread($id: ID!) {
  resolveReviewThread(input: {threadId: $id}) { thread { id isResolved resolvedBy { login } } }
}`

const enqueueDocument = `mutation Enqueue($id: ID!, $head: GitObjectID) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) {
    mergeQueueEntry { id position state enqueuedAt headCommit { oid } }
  }
}`

// graphError is one entry of a GraphQL answer's "errors".
type graphError struct {
	kind    string // NOT_FOUND, FORBIDDEN, UNPROCESSABLE; empty for malformed requests
	message string
	path    []any
}

func (e *graphError) Error() string { return e.message }

// field computes one field of a GraphQL object when it is asked for.
type field func(args obj) (any, error)

// node is a GraphQL object: values and computed fields by name. __typename is
// its type; "is:NAME" marks interfaces it satisfies.
type node map[string]any

type graphRequest struct {
	Query         string
	OperationName string
	Variables     obj
}

// isMutation tells whether a GraphQL body asks for a change. What cannot be
// read cannot change anything.
func isMutation(body []byte) bool {
	var in graphRequest
	if json.Unmarshal(body, &in) != nil {
		return false
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: in.Query}, graphTokens)
	if err != nil {
		return false
	}
	for _, op := range doc.Operations {
		if op.Operation == ast.Mutation {
			return true
		}
	}
	return false
}

// graphTokens bounds what the parser takes from one request.
const graphTokens = 10000

// graphql answers one request. As on GitHub, refusals come with status 200.
func (c *call) graphql() (reply, error) {
	if c.r.Method != "POST" {
		return reply{}, errNotFound
	}
	if c.actor == nil {
		return reply{}, refuse(401, "This endpoint requires you to be authenticated.")
	}
	var in graphRequest
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: in.Query}, graphTokens)
	if err != nil {
		return graphRefusal(&graphError{message: err.Error()})
	}
	op := doc.Operations.ForName(in.OperationName)
	if op == nil {
		return graphRefusal(&graphError{message: fmt.Sprintf("No operation named %q", in.OperationName)})
	}
	known, served := operation(op.Name)
	if !served {
		return graphRefusal(&graphError{message: fmt.Sprintf("the fake GitHub serves no operation %q: want IssueEdits, PullDraft, PullReady, ResolveThread or Enqueue", op.Name)})
	}
	e := &executor{c: c, doc: doc, vars: obj{}, needs: parseNeeds(known.Needs)}
	if err := e.variables(op, in.Variables); err != nil {
		return graphRefusal(err)
	}
	root := node{"__typename": "Query", "repository": field(e.repository)}
	if op.Operation == ast.Mutation {
		root = node{"__typename": "Mutation", "convertPullRequestToDraft": field(e.draft), "markPullRequestReadyForReview": field(e.ready),
			"resolveReviewThread": field(e.resolve), "enqueuePullRequest": field(e.enqueue)}
	}
	data, err := e.selectFrom(root, op.SelectionSet, nil)
	if err != nil {
		return graphRefusal(err)
	}
	return ok(obj{"data": data})
}

func operation(name string) (Operation, bool) {
	for _, o := range Operations() {
		if o.Name == name {
			return o, true
		}
	}
	return Operation{}, false
}

func graphRefusal(err error) (reply, error) {
	one := obj{"message": err.Error()}
	if ge, known := err.(*graphError); known {
		if ge.kind != "" {
			one["type"] = ge.kind
		}
		if ge.path != nil {
			one["path"] = ge.path
		}
	}
	return ok(obj{"data": nil, "errors": []any{one}})
}

// executor walks one operation.
type executor struct {
	c     *call
	doc   *ast.QueryDocument
	vars  obj
	needs []need
}

// variables takes the given values and the defaults; a missing required one is an error.
func (e *executor) variables(op *ast.OperationDefinition, given obj) error {
	for _, d := range op.VariableDefinitions {
		v, have := given[d.Variable]
		if !have && d.DefaultValue != nil {
			value, err := d.DefaultValue.Value(nil)
			if err != nil {
				return &graphError{message: err.Error()}
			}
			v, have = value, true
		}
		if d.Type.NonNull && v == nil {
			return &graphError{message: fmt.Sprintf("Variable $%s of type %s was provided invalid value", d.Variable, d.Type)}
		}
		if have {
			e.vars[d.Variable] = v
		}
	}
	return nil
}

// selectFrom answers a selection on one object, and only what was selected.
func (e *executor) selectFrom(from node, set ast.SelectionSet, path []any) (obj, error) {
	out := obj{}
	for _, s := range set {
		if err := e.selectOne(out, from, s, path); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *executor) selectOne(out obj, from node, s ast.Selection, path []any) error {
	switch s := s.(type) {
	case *ast.Field:
		if e.skipped(s.Directives) {
			return nil
		}
		return e.selectField(out, from, s, append(append([]any{}, path...), s.Alias))
	case *ast.InlineFragment:
		return e.spread(out, from, s.TypeCondition, s.Directives, s.SelectionSet, path)
	case *ast.FragmentSpread:
		def := e.doc.Fragments.ForName(s.Name)
		if def == nil {
			return &graphError{message: "Fragment " + s.Name + " was used, but not defined"}
		}
		return e.spread(out, from, def.TypeCondition, s.Directives, def.SelectionSet, path)
	}
	return nil
}

func (e *executor) spread(out obj, from node, on string, directives ast.DirectiveList, set ast.SelectionSet, path []any) error {
	if e.skipped(directives) || len(path) > 40 || on != "" && on != from["__typename"] && from["is:"+on] == nil {
		return nil
	}
	more, err := e.selectFrom(from, set, path)
	if err != nil {
		return err
	}
	for k, v := range more {
		out[k] = v
	}
	return nil
}

func (e *executor) skipped(directives ast.DirectiveList) bool {
	for _, d := range directives {
		args, err := e.arguments(d.Arguments)
		if err != nil {
			return false
		}
		yes, _ := args["if"].(bool)
		if d.Name == "skip" && yes || d.Name == "include" && !yes {
			return true
		}
	}
	return false
}

func (e *executor) arguments(list ast.ArgumentList) (obj, error) {
	args := obj{}
	for _, a := range list {
		v, err := a.Value.Value(e.vars)
		if err != nil {
			return nil, &graphError{message: err.Error()}
		}
		args[a.Name] = v
	}
	return args, nil
}

func (e *executor) selectField(out obj, from node, f *ast.Field, path []any) error {
	value, known := from[f.Name]
	if !known || strings.HasPrefix(f.Name, "is:") {
		return &graphError{message: fmt.Sprintf("Field '%s' doesn't exist on type '%s'", f.Name, from["__typename"]), path: path}
	}
	if compute, isField := value.(field); isField {
		args, err := e.arguments(f.Arguments)
		if err != nil {
			return err
		}
		if value, err = compute(args); err != nil {
			if ge, known := err.(*graphError); known && ge.path == nil {
				ge.path = path
			}
			return err
		}
	}
	shaped, err := e.shape(value, f, path)
	if err != nil {
		return err
	}
	out[f.Alias] = shaped
	return nil
}

// shape goes into objects and lists with the field's own selection.
func (e *executor) shape(value any, f *ast.Field, path []any) (any, error) {
	switch v := value.(type) {
	case node:
		if v == nil {
			return nil, nil
		}
		if len(f.SelectionSet) == 0 {
			return nil, &graphError{message: fmt.Sprintf("Field must have selections (field '%s' returns %s but has no selections)", f.Name, v["__typename"]), path: path}
		}
		return e.selectFrom(v, f.SelectionSet, path)
	case []node:
		list := []any{}
		for n, one := range v {
			shaped, err := e.selectFrom(one, f.SelectionSet, append(append([]any{}, path...), n))
			if err != nil {
				return nil, err
			}
			list = append(list, shaped)
		}
		return list, nil
	}
	if len(f.SelectionSet) > 0 && value != nil {
		return nil, &graphError{message: fmt.Sprintf("Selections can't be made on scalars (field '%s')", f.Name), path: path}
	}
	return value, nil
}

// enter makes a repository the one at hand, if the caller may see it.
func (e *executor) enter(r *repository) error {
	c := e.c
	if r == nil || !c.mayRead(r) {
		return &graphError{kind: "NOT_FOUND", message: "Could not resolve to a Repository with the name given."}
	}
	c.repo, c.git = r, c.s.dir(r)
	return nil
}

// allowed checks the operation's permission on the repository at hand.
func (e *executor) allowed(i *issue) error {
	c := e.c
	c.params = map[string]string{"number": fmt.Sprint(i.Number)}
	needs := c.narrow(e.needs)
	writing := needs[0].level == "write"
	permitted := c.tokenAllows(needs) && (c.byIntegration() || !writing || c.owns(i.User) || c.st.canWrite(c.repo, c.actor.Login))
	if permitted {
		return nil
	}
	return &graphError{kind: "FORBIDDEN", message: c.lacks(needs).message}
}

func (e *executor) repository(args obj) (any, error) {
	owner, _ := args["owner"].(string)
	name, _ := args["name"].(string)
	if err := e.enter(e.c.st.Repos[repoKey(owner, name)]); err != nil {
		return nil, err
	}
	one := func(args obj) (any, error) {
		i := e.c.repo.Issues[int(number(args["number"]))]
		if i == nil {
			return nil, &graphError{kind: "NOT_FOUND", message: fmt.Sprintf("Could not resolve to an issue or pull request with the number of %v.", args["number"])}
		}
		return e.issueNode(i)
	}
	return node{"__typename": "Repository", "id": nodeID("R", e.c.repo.ID), "nameWithOwner": e.c.repo.full(), "issueOrPullRequest": field(one), "issue": field(one), "pullRequest": field(one)}, nil
}

func number(v any) int64 {
	switch n := v.(type) {
	case float64:
		return int64(n)
	case int64:
		return n
	case json.Number:
		i, _ := n.Int64()
		return i
	}
	return 0
}

func (e *executor) actor(login string) any {
	u := e.c.st.user(login)
	if u == nil {
		return nil
	}
	return node{"__typename": u.Type, "is:Actor": true, "is:Node": true, "login": strings.TrimSuffix(u.Login, "[bot]"), "id": nodeID("U", u.ID), "databaseId": u.ID}
}

func (e *executor) issueNode(i *issue) (any, error) {
	if err := e.allowed(i); err != nil {
		return nil, err
	}
	editor := any(nil)
	if n := len(i.Edits); n > 0 {
		editor = e.actor(i.Edits[n-1].Editor)
	}
	o := node{"__typename": "Issue", "is:Node": true, "is:Comment": true, "is:UniformResourceLocatable": true, "id": nodeID("I", i.ID), "databaseId": i.ID, "number": i.Number, "title": i.Title, "body": orEmpty(i.Body),
		"state": strings.ToUpper(i.State), "createdAt": stamp(i.CreatedAt), "updatedAt": stamp(i.UpdatedAt), "lastEditedAt": stampOrNil(i.LastEditedAt), "author": e.actor(i.User), "editor": editor,
		"userContentEdits": field(func(args obj) (any, error) { return connection(args, e.editNodes(i)) }),
		"timelineItems":    field(func(args obj) (any, error) { return connection(args, e.renameNodes(i, args)) })}
	if p := i.Pull; p != nil {
		o["__typename"], o["id"], o["isDraft"], o["headRefOid"], o["headRefName"], o["baseRefName"] = "PullRequest", nodeID("PR", i.ID), p.Draft, p.HeadSHA, p.HeadRef, p.BaseRef
		if p.Merged {
			o["state"] = "MERGED"
		}
		o["reviewThreads"] = field(func(args obj) (any, error) { return connection(args, e.threadNodes(i)) })
	}
	return o, nil
}

// editNodes lists a body's versions, newest first, the first writing included.
func (e *executor) editNodes(i *issue) []node {
	out := []node{}
	for n := len(i.Edits) - 1; n >= 0; n-- {
		out = append(out, node{"__typename": "UserContentEdit", "id": nodeID("UCE", i.Edits[n].ID), "editedAt": stamp(i.Edits[n].At), "createdAt": stamp(i.Edits[n].At), "editor": e.actor(i.Edits[n].Editor)})
	}
	return out
}

// renameNodes lists renames; other kinds of timeline item are not served.
func (e *executor) renameNodes(i *issue, args obj) []node {
	out := []node{}
	if kinds, given := args["itemTypes"].([]any); given {
		wanted := false
		for _, k := range kinds {
			wanted = wanted || k == "RENAMED_TITLE_EVENT"
		}
		if !wanted {
			return out
		}
	}
	for _, ev := range e.c.eventsOf(i.Number) {
		if ev.Event == "renamed" {
			out = append(out, node{"__typename": "RenamedTitleEvent", "is:Node": true, "id": nodeID("EV", ev.ID), "createdAt": stamp(ev.CreatedAt), "previousTitle": ev.From, "currentTitle": ev.To, "actor": e.actor(ev.Actor)})
		}
	}
	return out
}

// connection cuts a list by first/after or last/before; cursors are places in the list.
func connection(args obj, all []node) (any, error) {
	first, last := int(number(args["first"])), int(number(args["last"]))
	if (first == 0) == (last == 0) {
		return nil, &graphError{message: "You must provide a `first` or `last` value to properly paginate the connection."}
	}
	if first > 100 || last > 100 {
		return nil, &graphError{message: "Requesting more than 100 records on the connection exceeds the limit."}
	}
	lo, hi := 0, len(all)
	if after, given := args["after"].(string); given {
		lo = max(min(cursorPlace(after), hi), 0)
	}
	if before, given := args["before"].(string); given {
		hi = max(min(cursorPlace(before)-1, hi), lo)
	}
	if first > 0 {
		hi = min(lo+first, hi)
	} else {
		lo = max(hi-last, lo)
	}
	info := node{"__typename": "PageInfo", "hasNextPage": hi < len(all), "hasPreviousPage": lo > 0, "startCursor": orNil(cursor(lo+1, hi > lo)), "endCursor": orNil(cursor(hi, hi > lo))}
	return node{"__typename": "Connection", "totalCount": len(all), "nodes": all[lo:hi], "pageInfo": info}, nil
}

func cursor(n int, some bool) string {
	if !some {
		return ""
	}
	return fmt.Sprint(n)
}

// cursorPlace reads a cursor back; what is none is the beginning.
func cursorPlace(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func (e *executor) threadNodes(i *issue) []node {
	out := []node{}
	for _, t := range e.c.repo.Threads {
		if t.Number == i.Number {
			if n := e.threadNode(i, t); n != nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// threadNode is a thread with its comments, or nil when none can be seen.
func (e *executor) threadNode(i *issue, t *thread) node {
	comments := []node{}
	var top *lineComment
	for _, m := range e.c.lineComments(i.Number) {
		if m.Thread != t.ID {
			continue
		}
		if top == nil {
			top = m
		}
		comments = append(comments, node{"__typename": "PullRequestReviewComment", "is:Node": true, "is:Comment": true, "id": nodeID("PRRC", m.ID), "databaseId": m.ID, "fullDatabaseId": itoa(m.ID), "body": m.Body,
			"path": m.Path, "createdAt": stamp(m.CreatedAt), "author": e.actor(m.User)})
	}
	if top == nil {
		return nil
	}
	orNone := func(n int) any {
		if n == 0 {
			return nil
		}
		return n
	}
	var by any
	if t.Resolved {
		by = e.actor(t.ResolvedBy)
	}
	return node{"__typename": "PullRequestReviewThread", "is:Node": true, "id": nodeID("PRRT", t.ID), "isResolved": t.Resolved, "isOutdated": top.CommitID != i.Pull.HeadSHA, "isCollapsed": t.Resolved, "path": top.Path,
		"line": orNone(top.Line), "startLine": orNone(top.StartLine), "diffSide": orElse(top.Side, "RIGHT"), "resolvedBy": by,
		"comments": field(func(args obj) (any, error) { return connection(args, comments) })}
}

// pullByID finds a pull request by its node id anywhere, and enters its repository.
func (e *executor) pullByID(args obj) (*issue, error) {
	in, _ := args["input"].(obj)
	id, _ := in["pullRequestId"].(string)
	for _, r := range e.c.reposByKey() {
		for _, i := range r.Issues {
			if i.Pull != nil && nodeID("PR", i.ID) == id && e.c.mayRead(r) {
				if err := e.enter(r); err != nil {
					return nil, err
				}
				return i, e.allowed(i)
			}
		}
	}
	return nil, &graphError{kind: "NOT_FOUND", message: fmt.Sprintf("Could not resolve to a node with the global id of '%s'", id)}
}

func (e *executor) draft(args obj) (any, error) { return e.setDraft(args, true) }
func (e *executor) ready(args obj) (any, error) { return e.setDraft(args, false) }

func (e *executor) setDraft(args obj, draft bool) (any, error) {
	i, err := e.pullByID(args)
	if err != nil {
		return nil, err
	}
	if i.State != "open" {
		return nil, &graphError{kind: "UNPROCESSABLE", message: "Pull request is closed"}
	}
	if i.Pull.Draft != draft {
		i.Pull.Draft, i.UpdatedAt = draft, e.c.now
		name, action := "ready_for_review", "ready_for_review"
		if draft {
			name, action = "convert_to_draft", "converted_to_draft"
		}
		e.c.record(i, &issueEvent{Event: name})
		e.c.pullEvent(i, action, nil)
	}
	return e.payload("pullRequest", i)
}

func (e *executor) payload(name string, i *issue) (any, error) {
	n, err := e.issueNode(i)
	if err != nil {
		return nil, err
	}
	return node{"__typename": "Payload", name: n, "clientMutationId": nil}, nil
}

func (e *executor) resolve(args obj) (any, error) {
	in, _ := args["input"].(obj)
	id, _ := in["threadId"].(string)
	for _, r := range e.c.reposByKey() {
		for _, t := range r.Threads {
			if nodeID("PRRT", t.ID) != id || !e.c.mayRead(r) {
				continue
			}
			if err := e.enter(r); err != nil {
				return nil, err
			}
			i := r.Issues[t.Number]
			if err := e.allowed(i); err != nil {
				return nil, err
			}
			t.Resolved, t.ResolvedBy = true, e.c.actor.Login
			return node{"__typename": "ResolveReviewThreadPayload", "thread": e.threadNode(i, t), "clientMutationId": nil}, nil
		}
	}
	return nil, &graphError{kind: "NOT_FOUND", message: fmt.Sprintf("Could not resolve to a node with the global id of '%s'", id)}
}

// enqueue puts a pull request into the merge queue of its base branch.
func (e *executor) enqueue(args obj) (any, error) {
	i, err := e.pullByID(args)
	if err != nil {
		return nil, err
	}
	in, _ := args["input"].(obj)
	head, _ := in["expectedHeadOid"].(string)
	c := e.c
	switch {
	case !c.repo.Protections[i.Pull.BaseRef].MergeQueue:
		return nil, &graphError{kind: "UNPROCESSABLE", message: "The base branch does not have a merge queue"}
	case i.State != "open" || i.Pull.Draft:
		return nil, &graphError{kind: "UNPROCESSABLE", message: "Pull request is not in a mergeable state"}
	case head != "" && head != i.Pull.HeadSHA:
		return nil, &graphError{kind: "UNPROCESSABLE", message: "Head branch was modified. Review and try the merge again."}
	}
	for _, q := range c.repo.Queue {
		if q.Number == i.Number {
			return nil, &graphError{kind: "UNPROCESSABLE", message: "Pull request is already in the queue"}
		}
	}
	q, err := c.enterQueue(i)
	if err != nil {
		return nil, err
	}
	entry := node{"__typename": "MergeQueueEntry", "id": nodeID("MQE", q.ID), "position": len(c.repo.Queue), "state": "QUEUED", "enqueuedAt": stamp(q.At), "enqueuer": e.actor(q.Enqueuer),
		"headCommit": node{"__typename": "Commit", "oid": q.Group}}
	return node{"__typename": "EnqueuePullRequestPayload", "mergeQueueEntry": entry, "clientMutationId": nil}, nil
}

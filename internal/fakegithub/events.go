package fakegithub

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
)

// event writes a webhook payload to events/NNNNNN-NAME-ACTION.json. What
// GITHUB_TOKEN did starts no workflow on GitHub, so those payloads go to
// events/suppressed/ and never to a driver that feeds workflows.
func (c *call) event(name, action string, fields obj) {
	c.writeEvent(name, action, fields, c.token != nil && c.token.Kind == KindActions)
}

// dispatchEvent is for the two events GITHUB_TOKEN may start workflows with.
func (c *call) dispatchEvent(name, action string, fields obj) {
	c.writeEvent(name, action, fields, false)
}

func (c *call) writeEvent(name, action string, fields obj, suppressed bool) {
	payload := obj{"repository": c.eventRepository(), "sender": c.sender()}
	if action != "" {
		payload["action"] = action
	}
	if c.token != nil && c.token.Kind == KindApp {
		payload["installation"] = obj{"id": c.actor.App.ID, "node_id": nodeID("MDI", c.actor.App.ID)}
	}
	for k, v := range fields {
		payload[k] = v
	}
	data, err := json.MarshalIndent(payload, "", "  ")
	if err != nil {
		return // unreachable: maps, lists, texts and numbers only
	}
	c.st.LastEvent++
	file := fmt.Sprintf("%06d-%s", c.st.LastEvent, name)
	if action != "" {
		file += "-" + safeName(action)
	}
	dir := filepath.Join(c.s.root, "events")
	if suppressed {
		dir = filepath.Join(dir, "suppressed")
	}
	// A payload that cannot be written (a full disk) must not undo what happened.
	_ = writeAside(filepath.Join(dir, file+".json"), append(data, '\n'))
}

// safeName keeps a client's words (repository_dispatch types) out of paths.
func safeName(s string) string {
	out := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
	return out[:min(len(out), 60)]
}

func (c *call) sender() any {
	if c.actor == nil {
		return nil
	}
	return c.user(c.actor)
}

// eventRepository is the repository as payloads carry it.
func (c *call) eventRepository() obj {
	o := c.minimal(c.repo)
	for _, k := range []string{"allow_merge_commit", "allow_squash_merge", "allow_rebase_merge", "allow_auto_merge", "delete_branch_on_merge", "allow_update_branch", "network_count", "subscribers_count"} {
		delete(o, k)
	}
	return o
}

// withFields joins extra fields to a payload.
func withFields(o obj, extra obj) obj {
	for k, v := range extra {
		o[k] = v
	}
	return o
}

// issueEvent reports what happened to an issue, or to a pull request under its
// own event name.
func (c *call) issueEvent(i *issue, name, action string, extra obj) {
	if name == "pull_request" {
		c.pullEvent(i, action, extra)
		return
	}
	c.event(name, action, withFields(obj{"issue": c.issue(i)}, extra))
}

func (c *call) pullEvent(i *issue, action string, extra obj) {
	c.event("pull_request", action, withFields(obj{"number": i.Number, "pull_request": c.pull(i)}, extra))
}

func (c *call) commentEvent(i *issue, m *comment, action string, extra obj) {
	c.event("issue_comment", action, withFields(obj{"issue": c.issue(i), "comment": c.commentShape(m)}, extra))
}

func (c *call) reviewEvent(i *issue, r *review, action string) {
	shape := c.reviewShape(i, r)
	shape["state"] = fold(r.State) // payloads spell it low, REST high
	c.event("pull_request_review", action, obj{"review": shape, "pull_request": c.pullSimple(i)})
}

func (c *call) lineEvent(i *issue, m *lineComment, action string) {
	c.event("pull_request_review_comment", action, obj{"comment": c.lineShape(m), "pull_request": c.pullSimple(i)})
}

func (c *call) checkEvent(k *checkRun, action string) {
	shape := c.checkShape(k)
	for _, s := range c.repo.Suites {
		if s.ID == k.Suite {
			suite := c.suiteShape(s).(obj)
			delete(suite, "repository")
			shape["check_suite"] = suite
		}
	}
	c.event("check_run", action, obj{"check_run": shape})
}

func (c *call) statusEvent(s *status) {
	c.event("status", "", obj{"id": s.ID, "sha": s.SHA, "name": c.repo.full(), "state": s.State, "context": s.Context, "description": s.Description, "target_url": s.TargetURL,
		"created_at": stamp(s.CreatedAt), "updated_at": stamp(s.CreatedAt), "commit": c.commitNamed(s.SHA), "branches": []any{}})
}

func (c *call) runEvent(r *workflowRun, action string) {
	c.event("workflow_run", action, obj{"workflow_run": c.runShape(r), "workflow": c.workflowShape(c.workflowAtPath(r.Path))})
}

// pushEvent reports a moved branch or tag; making and deleting have events of
// their own as well.
func (c *call) pushEvent(ref, old, sha string) {
	kind := "branch"
	short := strings.TrimPrefix(ref, "refs/heads/")
	if strings.HasPrefix(ref, "refs/tags/") {
		kind, short = "tag", strings.TrimPrefix(ref, "refs/tags/")
	}
	if old == zeroSHA {
		c.event("create", "", obj{"ref": short, "ref_type": kind, "master_branch": c.repo.DefaultBranch, "description": orNil(c.repo.Description), "pusher_type": "user"})
	}
	pusher := obj{"name": "nobody", "email": nil}
	if c.actor != nil {
		pusher = obj{"name": c.actor.Login, "email": c.s.signature(c.actor, c.now).Email}
	}
	commits := c.pushed(old, sha)
	var head any
	if len(commits) > 0 {
		head = commits[len(commits)-1]
	} else if k, err := c.git.commit(sha); err == nil && sha != zeroSHA {
		head = c.pushCommit(k)
	}
	c.event("push", "", obj{"ref": ref, "before": old, "after": sha, "created": old == zeroSHA, "deleted": sha == zeroSHA, "forced": old != zeroSHA && sha != zeroSHA && !c.git.isAncestor(old, sha),
		"base_ref": nil, "compare": c.html("/compare/%s...%s", old[:12], sha[:12]), "commits": commits, "head_commit": head, "pusher": pusher, "repository": c.pushRepository()})
	if sha == zeroSHA {
		c.event("delete", "", obj{"ref": short, "ref_type": kind, "pusher_type": "user"})
	}
}

// pushRepository is the repository as push payloads alone carry it: times in
// seconds and some names from GitHub's early days.
func (c *call) pushRepository() obj {
	o := c.eventRepository()
	o["created_at"], o["pushed_at"] = c.repo.CreatedAt.Unix(), c.repo.PushedAt.Unix()
	o["master_branch"], o["stargazers"] = c.repo.DefaultBranch, 0
	if owner := c.st.user(c.repo.Owner); owner != nil {
		person := c.user(owner)
		person["name"], person["email"] = owner.Login, c.s.signature(owner, c.now).Email
		o["owner"] = person
	}
	return o
}

// pushed lists what a push brought, oldest first; GitHub sends 2,048 at most.
func (c *call) pushed(old, sha string) []any {
	out := []any{}
	if sha == zeroSHA {
		return out
	}
	not := old
	if old == zeroSHA {
		if not = c.git.resolve("refs/heads/" + c.repo.DefaultBranch); not == sha {
			not = ""
		}
	}
	shas, err := c.git.revList(sha, not)
	if err != nil {
		return out
	}
	reverse(shas)
	for _, one := range shas[:min(len(shas), 2048)] {
		if k, err := c.git.commit(one); err == nil {
			out = append(out, c.pushCommit(k))
		}
	}
	return out
}

func (c *call) pushCommit(k *gitCommit) obj {
	parent := emptyTree
	if len(k.Parents) > 0 {
		parent = k.Parents[0]
	}
	added, removed, modified := []any{}, []any{}, []any{}
	files, _ := c.git.diff(parent, k.SHA)
	for _, f := range files {
		switch f.Status {
		case "added":
			added = append(added, f.Path)
		case "removed":
			removed = append(removed, f.Path)
		case "renamed":
			added, removed = append(added, f.Path), append(removed, f.Previous)
		default:
			modified = append(modified, f.Path)
		}
	}
	return obj{"id": k.SHA, "tree_id": k.Tree, "distinct": true, "message": k.Message, "timestamp": stamp(k.Committer.When), "url": c.html("/commit/%s", k.SHA),
		"author": c.pushPerson(k.Author), "committer": c.pushPerson(k.Committer), "added": added, "removed": removed, "modified": modified}
}

func (c *call) pushPerson(s signature) obj {
	o := obj{"name": s.Name, "email": s.Email}
	if u := c.userOfEmail(s.Email); u != nil {
		o["username"] = u.Login
	}
	return o
}

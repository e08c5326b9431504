package fakegithub

import (
	"sort"
	"strings"
)

func (c *call) listBranches() (reply, error) {
	refs, err := c.git.refs("refs/heads/")
	if err != nil {
		return reply{}, err
	}
	if want := c.query.Get("protected"); want != "" {
		refs = filter(refs, func(r gitRef) bool { return c.guarded(branchName(r)) == (want == "true") })
	}
	return ok(page(c, refs, func(r gitRef) any {
		name := branchName(r)
		return obj{"name": name, "commit": obj{"sha": r.SHA, "url": c.api("/commits/%s", r.SHA)}, "protected": c.guarded(name), "protection": c.protectionSummary(name), "protection_url": c.api("/branches/%s/protection", escapePath(name))}
	}))
}

func branchName(r gitRef) string { return strings.TrimPrefix(r.Name, "refs/heads/") }

func (c *call) guarded(branch string) bool {
	_, on := c.repo.Protections[branch]
	return on
}

func (c *call) getBranch() (reply, error) {
	name := c.params["branch"]
	r, found := c.refAt("refs/heads/" + name)
	if !found {
		return reply{}, refuse(404, "Branch not found")
	}
	k, err := c.git.commit(r.SHA)
	if err != nil {
		return reply{}, err
	}
	return ok(obj{"name": name, "commit": c.commitShape(k), "_links": obj{"self": c.api("/branches/%s", escapePath(name)), "html": c.html("/tree/%s", escapePath(name))},
		"protected": c.guarded(name), "protection": c.protectionSummary(name), "protection_url": c.api("/branches/%s/protection", escapePath(name))})
}

func (c *call) protectionSummary(branch string) obj {
	p, on := c.repo.Protections[branch]
	level := "off"
	if on && len(p.Checks) > 0 {
		level = "non_admins"
		if p.Admins {
			level = "everyone"
		}
	}
	return obj{"enabled": on, "required_status_checks": obj{"enforcement_level": level, "contexts": texts(p.Checks), "checks": checkList(p)}}
}

func texts(list []string) []any { return render(list, func(s string) any { return s }) }

func checkList(p Protection) []any {
	return render(p.Checks, func(name string) any { return obj{"context": name, "app_id": nil} })
}

func (c *call) getProtection() (reply, error) {
	name := c.params["branch"]
	p, on := c.repo.Protections[name]
	if !on {
		return reply{}, refuse(404, "Branch not protected")
	}
	api := c.api("/branches/%s/protection", escapePath(name))
	o := obj{"url": api, "enforce_admins": obj{"url": api + "/enforce_admins", "enabled": p.Admins}, "required_linear_history": obj{"enabled": p.Linear},
		"allow_force_pushes": obj{"enabled": false}, "allow_deletions": obj{"enabled": false}, "required_signatures": obj{"url": api + "/required_signatures", "enabled": false}}
	if len(p.Checks) > 0 {
		o["required_status_checks"] = obj{"url": api + "/required_status_checks", "strict": p.Strict, "contexts": texts(p.Checks), "contexts_url": api + "/required_status_checks/contexts", "checks": checkList(p)}
	}
	if p.Reviews > 0 {
		o["required_pull_request_reviews"] = obj{"url": api + "/required_pull_request_reviews", "dismiss_stale_reviews": p.DismissStale, "require_code_owner_reviews": false,
			"required_approving_review_count": p.Reviews, "require_last_push_approval": false}
	}
	return ok(o)
}

// rules turns a protection into rules, as rulesets would state them.
func rules(p Protection) []any {
	out := []any{}
	if p.Reviews > 0 {
		out = append(out, obj{"type": "pull_request", "parameters": obj{"required_approving_review_count": p.Reviews, "dismiss_stale_reviews_on_push": p.DismissStale,
			"require_code_owner_review": false, "require_last_push_approval": false, "required_review_thread_resolution": false}})
	}
	if len(p.Checks) > 0 {
		out = append(out, obj{"type": "required_status_checks", "parameters": obj{"strict_required_status_checks_policy": p.Strict,
			"required_status_checks": render(p.Checks, func(name string) any { return obj{"context": name} })}})
	}
	if p.Linear {
		out = append(out, obj{"type": "required_linear_history"})
	}
	if p.MergeQueue {
		out = append(out, obj{"type": "merge_queue", "parameters": obj{"check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5,
			"max_entries_to_merge": 5, "merge_method": "SQUASH", "min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 5}})
	}
	return out
}

func (c *call) branchRules() (reply, error) {
	p := c.repo.Protections[c.params["branch"]]
	list := rules(p)
	for _, r := range list {
		o := r.(obj)
		o["ruleset_source_type"], o["ruleset_source"], o["ruleset_id"] = "Repository", c.repo.full(), c.rulesetID(c.params["branch"])
	}
	return ok(page(c, list, func(r any) any { return r }))
}

func (c *call) protectedBranches() []string {
	var names []string
	for name := range c.repo.Protections {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// rulesetID numbers rulesets by the branch they guard.
func (c *call) rulesetID(branch string) int {
	for n, name := range c.protectedBranches() {
		if name == branch {
			return n + 1
		}
	}
	return 0
}

func (c *call) rulesetShape(branch string) obj {
	id := c.rulesetID(branch)
	return obj{"id": id, "name": "protect " + branch, "target": "branch", "source_type": "Repository", "source": c.repo.full(), "enforcement": "active", "node_id": nodeID("RRS", int64(id)),
		"_links": obj{"self": obj{"href": c.api("/rulesets/%d", id)}}, "created_at": stamp(c.repo.CreatedAt), "updated_at": stamp(c.repo.UpdatedAt)}
}

func (c *call) listRulesets() (reply, error) {
	return ok(page(c, c.protectedBranches(), func(b string) any { return c.rulesetShape(b) }))
}

func (c *call) getRuleset() (reply, error) {
	names := c.protectedBranches()
	id := int(c.idOf("ruleset_id"))
	if id < 1 || id > len(names) {
		return reply{}, errNotFound
	}
	o := c.rulesetShape(names[id-1])
	o["rules"] = rules(c.repo.Protections[names[id-1]])
	o["conditions"] = obj{"ref_name": obj{"include": []any{"refs/heads/" + names[id-1]}, "exclude": []any{}}}
	return ok(o)
}

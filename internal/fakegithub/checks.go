package fakegithub

import (
	"strings"
	"time"
)

var conclusions = []string{"action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"}

type checkInput struct {
	Name        *string
	HeadSHA     string  `json:"head_sha"`
	DetailsURL  *string `json:"details_url"`
	ExternalID  *string `json:"external_id"`
	Status      *string
	Conclusion  *string
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      *struct {
		Title       *string
		Summary     *string
		Text        *string
		Annotations []annotation
	}
}

func (in *checkInput) check() error {
	if in.Status != nil && !containsFold([]string{"queued", "in_progress", "completed", "waiting", "requested", "pending"}, *in.Status) {
		return invalid("CheckRun", "status", "invalid", "")
	}
	if in.Conclusion != nil && !containsFold(conclusions, *in.Conclusion) {
		return invalid("CheckRun", "conclusion", "invalid", "")
	}
	if in.Status != nil && *in.Status == "completed" && in.Conclusion == nil {
		return invalid("CheckRun", "conclusion", "missing_field", "")
	}
	if in.Output == nil {
		return nil
	}
	if in.Output.Summary == nil {
		return invalid("CheckRun", "summary", "missing_field", "")
	}
	if len(in.Output.Annotations) > 50 {
		return refuse(422, "Invalid request.\n\nNo more than 50 items are allowed; %d were supplied.", len(in.Output.Annotations))
	}
	for _, text := range []*string{in.Output.Summary, in.Output.Text} {
		if len(orEmpty(text)) > 65535 {
			return invalid("CheckRun", "output", "custom", "Only 65535 characters are allowed")
		}
	}
	for _, a := range in.Output.Annotations {
		if a.Path == "" || a.StartLine < 1 || a.EndLine < a.StartLine || !containsFold([]string{"notice", "warning", "failure"}, a.Level) || a.Message == "" {
			return invalid("CheckAnnotation", "annotations", "invalid", "")
		}
	}
	return nil
}

func (c *call) createCheck() (reply, error) {
	if !c.byIntegration() {
		return reply{}, refuse(403, "You must authenticate via a GitHub App.")
	}
	var in checkInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if orEmpty(in.Name) == "" {
		return reply{}, invalid("CheckRun", "name", "missing_field", "")
	}
	if _, err := c.objectOf(in.HeadSHA, "commit"); err != nil {
		return reply{}, refuse(422, "No commit found for SHA: %s", in.HeadSHA)
	}
	if err := in.check(); err != nil {
		return reply{}, err
	}
	at := c.now
	k := &checkRun{ID: c.st.nextID(), Suite: c.suite(in.HeadSHA).ID, HeadSHA: in.HeadSHA, Status: "queued", StartedAt: &at, AppUser: c.actor.Login}
	c.fill(k, in)
	c.repo.Checks = append(c.repo.Checks, k)
	c.checkEvent(k, "created")
	if k.Status == "completed" {
		c.checkEvent(k, "completed")
	}
	return createdAt(c.api("/check-runs/%d", k.ID), c.checkShape(k))
}

func (c *call) fill(k *checkRun, in checkInput) {
	set(&k.Name, in.Name)
	set(&k.DetailsURL, in.DetailsURL)
	set(&k.ExternalID, in.ExternalID)
	set(&k.Status, in.Status)
	if in.StartedAt != nil {
		k.StartedAt = in.StartedAt
	}
	if in.Conclusion != nil {
		at := c.now
		k.Status, k.Conclusion, k.CompletedAt = "completed", *in.Conclusion, &at
	} else if in.Status != nil {
		k.Conclusion, k.CompletedAt = "", nil
	}
	if in.CompletedAt != nil && k.Status == "completed" {
		k.CompletedAt = in.CompletedAt
	}
	if in.Output == nil {
		return
	}
	if in.Output.Title != nil {
		k.Title = in.Output.Title
	}
	if in.Output.Text != nil {
		k.Text = in.Output.Text
	}
	k.Summary = in.Output.Summary
	k.Annotations = append(k.Annotations, in.Output.Annotations...)
}

// suite gives the caller's check suite for a commit: one for each app and commit.
func (c *call) suite(sha string) *checkSuite {
	for _, s := range c.repo.Suites {
		if s.HeadSHA == sha && s.AppUser == c.actor.Login {
			return s
		}
	}
	s := &checkSuite{ID: c.st.nextID(), AppUser: c.actor.Login, HeadSHA: sha, HeadBranch: c.branchAt(sha), CreatedAt: c.now}
	c.repo.Suites = append(c.repo.Suites, s)
	return s
}

// branchAt names a branch whose tip is the commit, or "".
func (c *call) branchAt(sha string) string {
	refs, err := c.git.refs("refs/heads/")
	if err != nil {
		return ""
	}
	for _, r := range refs {
		if r.SHA == sha {
			return strings.TrimPrefix(r.Name, "refs/heads/")
		}
	}
	return ""
}

func (c *call) checkAt() (*checkRun, error) {
	for _, k := range c.repo.Checks {
		if k.ID == c.idOf("check_run_id") {
			return k, nil
		}
	}
	return nil, errNotFound
}

func (c *call) getCheck() (reply, error) {
	k, err := c.checkAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.checkShape(k))
}

func (c *call) updateCheck() (reply, error) {
	if !c.byIntegration() {
		return reply{}, refuse(403, "You must authenticate via a GitHub App.")
	}
	k, err := c.checkAt()
	if err != nil {
		return reply{}, err
	}
	if !c.owns(k.AppUser) {
		return reply{}, refuse(403, "Invalid app_id `%d` - check run can only be modified by the GitHub App that created it.", c.actor.App.ID)
	}
	var in checkInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if err := in.check(); err != nil {
		return reply{}, err
	}
	was := k.Status
	c.fill(k, in)
	if k.Status == "completed" && was != "completed" {
		c.checkEvent(k, "completed")
	}
	return ok(c.checkShape(k))
}

func (c *call) listAnnotations() (reply, error) {
	k, err := c.checkAt()
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, k.Annotations, func(a annotation) any {
		return obj{"path": a.Path, "blob_href": c.html("/blob/%s/%s", k.HeadSHA, escapePath(a.Path)), "start_line": a.StartLine, "end_line": a.EndLine,
			"start_column": a.StartColumn, "end_column": a.EndColumn, "annotation_level": a.Level, "title": a.Title, "message": a.Message, "raw_details": a.RawDetails}
	}))
}

func (c *call) checkShape(k *checkRun) obj {
	api := c.api("/check-runs/%d", k.ID)
	html := c.html("/runs/%d", k.ID)
	return obj{"id": k.ID, "node_id": nodeID("CR", k.ID), "name": k.Name, "head_sha": k.HeadSHA, "external_id": k.ExternalID, "url": api, "html_url": html,
		"details_url": orElse(k.DetailsURL, html), "status": k.Status, "conclusion": orNil(k.Conclusion), "started_at": stampOrNil(k.StartedAt), "completed_at": stampOrNil(k.CompletedAt),
		"output":      obj{"title": k.Title, "summary": k.Summary, "text": k.Text, "annotations_count": len(k.Annotations), "annotations_url": api + "/annotations"},
		"check_suite": obj{"id": k.Suite}, "app": c.app(c.st.user(k.AppUser)), "pull_requests": c.pullsAt(k.HeadSHA)}
}

// pullsAt lists open pull requests whose head is the commit, in short form.
func (c *call) pullsAt(sha string) []any {
	out := []any{}
	for _, i := range c.openPulls() {
		if i.Pull.HeadSHA != sha {
			continue
		}
		end := func(r *repository, ref, sha string) obj {
			return obj{"ref": ref, "sha": sha, "repo": obj{"id": r.ID, "url": c.base + "/repos/" + r.full(), "name": r.Name}}
		}
		out = append(out, obj{"id": i.ID, "number": i.Number, "url": c.api("/pulls/%d", i.Number), "head": end(c.headRepo(i), i.Pull.HeadRef, i.Pull.HeadSHA), "base": end(c.repo, i.Pull.BaseRef, i.Pull.BaseSHA)})
	}
	return out
}

func (c *call) listChecks() (reply, error) {
	k, err := c.commitAt()
	if err != nil {
		return reply{}, err
	}
	return c.checkPage(func(r *checkRun) bool { return r.HeadSHA == k.SHA })
}

// checkPage lists check runs, by default only the latest of each name and app.
func (c *call) checkPage(want func(*checkRun) bool) (reply, error) {
	q := c.query
	found := filter(c.repo.Checks, want)
	if orElse(q.Get("filter"), "latest") == "latest" {
		found = latest(found)
	}
	found = filter(found, func(r *checkRun) bool {
		return (q.Get("check_name") == "" || q.Get("check_name") == r.Name) && (q.Get("status") == "" || q.Get("status") == r.Status) &&
			(q.Get("app_id") == "" || q.Get("app_id") == itoa(c.st.user(r.AppUser).App.ID))
	})
	return ok(obj{"total_count": len(found), "check_runs": page(c, found, func(r *checkRun) any { return c.checkShape(r) })})
}

func latest(all []*checkRun) []*checkRun {
	var out []*checkRun
	for n, r := range all {
		newer := false
		for _, other := range all[n+1:] {
			newer = newer || other.Name == r.Name && other.AppUser == r.AppUser
		}
		if !newer {
			out = append(out, r)
		}
	}
	return out
}

// green tells whether a required check or status is satisfied at a commit.
func (c *call) green(sha, name string) bool {
	found, good := false, true
	for _, r := range latest(filter(c.repo.Checks, func(r *checkRun) bool { return r.HeadSHA == sha && r.Name == name })) {
		found = true
		good = good && (r.Conclusion == "success" || r.Conclusion == "neutral" || r.Conclusion == "skipped")
	}
	for _, s := range c.latestStatuses(sha) {
		if s.Context == name {
			found, good = true, good && s.State == "success"
		}
	}
	return found && good
}

// redAt tells whether anything at a commit is not green.
func (c *call) redAt(sha string) bool {
	for _, r := range latest(filter(c.repo.Checks, func(r *checkRun) bool { return r.HeadSHA == sha })) {
		if !c.green(sha, r.Name) {
			return true
		}
	}
	for _, s := range c.latestStatuses(sha) {
		if s.State != "success" {
			return true
		}
	}
	return false
}

func (c *call) suiteShape(s *checkSuite) any {
	runs := latest(filter(c.repo.Checks, func(r *checkRun) bool { return r.Suite == s.ID }))
	status, conclusion := "completed", "success"
	for _, r := range runs {
		if r.Status != "completed" {
			status, conclusion = "in_progress", ""
			break
		}
		if r.Conclusion != "success" && r.Conclusion != "neutral" && r.Conclusion != "skipped" {
			conclusion = r.Conclusion
		}
	}
	if len(runs) == 0 {
		status, conclusion = "queued", ""
	}
	var head any
	if k, err := c.git.commit(s.HeadSHA); err == nil {
		head = obj{"id": k.SHA, "tree_id": k.Tree, "message": k.Message, "timestamp": stamp(k.Committer.When),
			"author": obj{"name": k.Author.Name, "email": k.Author.Email}, "committer": obj{"name": k.Committer.Name, "email": k.Committer.Email}}
	}
	api := c.api("/check-suites/%d", s.ID)
	return obj{"id": s.ID, "node_id": nodeID("CS", s.ID), "head_branch": orNil(s.HeadBranch), "head_sha": s.HeadSHA, "status": status, "conclusion": orNil(conclusion), "url": api,
		"before": zeroSHA, "after": s.HeadSHA, "pull_requests": c.pullsAt(s.HeadSHA), "app": c.app(c.st.user(s.AppUser)), "repository": c.minimal(c.repo),
		"created_at": stamp(s.CreatedAt), "updated_at": stamp(s.CreatedAt), "head_commit": head, "latest_check_runs_count": len(runs), "check_runs_url": api + "/check-runs"}
}

func (c *call) listSuites() (reply, error) {
	k, err := c.commitAt()
	if err != nil {
		return reply{}, err
	}
	found := filter(c.repo.Suites, func(s *checkSuite) bool { return s.HeadSHA == k.SHA })
	return ok(obj{"total_count": len(found), "check_suites": page(c, found, c.suiteShape)})
}

func (c *call) suiteAt() (*checkSuite, error) {
	for _, s := range c.repo.Suites {
		if s.ID == c.idOf("check_suite_id") {
			return s, nil
		}
	}
	return nil, errNotFound
}

func (c *call) getSuite() (reply, error) {
	s, err := c.suiteAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.suiteShape(s))
}

func (c *call) suiteChecks() (reply, error) {
	s, err := c.suiteAt()
	if err != nil {
		return reply{}, err
	}
	return c.checkPage(func(r *checkRun) bool { return r.Suite == s.ID })
}

func (c *call) createStatus() (reply, error) {
	var in struct {
		State       string
		Context     string
		Description *string
		TargetURL   *string `json:"target_url"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if _, err := c.objectOf(c.params["sha"], "commit"); err != nil {
		return reply{}, refuse(422, "No commit found for SHA: %s", c.params["sha"])
	}
	if !containsFold([]string{"error", "failure", "pending", "success"}, in.State) {
		return reply{}, invalid("Status", "state", "invalid", "")
	}
	if len([]rune(orEmpty(in.Description))) > 140 {
		return reply{}, invalid("Status", "description", "custom", "description is too long (maximum is 140 characters)")
	}
	s := &status{ID: c.st.nextID(), SHA: c.params["sha"], State: in.State, Context: orElse(in.Context, "default"), Description: in.Description, TargetURL: in.TargetURL, Creator: c.actor.Login, CreatedAt: c.now}
	c.repo.Statuses = append(c.repo.Statuses, s)
	c.statusEvent(s)
	return createdAt(c.api("/statuses/%s", s.SHA), c.statusShape(s))
}

func (c *call) statusShape(s *status) any {
	return obj{"id": s.ID, "node_id": nodeID("SC", s.ID), "url": c.api("/statuses/%s", s.SHA), "avatar_url": c.base + "/avatars/status", "state": s.State, "description": s.Description,
		"target_url": s.TargetURL, "context": s.Context, "created_at": stamp(s.CreatedAt), "updated_at": stamp(s.CreatedAt), "creator": c.login(s.Creator)}
}

// statusesAt lists a commit's statuses, newest first.
func (c *call) statusesAt(sha string) []*status {
	found := filter(c.repo.Statuses, func(s *status) bool { return s.SHA == sha })
	reverse(found)
	return found
}

func (c *call) latestStatuses(sha string) []*status {
	seen := map[string]bool{}
	return filter(c.statusesAt(sha), func(s *status) bool {
		fresh := !seen[s.Context]
		seen[s.Context] = true
		return fresh
	})
}

func (c *call) listStatuses() (reply, error) {
	k, err := c.commitAt()
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, c.statusesAt(k.SHA), c.statusShape))
}

func (c *call) combinedStatus() (reply, error) {
	k, err := c.commitAt()
	if err != nil {
		return reply{}, err
	}
	all := c.latestStatuses(k.SHA)
	state := "success"
	for _, s := range all {
		switch {
		case s.State == "failure" || s.State == "error":
			state = "failure"
		case s.State == "pending" && state == "success":
			state = "pending"
		}
	}
	if len(all) == 0 {
		state = "pending"
	}
	return ok(obj{"state": state, "sha": k.SHA, "total_count": len(all), "repository": c.minimal(c.repo), "commit_url": c.api("/commits/%s", k.SHA), "url": c.api("/commits/%s/status", k.SHA),
		"statuses": page(c, all, func(s *status) any {
			o := c.statusShape(s).(obj)
			delete(o, "creator")
			return o
		})})
}

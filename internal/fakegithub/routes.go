package fakegithub

import (
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// route is one thing REST can do. The table below is the whole surface: what
// is not in it answers 404 and says so.
type route struct {
	method  string
	pattern string // {number} and {..._id} take digits; {ref}, {path}, {branch}, {basehead} may hold slashes
	needs   string // token permissions, any of them, as X-Accepted-GitHub-Permissions spells them
	role    string // what a person must be; empty is write for writing routes, else read
	people  bool   // refused to GITHUB_TOKEN and Apps whatever their permissions
	user    bool   // needs somebody, not a permission
	handle  func(*call) (reply, error)

	re    *regexp.Regexp
	names []string
}

const (
	issueRead  = "issues=read; pull_requests=read"
	issueWrite = "issues=write; pull_requests=write"
)

// routes is the table of everything REST can do, in the order it is tried. It is
// compiled when a server first needs it: most commands run none.
var routes = sync.OnceValue(func() []route {
	return compile([]route{
		{method: "GET", pattern: "/rate_limit", handle: (*call).getRateLimit},
		{method: "GET", pattern: "/user", user: true, handle: (*call).getMe},
		{method: "GET", pattern: "/users/{username}", handle: (*call).getUser},
		{method: "GET", pattern: "/search/issues", handle: (*call).searchIssues},

		{method: "GET", pattern: "/repos/{owner}/{repo}", needs: "metadata=read", handle: (*call).getRepo},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}", needs: "administration=write", role: "admin", handle: (*call).patchRepo},
		{method: "GET", pattern: "/repos/{owner}/{repo}/collaborators", needs: "metadata=read", role: "write", handle: (*call).listCollaborators},
		{method: "GET", pattern: "/repos/{owner}/{repo}/collaborators/{username}", needs: "metadata=read", role: "write", handle: (*call).isCollaborator},
		{method: "GET", pattern: "/repos/{owner}/{repo}/collaborators/{username}/permission", needs: "metadata=read", handle: (*call).getPermission},
		{method: "GET", pattern: "/repos/{owner}/{repo}/assignees", needs: "metadata=read", handle: (*call).listAssignees},

		{method: "GET", pattern: "/repos/{owner}/{repo}/issues", needs: issueRead, handle: (*call).listIssues},
		{method: "POST", pattern: "/repos/{owner}/{repo}/issues", needs: "issues=write", role: "read", handle: (*call).createIssue},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/comments", needs: issueRead, handle: (*call).listRepoComments},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/comments/{comment_id}", needs: issueRead, handle: (*call).getComment},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}/issues/comments/{comment_id}", needs: issueWrite, role: "read", handle: (*call).editComment},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/issues/comments/{comment_id}", needs: issueWrite, role: "read", handle: (*call).deleteComment},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", needs: issueRead, handle: (*call).listCommentReactions},
		{method: "POST", pattern: "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", needs: issueWrite, role: "read", handle: (*call).reactToComment},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}", needs: issueWrite, role: "read", handle: (*call).unreactToComment},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/events", needs: issueRead, handle: (*call).listRepoEvents},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/{number}", needs: issueRead, handle: (*call).getIssue},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}/issues/{number}", needs: issueWrite, role: "read", handle: (*call).editIssue},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/{number}/comments", needs: issueRead, handle: (*call).listComments},
		{method: "POST", pattern: "/repos/{owner}/{repo}/issues/{number}/comments", needs: issueWrite, role: "read", handle: (*call).createComment},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/{number}/events", needs: issueRead, handle: (*call).listEvents},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/{number}/timeline", needs: issueRead, handle: (*call).listTimeline},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/{number}/labels", needs: issueRead, handle: (*call).listIssueLabels},
		{method: "POST", pattern: "/repos/{owner}/{repo}/issues/{number}/labels", needs: issueWrite, role: "triage", handle: (*call).addLabels},
		{method: "PUT", pattern: "/repos/{owner}/{repo}/issues/{number}/labels", needs: issueWrite, role: "triage", handle: (*call).setLabels},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/issues/{number}/labels", needs: issueWrite, role: "triage", handle: (*call).clearLabels},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/issues/{number}/labels/{name}", needs: issueWrite, role: "triage", handle: (*call).removeLabel},
		{method: "POST", pattern: "/repos/{owner}/{repo}/issues/{number}/assignees", needs: issueWrite, role: "triage", handle: (*call).addAssignees},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/issues/{number}/assignees", needs: issueWrite, role: "triage", handle: (*call).removeAssignees},
		{method: "PUT", pattern: "/repos/{owner}/{repo}/issues/{number}/lock", needs: issueWrite, handle: (*call).lockIssue},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/issues/{number}/lock", needs: issueWrite, handle: (*call).unlockIssue},
		{method: "GET", pattern: "/repos/{owner}/{repo}/issues/{number}/reactions", needs: issueRead, handle: (*call).listIssueReactions},
		{method: "POST", pattern: "/repos/{owner}/{repo}/issues/{number}/reactions", needs: issueWrite, role: "read", handle: (*call).reactToIssue},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/issues/{number}/reactions/{reaction_id}", needs: issueWrite, role: "read", handle: (*call).unreactToIssue},

		{method: "GET", pattern: "/repos/{owner}/{repo}/labels", needs: issueRead, handle: (*call).listLabels},
		{method: "POST", pattern: "/repos/{owner}/{repo}/labels", needs: issueWrite, handle: (*call).createLabel},
		{method: "GET", pattern: "/repos/{owner}/{repo}/labels/{name}", needs: issueRead, handle: (*call).getLabel},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}/labels/{name}", needs: issueWrite, handle: (*call).editLabel},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/labels/{name}", needs: issueWrite, handle: (*call).deleteLabel},
		{method: "GET", pattern: "/repos/{owner}/{repo}/milestones", needs: issueRead, handle: (*call).listMilestones},
		{method: "POST", pattern: "/repos/{owner}/{repo}/milestones", needs: issueWrite, handle: (*call).createMilestone},

		{method: "POST", pattern: "/repos/{owner}/{repo}/git/refs", needs: "contents=write", handle: (*call).createRef},
		{method: "GET", pattern: "/repos/{owner}/{repo}/git/ref/{ref}", needs: "contents=read", handle: (*call).getRef},
		{method: "GET", pattern: "/repos/{owner}/{repo}/git/matching-refs/{ref}", needs: "contents=read", handle: (*call).matchingRefs},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}/git/refs/{ref}", needs: "contents=write", handle: (*call).updateRef},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/git/refs/{ref}", needs: "contents=write", handle: (*call).deleteRef},
		{method: "POST", pattern: "/repos/{owner}/{repo}/git/blobs", needs: "contents=write", handle: (*call).createBlob},
		{method: "GET", pattern: "/repos/{owner}/{repo}/git/blobs/{sha}", needs: "contents=read", handle: (*call).getBlob},
		{method: "POST", pattern: "/repos/{owner}/{repo}/git/trees", needs: "contents=write", handle: (*call).createTree},
		{method: "GET", pattern: "/repos/{owner}/{repo}/git/trees/{ref}", needs: "contents=read", handle: (*call).getTree},
		{method: "POST", pattern: "/repos/{owner}/{repo}/git/commits", needs: "contents=write", handle: (*call).createCommit},
		{method: "GET", pattern: "/repos/{owner}/{repo}/git/commits/{sha}", needs: "contents=read", handle: (*call).getGitCommit},
		{method: "POST", pattern: "/repos/{owner}/{repo}/git/tags", needs: "contents=write", handle: (*call).createTag},
		{method: "GET", pattern: "/repos/{owner}/{repo}/git/tags/{sha}", needs: "contents=read", handle: (*call).getTag},

		{method: "GET", pattern: "/repos/{owner}/{repo}/contents", needs: "contents=read", handle: (*call).getContents},
		{method: "GET", pattern: "/repos/{owner}/{repo}/contents/{path}", needs: "contents=read", handle: (*call).getContents},
		{method: "PUT", pattern: "/repos/{owner}/{repo}/contents/{path}", needs: "contents=write", handle: (*call).putContents},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/contents/{path}", needs: "contents=write", handle: (*call).deleteContents},
		{method: "GET", pattern: "/repos/{owner}/{repo}/compare/{basehead}", needs: "contents=read", handle: (*call).compare},
		{method: "GET", pattern: "/repos/{owner}/{repo}/commits", needs: "contents=read", handle: (*call).listCommits},
		{method: "GET", pattern: "/repos/{owner}/{repo}/commits/{sha}/pulls", needs: "pull_requests=read; contents=read", handle: (*call).commitPulls},
		{method: "GET", pattern: "/repos/{owner}/{repo}/commits/{ref}/check-runs", needs: "checks=read", handle: (*call).listChecks},
		{method: "GET", pattern: "/repos/{owner}/{repo}/commits/{ref}/check-suites", needs: "checks=read", handle: (*call).listSuites},
		{method: "GET", pattern: "/repos/{owner}/{repo}/commits/{ref}/status", needs: "statuses=read", handle: (*call).combinedStatus},
		{method: "GET", pattern: "/repos/{owner}/{repo}/commits/{ref}/statuses", needs: "statuses=read", handle: (*call).listStatuses},
		{method: "GET", pattern: "/repos/{owner}/{repo}/commits/{ref}", needs: "contents=read", handle: (*call).getCommit},
		{method: "POST", pattern: "/repos/{owner}/{repo}/statuses/{sha}", needs: "statuses=write", handle: (*call).createStatus},

		{method: "GET", pattern: "/repos/{owner}/{repo}/branches", needs: "contents=read", handle: (*call).listBranches},
		{method: "GET", pattern: "/repos/{owner}/{repo}/branches/{branch}/protection", needs: "administration=read", role: "admin", handle: (*call).getProtection},
		{method: "GET", pattern: "/repos/{owner}/{repo}/branches/{branch}", needs: "contents=read", handle: (*call).getBranch},
		{method: "GET", pattern: "/repos/{owner}/{repo}/rules/branches/{branch}", needs: "metadata=read", handle: (*call).branchRules},
		{method: "GET", pattern: "/repos/{owner}/{repo}/rulesets", needs: "metadata=read", handle: (*call).listRulesets},
		{method: "GET", pattern: "/repos/{owner}/{repo}/rulesets/{ruleset_id}", needs: "metadata=read", handle: (*call).getRuleset},

		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls", needs: "pull_requests=read", handle: (*call).listPulls},
		{method: "POST", pattern: "/repos/{owner}/{repo}/pulls", needs: "pull_requests=write", role: "read", handle: (*call).createPull},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/comments", needs: "pull_requests=read", handle: (*call).listRepoLineComments},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/comments/{line_comment_id}", needs: "pull_requests=read", handle: (*call).getLineComment},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}/pulls/comments/{line_comment_id}", needs: "pull_requests=write", role: "read", handle: (*call).editLineComment},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/pulls/comments/{line_comment_id}", needs: "pull_requests=write", role: "read", handle: (*call).deleteLineComment},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/comments/{line_comment_id}/reactions", needs: "pull_requests=read", handle: (*call).listLineReactions},
		{method: "POST", pattern: "/repos/{owner}/{repo}/pulls/comments/{line_comment_id}/reactions", needs: "pull_requests=write", role: "read", handle: (*call).reactToLine},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}", needs: "pull_requests=read", handle: (*call).getPull},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}/pulls/{number}", needs: "pull_requests=write", role: "read", handle: (*call).editPull},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}/commits", needs: "pull_requests=read", handle: (*call).pullCommits},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}/files", needs: "pull_requests=read", handle: (*call).pullFiles},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}/merge", needs: "pull_requests=read", handle: (*call).isMerged},
		{method: "PUT", pattern: "/repos/{owner}/{repo}/pulls/{number}/merge", needs: "contents=write", handle: (*call).mergePull},
		{method: "PUT", pattern: "/repos/{owner}/{repo}/pulls/{number}/update-branch", needs: "pull_requests=write", handle: (*call).updateBranch},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}/comments", needs: "pull_requests=read", handle: (*call).listLineComments},
		{method: "POST", pattern: "/repos/{owner}/{repo}/pulls/{number}/comments", needs: "pull_requests=write", role: "read", handle: (*call).createLineComment},
		{method: "POST", pattern: "/repos/{owner}/{repo}/pulls/{number}/comments/{line_comment_id}/replies", needs: "pull_requests=write", role: "read", handle: (*call).replyToLine},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}/reviews", needs: "pull_requests=read", handle: (*call).listReviews},
		{method: "POST", pattern: "/repos/{owner}/{repo}/pulls/{number}/reviews", needs: "pull_requests=write", role: "read", handle: (*call).createReview},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}/reviews/{review_id}", needs: "pull_requests=read", handle: (*call).getReview},
		{method: "PUT", pattern: "/repos/{owner}/{repo}/pulls/{number}/reviews/{review_id}", needs: "pull_requests=write", role: "read", handle: (*call).editReview},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/pulls/{number}/reviews/{review_id}", needs: "pull_requests=write", role: "read", handle: (*call).deleteReview},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}/reviews/{review_id}/comments", needs: "pull_requests=read", handle: (*call).reviewComments},
		{method: "POST", pattern: "/repos/{owner}/{repo}/pulls/{number}/reviews/{review_id}/events", needs: "pull_requests=write", role: "read", handle: (*call).submitReview},
		{method: "PUT", pattern: "/repos/{owner}/{repo}/pulls/{number}/reviews/{review_id}/dismissals", needs: "pull_requests=write", handle: (*call).dismissReview},
		{method: "GET", pattern: "/repos/{owner}/{repo}/pulls/{number}/requested_reviewers", needs: "pull_requests=read", handle: (*call).listRequested},
		{method: "POST", pattern: "/repos/{owner}/{repo}/pulls/{number}/requested_reviewers", needs: "pull_requests=write", handle: (*call).requestReviewers},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/pulls/{number}/requested_reviewers", needs: "pull_requests=write", handle: (*call).unrequestReviewers},

		{method: "POST", pattern: "/repos/{owner}/{repo}/check-runs", needs: "checks=write", handle: (*call).createCheck},
		{method: "GET", pattern: "/repos/{owner}/{repo}/check-runs/{check_run_id}", needs: "checks=read", handle: (*call).getCheck},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}/check-runs/{check_run_id}", needs: "checks=write", handle: (*call).updateCheck},
		{method: "GET", pattern: "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations", needs: "checks=read", handle: (*call).listAnnotations},
		{method: "GET", pattern: "/repos/{owner}/{repo}/check-suites/{check_suite_id}", needs: "checks=read", handle: (*call).getSuite},
		{method: "GET", pattern: "/repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs", needs: "checks=read", handle: (*call).suiteChecks},

		{method: "GET", pattern: "/repos/{owner}/{repo}/deployments", needs: "deployments=read", handle: (*call).listDeployments},
		{method: "POST", pattern: "/repos/{owner}/{repo}/deployments", needs: "deployments=write", handle: (*call).createDeployment},
		{method: "GET", pattern: "/repos/{owner}/{repo}/deployments/{deployment_id}", needs: "deployments=read", handle: (*call).getDeployment},
		{method: "GET", pattern: "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", needs: "deployments=read", handle: (*call).listDeploymentStatuses},
		{method: "POST", pattern: "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", needs: "deployments=write", handle: (*call).createDeploymentStatus},
		{method: "GET", pattern: "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses/{status_id}", needs: "deployments=read", handle: (*call).getDeploymentStatus},

		{method: "POST", pattern: "/repos/{owner}/{repo}/dispatches", needs: "contents=write", handle: (*call).repositoryDispatch},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/workflows", needs: "actions=read", handle: (*call).listWorkflows},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/workflows/{workflow}", needs: "actions=read", handle: (*call).getWorkflow},
		{method: "POST", pattern: "/repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches", needs: "actions=write", handle: (*call).dispatchWorkflow},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/workflows/{workflow}/runs", needs: "actions=read", handle: (*call).listRuns},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/runs", needs: "actions=read", handle: (*call).listRuns},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/runs/{run_id}", needs: "actions=read", handle: (*call).getRun},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs", needs: "actions=read", handle: (*call).listJobs},
		{method: "POST", pattern: "/repos/{owner}/{repo}/actions/runs/{run_id}/rerun", needs: "actions=write", handle: (*call).rerun},
		{method: "POST", pattern: "/repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs", needs: "actions=write", handle: (*call).rerun},
		{method: "POST", pattern: "/repos/{owner}/{repo}/actions/runs/{run_id}/cancel", needs: "actions=write", handle: (*call).cancelRun},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/permissions", needs: "administration=read", role: "admin", handle: (*call).actionsPermissions},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/permissions/workflow", needs: "administration=read", role: "admin", handle: (*call).workflowPermissions},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/variables", needs: "actions_variables=read", people: true, handle: (*call).listVariables},
		{method: "POST", pattern: "/repos/{owner}/{repo}/actions/variables", needs: "actions_variables=write", people: true, handle: (*call).createVariable},
		{method: "GET", pattern: "/repos/{owner}/{repo}/actions/variables/{name}", needs: "actions_variables=read", people: true, handle: (*call).getVariable},
		{method: "PATCH", pattern: "/repos/{owner}/{repo}/actions/variables/{name}", needs: "actions_variables=write", people: true, handle: (*call).editVariable},
		{method: "DELETE", pattern: "/repos/{owner}/{repo}/actions/variables/{name}", needs: "actions_variables=write", people: true, handle: (*call).deleteVariable},
	})
})

var wildcard = regexp.MustCompile(`\\\{([a-z_]+)\\\}`)

func compile(table []route) []route {
	for i := range table {
		rt := &table[i]
		expr := wildcard.ReplaceAllStringFunc(regexp.QuoteMeta(rt.pattern), func(m string) string {
			name := strings.Trim(m, `\{}`)
			rt.names = append(rt.names, name)
			switch {
			case name == "number" || strings.HasSuffix(name, "_id"):
				return "([0-9]{1,18})"
			case name == "ref" || name == "path" || name == "branch" || name == "basehead":
				return "(.+)"
			}
			return "([^/]+)"
		})
		rt.re = regexp.MustCompile("^" + expr + "/?$")
	}
	return table
}

// findRoute matches the escaped path, so that %2F inside a name does not split it.
func findRoute(method, escaped string) (*route, map[string]string, *problem) {
	if method == "HEAD" {
		method = "GET"
	}
	all := routes()
	for i := range all {
		rt := &all[i]
		if rt.method != method {
			continue
		}
		m := rt.re.FindStringSubmatch(escaped)
		if m == nil {
			continue
		}
		params := map[string]string{}
		for n, name := range rt.names {
			value, err := url.PathUnescape(m[n+1])
			if err != nil {
				return nil, nil, refuse(400, "Malformed path")
			}
			params[name] = value
		}
		return rt, params, nil
	}
	return nil, nil, &problem{status: 404, message: "Not Found", errors: []any{"the fake GitHub does not serve " + method + " here"}}
}

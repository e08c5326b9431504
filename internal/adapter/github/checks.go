package github

import (
	"context"
	"fmt"
	"net/url"
	"sort"
	"time"

	gh "github.com/google/go-github/v66/github"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// annotationsLimit is how many annotations GitHub takes in one request.
const annotationsLimit = 50

// Checks lists check runs and commit statuses at a commit, of each name and app
// only the newest, sorted by name and app.
// https://docs.github.com/rest/checks/runs#list-check-runs-for-a-git-reference
// https://docs.github.com/rest/commits/statuses#get-the-combined-status-for-a-specific-reference
func (c *Client) Checks(ctx context.Context, sha string) ([]forge.Check, error) {
	doing := fmt.Sprintf("listing checks at %.40q", sha)
	if !shaRE.MatchString(sha) {
		return nil, invalid(doing, "want a full object name")
	}
	runs, err := everyPageIn(ctx, c, doing, c.at("commits", sha, "check-runs"), url.Values{"filter": {"latest"}},
		func(page gh.ListCheckRunsResults) []*gh.CheckRun { return page.CheckRuns })
	if err != nil {
		return nil, err
	}
	statuses, err := everyPageIn(ctx, c, doing, c.at("commits", sha, "status"), nil,
		func(page gh.CombinedStatus) []*gh.RepoStatus { return page.Statuses })
	if err != nil {
		return nil, err
	}
	var all []forge.Check
	for _, r := range runs {
		all = append(all, toCheck(r))
	}
	for _, s := range statuses {
		all = append(all, statusCheck(sha, s))
	}
	return newest(all), nil
}

// newest keeps one check for each name and app. Ids grow, so the larger one is
// newer even when neither has started.
func newest(all []forge.Check) []forge.Check {
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if a.Name != b.Name {
			return a.Name < b.Name
		}
		if a.AppID != b.AppID {
			return a.AppID < b.AppID
		}
		return a.ID > b.ID
	})
	var kept []forge.Check
	for _, k := range all {
		if n := len(kept); n > 0 && kept[n-1].Name == k.Name && kept[n-1].AppID == k.AppID {
			continue
		}
		kept = append(kept, k)
	}
	return kept
}

// PutCheck posts a check run, or rewrites the one with an id that is not 0, and
// gives its id. More annotations than fit one request follow in further ones;
// only the last of them completes the check, so a check that says it is
// complete has all of its annotations. After an error the id tells what was
// begun, 0 if nothing.
// https://docs.github.com/rest/checks/runs#create-a-check-run
func (c *Client) PutCheck(ctx context.Context, report forge.CheckReport, id int64) (int64, error) {
	doing := fmt.Sprintf("posting check %q", report.Name)
	pages := annotationPages(report.Annotations)
	for n, page := range pages {
		var err error
		if id == 0 {
			id, err = c.createCheck(ctx, doing, report, page, n == len(pages)-1)
		} else {
			err = c.updateCheck(ctx, doing, report, page, n == len(pages)-1, id)
		}
		if err != nil {
			return id, err
		}
	}
	return id, nil
}

func (c *Client) createCheck(ctx context.Context, doing string, r forge.CheckReport, page []*gh.CheckRunAnnotation, last bool) (int64, error) {
	status, conclusion := progress(r, last)
	ask := gh.CreateCheckRunOptions{
		Name: r.Name, HeadSHA: r.HeadSHA, ExternalID: text(r.ExternalID), Status: status, Conclusion: conclusion,
		CompletedAt: c.completedAt(conclusion), Output: checkOutput(r, page),
	}
	made, _, err := c.gh.Checks.CreateCheckRun(ctx, c.owner, c.repo, ask)
	if err != nil {
		return 0, writeFailed(doing, err)
	}
	return made.GetID(), done(doing, made.GetID() != 0, "id")
}

func (c *Client) updateCheck(ctx context.Context, doing string, r forge.CheckReport, page []*gh.CheckRunAnnotation, last bool, id int64) error {
	status, conclusion := progress(r, last)
	ask := gh.UpdateCheckRunOptions{
		Name: r.Name, ExternalID: text(r.ExternalID), Status: status, Conclusion: conclusion,
		CompletedAt: c.completedAt(conclusion), Output: checkOutput(r, page),
	}
	_, _, err := c.gh.Checks.UpdateCheckRun(ctx, c.owner, c.repo, id, ask)
	return writeFailed(doing, err)
}

func progress(r forge.CheckReport, last bool) (status, conclusion *string) {
	if !last {
		return gh.String("in_progress"), nil
	}
	return text(r.Status), text(r.Conclusion)
}

// completedAt goes with a conclusion: without it GitHub refuses a completed
// check in some versions of its API.
func (c *Client) completedAt(conclusion *string) *gh.Timestamp {
	if conclusion == nil {
		return nil
	}
	return &gh.Timestamp{Time: c.wire.o.Now().UTC().Truncate(time.Second)}
}

func checkOutput(r forge.CheckReport, page []*gh.CheckRunAnnotation) *gh.CheckRunOutput {
	if r.Title == "" && r.Summary == "" && len(page) == 0 {
		return nil
	}
	return &gh.CheckRunOutput{Title: &r.Title, Summary: &r.Summary, Annotations: page}
}

// annotationPages cuts annotations to what a request takes; there always is at
// least one page.
func annotationPages(all []forge.Annotation) [][]*gh.CheckRunAnnotation {
	pages := [][]*gh.CheckRunAnnotation{nil}
	for i, a := range all {
		if i > 0 && i%annotationsLimit == 0 {
			pages = append(pages, nil)
		}
		line := max(a.Line, 1) // GitHub has no annotation for a whole file
		pages[len(pages)-1] = append(pages[len(pages)-1], &gh.CheckRunAnnotation{
			Path: gh.String(a.Path), StartLine: &line, EndLine: &line,
			AnnotationLevel: gh.String(a.Level), Title: text(a.Title), Message: gh.String(a.Message),
		})
	}
	return pages
}

// text leaves an empty string out of a request.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

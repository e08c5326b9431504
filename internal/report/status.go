// Package report tells people how things stand: what is queued, what is open,
// what was spent, what happened last.
//
// It promises that everything is read anew from the forge and the committed
// log: there is no cache that could disagree with them. It reads and changes
// nothing. Labels and bodies are shown as they are found; who may do what is
// not decided here.
package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Version is the version of Status as JSON. Fields may be added; none is
// removed or renamed.
const Version = 1

// Forge is what status reads. adapter/github.Client implements it; tests use it
// against the fake GitHub.
type Forge interface {
	Repository(ctx context.Context) (forge.Repository, error)
	Ref(ctx context.Context, name string) (forge.Ref, error)
	File(ctx context.Context, path, ref string) (forge.File, error)
	IssuesWithLabel(ctx context.Context, label string) ([]forge.Issue, error)
	OpenPulls(ctx context.Context) ([]forge.Pull, error)
	Checks(ctx context.Context, sha string) ([]forge.Check, error)
}

// ErrNoSeed means that the default branch has no seed.yaml.
var ErrNoSeed = errors.New("no seed.yaml on the default branch")

// Status is how a repository stands at a moment.
type Status struct {
	Version    int       `json:"version"`
	Repository string    `json:"repository"` // OWNER/NAME
	Branch     string    `json:"branch"`     // the default branch
	Commit     string    `json:"commit"`
	At         time.Time `json:"at"`
	Mode       string    `json:"mode"`
	Queue      []Task    `json:"queue"`
	Pulls      []Pull    `json:"pulls"`
	Budgets    []Budget  `json:"budgets"`
	Log        Log       `json:"log"`
}

// Task is one labelled issue as other systems know tasks.
type Task struct {
	ID             string    `json:"id"` // the issue's trigger; the task's key comes with its approval
	Type           string    `json:"type,omitempty"`
	Title          string    `json:"title"`
	Description    string    `json:"description"`
	CreatedAt      time.Time `json:"createdAt"`
	CreatedBy      string    `json:"createdBy"` // human | architect-agent | system
	Status         string    `json:"status"`    // pending | in_progress | completed | failed
	State          string    `json:"state,omitempty"`
	RepoSnapshotID string    `json:"repoSnapshotId"` // commit it would start from
	ScopePaths     []string  `json:"scopePaths"`
	IssueNumber    int       `json:"issueNumber"`
	URL            string    `json:"url,omitempty"`
}

// Pull is one open pull request of an agent.
type Pull struct {
	Number  int    `json:"number"`
	Issue   int    `json:"issue,omitempty"`
	Title   string `json:"title"`
	Head    string `json:"head"`
	Verdict string `json:"verdict"` // what the judge's check says at the head
	URL     string `json:"url,omitempty"`
}

// Budget is a limit of the seed and what is used of it.
type Budget struct {
	Key   string `json:"key"`
	Used  int64  `json:"used"`
	Limit int64  `json:"limit"`
	Place string `json:"place"` // seed.yaml:10, or default
}

// Log is the committed record: how long it is, and its newest entry.
type Log struct {
	Branch  string         `json:"branch"`
	Entries int            `json:"entries"`
	Last    *journal.Entry `json:"last,omitempty"`
	Fault   string         `json:"fault,omitempty"` // why it cannot be trusted
}

// Read asks the forge for everything. A log that does not verify is part of the
// answer and no error.
func Read(ctx context.Context, f Forge, now time.Time) (Status, error) {
	repository, err := f.Repository(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("reading the repository: %w", err)
	}
	st := Status{Version: Version, Repository: repository.FullName(), Branch: repository.DefaultBranch, At: now.UTC().Truncate(time.Second)}
	head, err := f.Ref(ctx, "refs/heads/"+st.Branch)
	if err != nil {
		return st, fmt.Errorf("reading %s: %w", st.Branch, err)
	}
	st.Commit = head.SHA
	s, err := seedAt(ctx, f, head.SHA)
	if err != nil {
		return st, err
	}
	st.Mode = s.Mode
	if st.Queue, err = queue(ctx, f, s, head.SHA); err != nil {
		return st, err
	}
	if st.Pulls, err = pulls(ctx, f); err != nil {
		return st, err
	}
	entries, err := st.readLog(ctx, f, s)
	if err != nil {
		return st, err
	}
	st.Budgets = budgets(s, entries, len(st.Pulls), now)
	return st, nil
}

func seedAt(ctx context.Context, f Forge, commit string) (*seed.Seed, error) {
	file, err := f.File(ctx, "seed.yaml", commit)
	if errors.Is(err, forge.ErrNotFound) {
		return nil, ErrNoSeed
	}
	if err != nil {
		return nil, fmt.Errorf("reading seed.yaml: %w", err)
	}
	return seed.Parse("seed.yaml", file.Content)
}

// queue lists what carries a trigger label or is under way, in the order in
// which a run would take it.
func queue(ctx context.Context, f Forge, s *seed.Seed, commit string) ([]Task, error) {
	seen := map[int]forge.Issue{}
	labels := slices.Clone(s.AutomationContract.TaskLabels.Triggers)
	for _, state := range task.States {
		labels = append(labels, state.Label())
	}
	for _, label := range labels {
		issues, err := f.IssuesWithLabel(ctx, label)
		if err != nil {
			return nil, fmt.Errorf("listing issues labelled %s: %w", label, err)
		}
		for _, i := range issues {
			seen[i.Number] = i
		}
	}
	issues := make([]forge.Issue, 0, len(seen))
	for _, i := range seen {
		issues = append(issues, i)
	}
	slices.SortFunc(issues, func(a, b forge.Issue) int {
		if d := priority(a) - priority(b); d != 0 {
			return d
		}
		return a.Number - b.Number
	})
	tasks := make([]Task, 0, len(issues))
	for _, i := range issues {
		tasks = append(tasks, taskOf(s, i, commit))
	}
	return tasks, nil
}

// priority is the order of labels priority:p0 to p3; no label comes last.
func priority(i forge.Issue) int {
	for p := range 4 {
		if i.HasLabel(fmt.Sprintf("priority:p%d", p)) {
			return p
		}
	}
	return 4
}

func taskOf(s *seed.Seed, i forge.Issue, commit string) Task {
	state, _ := task.StateOf(i.Labels)
	t := Task{ID: fmt.Sprintf("issue:%d", i.Number), Title: i.Title, Description: task.ParseSpec(i.Title, i.Body).Goal, CreatedAt: i.CreatedAt,
		CreatedBy: createdBy(i), Status: StatusOf(state), State: string(state), RepoSnapshotID: commit, ScopePaths: []string{},
		IssueNumber: i.Number, URL: i.HTMLURL}
	for _, kind := range s.TaskTypes {
		if kind.Label != "" && i.HasLabel(kind.Label) {
			t.Type = kind.ID
			t.ScopePaths = append(t.ScopePaths, kind.Scope...)
		}
	}
	if len(t.ScopePaths) == 0 {
		t.ScopePaths = append(t.ScopePaths, s.AutomationContract.AIAccess.WritePaths...)
	}
	return t
}

func createdBy(i forge.Issue) string {
	switch {
	case i.Author.ID == forge.ActionsBot.ID:
		return "architect-agent"
	case i.Author.Bot:
		return "system"
	}
	return "human"
}

// StatusOf maps a state to the four words other systems use.
func StatusOf(s task.State) string {
	switch s {
	case "", task.Proposed, task.Approved:
		return "pending"
	case task.Done:
		return "completed"
	case task.Failed:
		return "failed"
	}
	return "in_progress"
}

// branchPrefix begins the names of the branches that changes are published on.
const branchPrefix = "seedbed/"

// pulls lists the open pull requests from agents' branches of this repository,
// with what the judge's check says at each head.
func pulls(ctx context.Context, f Forge) ([]Pull, error) {
	open, err := f.OpenPulls(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing pull requests: %w", err)
	}
	list := []Pull{}
	for _, p := range open {
		if p.Fork() || !strings.HasPrefix(p.Head.Ref, branchPrefix) {
			continue
		}
		said, err := judged(ctx, f, p)
		if err != nil {
			return nil, err
		}
		list = append(list, Pull{Number: p.Number, Issue: issueOf(p.Head.Ref), Title: p.Title, Head: p.Head.SHA, Verdict: said, URL: p.HTMLURL})
	}
	return list, nil
}

// judged is the verdict at a pull request's head. A token that may not read
// checks leaves it open and does not hide the rest.
func judged(ctx context.Context, f Forge, p forge.Pull) (string, error) {
	checks, err := f.Checks(ctx, p.Head.SHA)
	var refused *forge.Error
	switch {
	case errors.Is(err, forge.ErrForbidden) && errors.As(err, &refused) && refused.Needs != "":
		return "unknown: the token lacks " + refused.Needs, nil
	case err != nil:
		return "", fmt.Errorf("reading the checks of #%d: %w", p.Number, err)
	}
	return verdict(checks), nil
}

// issueOf is the number in seedbed/12-abcdef12.
func issueOf(branch string) (n int) {
	number, _, _ := strings.Cut(strings.TrimPrefix(branch, branchPrefix), "-")
	if len(number) > 9 {
		return 0
	}
	for _, c := range number {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// verdict is the judge's newest check in words. Anybody who may write checks
// can post one of this name: it is shown, never acted on.
func verdict(checks []forge.Check) string {
	var newest *forge.Check
	for i, c := range checks {
		if c.Name == policy.CheckName && (newest == nil || c.ID > newest.ID) {
			newest = &checks[i]
		}
	}
	switch {
	case newest == nil:
		return "not judged yet"
	case newest.Status != "completed":
		return "waiting for a check"
	}
	switch newest.Conclusion {
	case "success":
		return "allowed"
	case "action_required":
		return "needs approval"
	case "failure":
		return "refused"
	}
	return newest.Conclusion
}

func (st *Status) readLog(ctx context.Context, f Forge, s *seed.Seed) ([]journal.Entry, error) {
	st.Log.Branch = st.Branch
	if s.Log.Branch != "" {
		st.Log.Branch = s.Log.Branch
	}
	file, err := f.File(ctx, journal.Path, st.Log.Branch)
	if errors.Is(err, forge.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", journal.Path, err)
	}
	entries, err := journal.Parse(file.Content)
	if err != nil {
		st.Log.Fault = err.Error()
		return nil, nil
	}
	st.Log.Entries = len(entries)
	if n := len(entries); n > 0 {
		st.Log.Last = &entries[n-1]
	}
	return entries, nil
}

// budgets compares the limits that are counted across runs with their use.
func budgets(s *seed.Seed, entries []journal.Entry, open int, now time.Time) []Budget {
	tokens, cycles, _ := journal.Totals(entries, now.Add(-24*time.Hour))
	_, _, effects := journal.Totals(entries, now.Add(-time.Hour))
	limit := func(key string, used int64, most int) Budget {
		return Budget{Key: key, Used: used, Limit: int64(most), Place: s.At(key).String()}
	}
	return []Budget{
		limit("budgets.day.tokens", tokens, s.Budgets.Day.Tokens),
		limit("budgets.day.cycles", cycles, s.Budgets.Day.Cycles),
		limit("budgets.open.pull_requests", int64(open), s.Budgets.Open.PullRequests),
		limit("budgets.effects_per_hour", effects, s.Budgets.EffectsPerHour),
	}
}

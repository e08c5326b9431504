package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/claim"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Select gives the tasks to work on now, in order, and the effects that claim
// them: lease, labels, acknowledgement. Effects come also with an error: a
// label that may not count is taken off and said so.
func Select(ctx context.Context, p Ports, s *seed.Seed, run rundir.Run, o Options) ([]task.Task, []effect.Effect, error) {
	if task.Killed(o.Kill) {
		return nil, nil, nothing("the kill switch is set (%s)", o.Kill)
	}
	candidates, err := candidates(ctx, p.Forge, s, o)
	if err != nil {
		return nil, nil, err
	}
	if len(candidates) == 0 {
		return nil, nil, nothing("%s", why(nil, s))
	}
	pulls, err := p.Forge.OpenPulls(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("listing pull requests: %w", err)
	}
	room, err := roomFor(ctx, p, s, run, pulls)
	if err != nil {
		return nil, nil, err
	}
	var tasks []task.Task
	var effects []effect.Effect
	var reasons []string
	refused := false
	for _, issue := range candidates {
		t, turned, err := accept(ctx, p, s, run, pulls, issue)
		if err != nil {
			return nil, nil, err
		}
		effects = append(effects, turned.effects...)
		if turned.why != "" {
			reasons = append(reasons, turned.why)
			refused = refused || len(turned.effects) > 0
			continue
		}
		if len(tasks) == room.tasks {
			return tasks, effects, room.full(len(tasks))
		}
		tasks = append(tasks, t)
		effects = append(effects, claim.Take(effect.Plan, s, run, t, p.Now())...)
	}
	if len(tasks) == 0 && refused {
		return nil, effects, &ending{outcome: rundir.NeedsApproval, reason: "not_granted", message: strings.Join(reasons, "; ")}
	}
	if len(tasks) == 0 {
		return nil, effects, nothing("%s", why(reasons, s))
	}
	return tasks, effects, nil
}

func why(reasons []string, s *seed.Seed) string {
	if len(reasons) == 0 {
		return "no open issue carries " + s.AutomationContract.TaskLabels.Triggers[0]
	}
	return strings.Join(reasons, "; ")
}

// candidates lists the issues to look at, oldest first. A run for one issue
// looks at that one alone; every other run drains the queue.
func candidates(ctx context.Context, f Forge, s *seed.Seed, o Options) ([]forge.Issue, error) {
	triggers := s.AutomationContract.TaskLabels.Triggers
	if n := o.Issue; n != 0 {
		issue, err := f.Issue(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("reading issue #%d: %w", n, err)
		}
		return []forge.Issue{issue}, nil
	}
	if o.Event.Kind == forge.EventIssues && !slices.Contains(triggers, o.Event.Label) {
		return nil, nothing("label %q starts nothing; %s does", o.Event.Label, strings.Join(triggers, " or "))
	}
	seen := map[int]bool{}
	var all []forge.Issue
	for _, label := range triggers {
		issues, err := f.IssuesWithLabel(ctx, label)
		if err != nil {
			return nil, fmt.Errorf("listing issues labelled %s: %w", label, err)
		}
		for _, i := range issues {
			if !seen[i.Number] {
				seen[i.Number] = true
				all = append(all, i)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b forge.Issue) int {
		if d := priority(a) - priority(b); d != 0 {
			return d
		}
		return a.Number - b.Number
	})
	return all, nil
}

func priority(i forge.Issue) int {
	for p := range 4 {
		if i.HasLabel(fmt.Sprintf("priority:p%d", p)) {
			return p
		}
	}
	return 4
}

// turnedAway says why an issue is no task now, with what to do about it.
type turnedAway struct {
	why     string
	effects []effect.Effect
}

// accept decides whether one issue is a task: open, labelled by somebody who
// may, unchanged since, not paused, not taken, without a pull request.
func accept(ctx context.Context, p Ports, s *seed.Seed, run rundir.Run, pulls []forge.Pull, issue forge.Issue) (task.Task, turnedAway, error) {
	none := task.Task{}
	skip := func(format string, args ...any) (task.Task, turnedAway, error) {
		return none, turnedAway{why: fmt.Sprintf("#%d ", issue.Number) + fmt.Sprintf(format, args...)}, nil
	}
	switch {
	case issue.IsPull:
		return skip("is a pull request")
	case issue.State != "open":
		return skip("is closed")
	case issue.HasLabel(task.PauseLabel):
		return skip("is held (%s)", task.PauseLabel)
	}
	grant, err := authority(ctx, p.Forge, s, issue)
	if err != nil {
		return none, turnedAway{}, err
	}
	if grant.Refusal != "" {
		return none, turnAway(grant, issue), nil
	}
	t := fromIssue(s, issue, grant, run.Base.Commit)
	if taken, err := takenBy(ctx, p, run, pulls, issue); err != nil || taken != "" {
		if err != nil {
			return none, turnedAway{}, err
		}
		return skip("%s", taken)
	}
	if state, _ := task.StateOf(issue.Labels); state == task.NeedsYou && !relabelled(grant) {
		return skip("waits for a person (%s); put the label on again to retry", state.Label())
	}
	return t, turnedAway{}, nil
}

// relabelled is kept simple: a person who wants another try takes seed:needs-you
// off or puts the trigger label on again, which makes a newer grant.
func relabelled(g task.Grant) bool { return g.At.After(g.LastState) }

// authority asks the forge who put the trigger label on, what they may do now,
// and whether the words changed since.
func authority(ctx context.Context, f Forge, s *seed.Seed, issue forge.Issue) (task.Grant, error) {
	events, err := f.Timeline(ctx, issue.Number)
	if err != nil {
		return task.Grant{}, fmt.Errorf("reading the timeline of #%d: %w", issue.Number, err)
	}
	g := task.LastGrant(events, s.AutomationContract.TaskLabels.Triggers, issue)
	if g.Refusal != "" {
		return g, nil
	}
	perm, err := f.Permission(ctx, g.By.Login)
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return g, fmt.Errorf("reading what %s may do: %w", g.By.Login, err)
	}
	edits, err := f.Edits(ctx, issue.Number)
	if err != nil {
		return g, fmt.Errorf("reading when #%d was edited: %w", issue.Number, err)
	}
	return g.Checked(perm, edits), nil
}

func turnAway(g task.Grant, issue forge.Issue) turnedAway {
	return turnedAway{why: fmt.Sprintf("#%d %s", issue.Number, g.Refusal), effects: claim.TurnAway(effect.Plan, g, issue)}
}

// takenBy says who else works on the issue, or nothing. A lease whose run has
// ended is stale and does not count.
//
// An issue without a state label was never claimed, or is being claimed this
// very second, or somebody took the label off: its lease is not asked for.
// Creating the lease decides, whatever is believed here.
func takenBy(ctx context.Context, p Ports, run rundir.Run, pulls []forge.Pull, issue forge.Issue) (string, error) {
	for _, pull := range pulls {
		if strings.HasPrefix(pull.Head.Ref, fmt.Sprintf("seedbed/%d-", issue.Number)) && !pull.Fork() {
			return fmt.Sprintf("has pull request #%d", pull.Number), nil
		}
	}
	if state, _ := task.StateOf(issue.Labels); state == "" {
		return "", nil // nobody ever worked on it
	}
	if merged, err := mergedBy(ctx, p, issue.Number); err != nil || merged != "" {
		return merged, err
	}
	ref, err := p.Forge.Ref(ctx, task.LeaseRef(issue.Number))
	if errors.Is(err, forge.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the lease of #%d: %w", issue.Number, err)
	}
	return leaseHolder(ctx, p, ref, run)
}

// mergedBy says whether the work on an issue is merged and only its end is
// missing: a run died after the merge, and the sweep closes the issue.
func mergedBy(ctx context.Context, p Ports, issue int) (string, error) {
	branches, err := p.Forge.RefsUnder(ctx, fmt.Sprintf("refs/heads/seedbed/%d-", issue))
	if err != nil {
		return "", fmt.Errorf("looking for branches of #%d: %w", issue, err)
	}
	for _, b := range branches {
		pulls, err := p.Forge.PullsByHead(ctx, strings.TrimPrefix(b.Name, "refs/heads/"))
		if err != nil {
			return "", fmt.Errorf("looking for the pull request of %s: %w", b.Name, err)
		}
		for _, pull := range pulls {
			if pull.Merged {
				return fmt.Sprintf("was merged by pull request #%d", pull.Number), nil
			}
		}
	}
	return "", nil
}

func leaseHolder(ctx context.Context, p Ports, ref forge.Ref, run rundir.Run) (string, error) {
	lease, err := readLease(ctx, p, ref)
	if err != nil {
		return "", err
	}
	if lease.Run == run.ID {
		return "", nil // ours, from an earlier attempt
	}
	stale, err := effect.Stale(ctx, p.Forge, lease, p.Now())
	if err != nil || stale {
		return "", err
	}
	return fmt.Sprintf("is taken by run %d until %s", lease.Run, task.Clock(lease.Expires)), nil
}

// room is how many tasks may be taken now, and which limit says so.
type room struct {
	tasks int
	limit string
}

func (r room) full(taken int) error {
	if taken > 0 {
		return nil
	}
	return &ending{outcome: rundir.BudgetExhausted, message: r.limit}
}

// roomFor counts what is open and what the day has spent. Every limit is
// counted from the forge and the log, never from memory.
func roomFor(ctx context.Context, p Ports, s *seed.Seed, run rundir.Run, pulls []forge.Pull) (room, error) {
	viewer, err := p.Forge.Viewer(ctx)
	if err != nil {
		return room{}, fmt.Errorf("asking who we are: %w", err)
	}
	open := 0
	for _, pull := range pulls {
		if !pull.Fork() && pull.Author.ID == viewer.ID && strings.HasPrefix(pull.Head.Ref, "seedbed/") {
			open++
		}
	}
	tokens, cycles, err := today(ctx, p, s, run)
	if err != nil {
		return room{}, err
	}
	leases, reserved, err := claimed(ctx, p, run)
	if err != nil {
		return room{}, err
	}
	open, tokens = open+leases, tokens+reserved
	b := s.Budgets
	best := room{b.Cycle.Tasks, fmt.Sprintf("a cycle takes %d tasks [%s]", b.Cycle.Tasks, s.At("budgets.cycle.tasks"))}
	for _, r := range []room{
		{b.Open.PullRequests - open, fmt.Sprintf("%d of %d pull requests are open or being made; merge or close one [%s]", open,
			b.Open.PullRequests, s.At("budgets.open.pull_requests"))},
		{int((int64(b.Day.Tokens) - tokens) / int64(max(1, b.Task.Tokens))), fmt.Sprintf(
			"%d of %d tokens of the last 24 hours are used or reserved and a task reserves %d [%s]", tokens, b.Day.Tokens, b.Task.Tokens, s.At("budgets.day.tokens"))},
		{b.Cycle.Tokens / max(1, b.Task.Tokens), fmt.Sprintf("a cycle has %d tokens and a task reserves %d [%s]", b.Cycle.Tokens, b.Task.Tokens,
			s.At("budgets.cycle.tokens"))},
		{manyIf(cycles < int64(b.Day.Cycles)), fmt.Sprintf("%d of %d cycles of the last 24 hours are used [%s]", cycles, b.Day.Cycles,
			s.At("budgets.day.cycles"))},
	} {
		if r.tasks < best.tasks {
			best = r
		}
	}
	best.tasks = max(0, best.tasks)
	return best, nil
}

// claimed counts what other runs hold at this moment: their leases, and the
// tokens reserved in them. A lease whose run has ended holds nothing.
func claimed(ctx context.Context, p Ports, run rundir.Run) (leases int, tokens int64, err error) {
	refs, err := p.Forge.RefsUnder(ctx, "refs/seedbed/leases/")
	if err != nil {
		return 0, 0, fmt.Errorf("listing leases: %w", err)
	}
	for _, ref := range refs {
		lease, err := readLease(ctx, p, ref)
		if err != nil {
			return 0, 0, err
		}
		if lease.Run == run.ID {
			continue
		}
		stale, err := effect.Stale(ctx, p.Forge, lease, p.Now())
		if err != nil {
			return 0, 0, err
		}
		if !stale {
			leases, tokens = leases+1, tokens+lease.Tokens
		}
	}
	return leases, tokens, nil
}

func readLease(ctx context.Context, p Ports, ref forge.Ref) (task.Lease, error) {
	file, err := p.Forge.File(ctx, "lease.json", ref.SHA)
	if err != nil {
		return task.Lease{}, fmt.Errorf("reading a lease: %w", err)
	}
	var lease task.Lease
	if err := json.Unmarshal(file.Content, &lease); err != nil {
		return task.Lease{}, fmt.Errorf("reading a lease: %w", err)
	}
	return lease, nil
}

func manyIf(ok bool) int {
	if ok {
		return 1 << 20
	}
	return 0
}

func today(ctx context.Context, p Ports, s *seed.Seed, run rundir.Run) (tokens, cycles int64, err error) {
	log, err := readLog(ctx, p, s, run)
	if err != nil {
		return 0, 0, fmt.Errorf("reading %s: %w", journal.Path, err)
	}
	entries, err := journal.Parse(log)
	if err != nil {
		return 0, 0, err
	}
	tokens, cycles, _ = journal.Totals(entries, p.Now().Add(-24*time.Hour))
	return tokens, cycles, nil
}

// readLog reads the log as the base commit holds it, which the forge named at
// the start of this run. One on a branch of its own is asked for. No log yet is
// an empty one.
func readLog(ctx context.Context, p Ports, s *seed.Seed, run rundir.Run) ([]byte, error) {
	if s.Log.Branch == "" || s.Log.Branch == run.Base.Branch {
		log, _, err := p.Source.Read(ctx, run.Base.Commit, journal.Path)
		return log, err
	}
	file, err := p.Forge.File(ctx, journal.Path, s.Log.Branch)
	if errors.Is(err, forge.ErrNotFound) {
		return nil, nil
	}
	return file.Content, err
}

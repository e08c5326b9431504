package policy

import (
	"fmt"
	"sort"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// Switch is one of the things that must all say yes before an agent's change
// merges without a person. Seed is the line behind it.
type Switch struct {
	Name string `json:"name"`
	On   bool   `json:"on"`
	Seed string `json:"seed"`
}

// MergesAlone gives the four switches as they stand for this change. They are
// necessary, not enough: the tier must be low and no rule may ask for a person.
// The place is on when the base branch is a sandbox branch or every changed
// file lies in a pre-approved module; with neither list set nothing is.
func MergesAlone(s *seed.Seed, f Facts, c change.Series) []Switch {
	place := func(key string) string { return s.At(key).String() }
	return []Switch{
		{Name: "mode: auto", On: s.Mode == "auto", Seed: place("mode")},
		{Name: "phase: 4 or more", On: s.Phase >= 4, Seed: place("phase")},
		{Name: "allow_auto_merge: true", On: s.AutomationContract.MergePolicy.AllowAutoMerge,
			Seed: place("automation_contract.merge_policy.allow_auto_merge")},
		preapproved(s, f, c),
	}
}

func preapproved(s *seed.Seed, f Facts, c change.Series) Switch {
	sw := Switch{Name: "a pre-approved place", Seed: s.At("growth.preapproved_modules").String()}
	for i, glob := range s.Growth.SandboxBranches {
		if f.BaseBranch != "" && seed.Match(glob, f.BaseBranch) {
			return Switch{Name: sw.Name, On: true, Seed: s.At(fmt.Sprintf("growth.sandbox_branches[%d]", i)).String()}
		}
	}
	sw.On = len(c.Whole.Files) > 0 && len(s.Growth.PreapprovedModules) > 0
	for _, file := range c.Whole.Files {
		for _, path := range sides(file) {
			sw.On = sw.On && matchesAny(s.Growth.PreapprovedModules, path)
		}
	}
	return sw
}

func matchesAny(globs []string, path string) bool {
	for _, g := range globs {
		if len(path) <= maxPathBytes && seed.Match(g, path) {
			return true
		}
	}
	return false
}

func allOn(switches []Switch) bool {
	for _, s := range switches {
		if !s.On {
			return false
		}
	}
	return true
}

// approvals is what people said about this tree and what is still wanted.
type approvals struct {
	given    []forge.User // count towards the number, by id
	blocking []forge.User // asked for changes
	ignored  []string     // reviews that do not count, and why
	required int
	why      string   // where the number comes from
	listOnly string   // the list one of whose people must be among given, "" if none or met
	self     bool     // the author, an administrator, is the only one who could
	nobody   bool     // people are wanted and nobody could
	teams    []string // that the seed lists and nobody could resolve
	needs    []string
}

// settled says that people agreed to exactly this tree, or that none need to.
func (a approvals) settled() bool {
	return len(a.teams) == 0 && len(a.blocking) == 0 && a.listOnly == "" && !a.nobody &&
		(a.self || len(a.given) >= a.required)
}

func (a approvals) summary() string {
	switch {
	case a.self:
		return "self-approved: the author is the only one who could"
	case len(a.given) == 0:
		return "no approval wanted (" + a.why + ")"
	}
	return fmt.Sprintf("%s (%d wanted: %s)", strings.Join(logins(a.given), ", "), a.required, a.why)
}

func logins(users []forge.User) []string {
	var names []string
	for _, u := range users {
		names = append(names, at(u))
	}
	sort.Strings(names)
	return names
}

// judgeApproval wants enough of the right people to have approved exactly the
// judged tree. A bot, the pull request's author and whoever stands as author or
// committer of a commit never count; permission is that of now.
func judgeApproval(in input) Result {
	a := in.yes
	switch {
	case len(a.teams) > 0:
		return Result{Outcome: Error, Reason: "could not tell who is in " + strings.Join(a.teams, ", "), Findings: in.teamFindings()}
	case a.settled():
		return Result{Outcome: Pass, Reason: a.summary(), Findings: in.ignoredNotes()}
	}
	return Result{Outcome: Pending, Reason: in.waitingFor(), Findings: append(in.approvalFindings(), in.ignoredNotes()...), Needs: a.needs}
}

func (in input) waitingFor() string {
	a := in.yes
	if len(a.blocking) > 0 {
		return "changes requested by " + strings.Join(logins(a.blocking), ", ")
	}
	return fmt.Sprintf("%d of %s at tree %s", len(a.given), plural(a.required, "approval"), short(in.change.Whole.Head.SHA))
}

func (in input) approvalFindings() []finding.Finding {
	a := in.yes
	f := finding.Finding{Severity: finding.Warning, Seed: in.approvalSeed(), Who: strings.Join(a.needs, ", ")}
	switch {
	case len(a.blocking) > 0:
		f.Message = in.waitingFor()
		f.Hint = "they approve, or someone dismisses their review"
		f.Who = strings.Join(logins(a.blocking), ", ")
	case a.nobody:
		f.Message = fmt.Sprintf("%s wanted (%s) and nobody can give it", plural(a.required, "approval"), a.why)
		f.Hint = "give a second person write permission, or list people in approvals.merge"
		f.Who = in.owner()
	case a.listOnly != "":
		f.Message = "no approval yet by one of " + a.listOnly
		f.Hint = "one of them approves this tree"
		f.Seed = in.place("automation_contract.merge_policy.require_human_review_from")
	default:
		f.Message = in.waitingFor() + " (" + a.why + ")"
		f.Hint = "approve the pull request as it stands now"
	}
	return []finding.Finding{f}
}

// ignoredNotes says which reviews do not count, so that nobody wonders.
func (in input) ignoredNotes() []finding.Finding {
	var notes []finding.Finding
	for _, why := range in.yes.ignored {
		notes = append(notes, finding.Finding{Severity: finding.Note, Message: why, Hint: "approve the tree as it stands now, by somebody else than its makers",
			Seed: "built in", Who: in.approvers()})
	}
	return notes
}

func (in input) teamFindings() []finding.Finding {
	var list []finding.Finding
	for _, t := range in.yes.teams {
		list = append(list, finding.Finding{Severity: finding.Error, Message: "team " + t + " cannot be resolved with this token",
			Hint: "list logins instead, or give the workflow an App token that may read members", Seed: in.approvalSeed(), Who: in.owner()})
	}
	return list
}

// approvalSeed is the line of the number for this tier.
func (in input) approvalSeed() string {
	return in.place("approvals.required." + string(in.knownRisk()))
}

// knownRisk is the tier, High for one from elsewhere.
func (in input) knownRisk() Tier {
	switch in.risk {
	case Low, Medium:
		return in.risk
	}
	return High
}

// countApprovals reads the reviews. It runs after the rules whose silence a
// person's yes can stand in for.
func countApprovals(in input) approvals {
	var a approvals
	allowed, teams := in.allowedPeople(in.seed.Approvals.Merge, in.seed.AutomationContract.MergePolicy.RequireHumanReviewFrom)
	a.teams = teams
	for _, r := range latestReviews(in.facts.Reviews) {
		in.weigh(&a, r, allowed)
	}
	a.required, a.why = in.requiredApprovals()
	in.wantListed(&a)
	in.capAtEligible(&a, allowed)
	if a.required == 0 && a.listOnly == "" {
		a.teams = nil // who is in them does not matter
	}
	if !a.settled() {
		a.needs = in.needsText(a)
	}
	return a
}

// latestReviews gives each person's newest opinion. A comment is none; a
// dismissed review takes back what stood before it.
func latestReviews(reviews []ReviewFact) []ReviewFact {
	newest := map[int64]ReviewFact{}
	for _, r := range reviews {
		switch r.State {
		case "APPROVED", "CHANGES_REQUESTED", "DISMISSED":
		default:
			continue
		}
		if old, ok := newest[r.Author.ID]; !ok || newer(r, old) {
			newest[r.Author.ID] = r
		}
	}
	var list []ReviewFact
	for _, r := range newest {
		list = append(list, r)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Author.ID < list[j].Author.ID })
	return list
}

func newer(a, b ReviewFact) bool {
	if !a.SubmittedAt.Equal(b.SubmittedAt) {
		return a.SubmittedAt.After(b.SubmittedAt)
	}
	return a.ID > b.ID
}

func (in input) weigh(a *approvals, r ReviewFact, allowed people) {
	switch r.State {
	case "CHANGES_REQUESTED":
		if r.Permission.Push && !r.Author.Bot {
			a.blocking = append(a.blocking, r.Author)
		}
	case "APPROVED":
		if why := in.doesNotCount(r, allowed); why != "" {
			a.ignored = append(a.ignored, fmt.Sprintf("approval by %s does not count: %s", at(r.Author), why))
			return
		}
		a.given = append(a.given, r.Author)
	}
}

func (in input) doesNotCount(r ReviewFact, allowed people) string {
	switch {
	case r.Author.ID == 0:
		return "the account is gone"
	case r.Author.Bot:
		return "a bot"
	case r.Author.ID == in.facts.Author.ID:
		return "the pull request's author"
	case r.Author.ID == in.facts.Viewer.ID:
		return "the account Seedbed writes as"
	case in.madeCommit(r.Author.ID):
		return "author or committer of a commit here"
	case r.Tree == "" || r.Tree != in.change.Whole.Head.SHA:
		return "given at another tree"
	case !r.Permission.Push:
		return "no write permission now"
	case !allowed.has(r.Author):
		return "not among those the seed lists"
	}
	return ""
}

func (in input) madeCommit(id int64) bool {
	for _, c := range in.facts.Commits {
		if c.Author.ID == id || c.Committer.ID == id {
			return true
		}
	}
	return false
}

// requiredApprovals is the number by tier. An agent's change wants one at least
// unless it may merge alone; whatever could not be looked at wants one too.
func (in input) requiredApprovals() (int, string) {
	tier := in.knownRisk()
	n := map[Tier]int{Low: in.seed.Approvals.Required.Low, Medium: in.seed.Approvals.Required.Medium, High: in.seed.Approvals.Required.High}[tier]
	why := string(tier) + " risk"
	if n > 0 {
		return n, why
	}
	if len(in.asks) > 0 {
		return 1, "asked for by " + strings.Join(in.asks, ", ")
	}
	if in.facts.Agent && (tier != Low || !allOn(MergesAlone(in.seed, in.facts, in.change))) {
		return 1, "an agent's change"
	}
	if in.facts.Agent && len(in.seed.AutomationContract.MergePolicy.RequireHumanReviewFrom) > 0 {
		return 1, "require_human_review_from"
	}
	return 0, why
}

// wantListed checks require_human_review_from: one of these must be among the
// approvals of an agent's change.
func (in input) wantListed(a *approvals) {
	list := in.seed.AutomationContract.MergePolicy.RequireHumanReviewFrom
	if len(list) == 0 || !in.facts.Agent {
		return
	}
	named, _ := in.allowedPeople(list)
	for _, u := range a.given {
		if named.has(u) {
			return
		}
	}
	a.listOnly = mentions(list)
}

// capAtEligible lowers the number on a person's own pull request to those who
// could approve it; where nobody could, an administrator's own word is enough.
// An agent's change never gets by on fewer.
func (in input) capAtEligible(a *approvals, allowed people) {
	if in.facts.Eligible == nil || a.required == 0 {
		return
	}
	able := 0
	for _, u := range in.facts.Eligible {
		if u.ID != 0 && !u.Bot && u.ID != in.facts.Author.ID && u.ID != in.facts.Viewer.ID && !in.madeCommit(u.ID) && allowed.has(u) {
			able++
		}
	}
	able = max(able, len(a.given))
	switch {
	case in.facts.Agent:
		a.nobody = able < a.required
	case able == 0 && in.facts.AuthorPermission.Admin:
		a.self = true
	case able == 0:
		a.nobody = true
	case able < a.required:
		a.required = able
		a.why += fmt.Sprintf(", capped at the %d who can", able)
	}
}

// people is a set of accounts the seed lists; the zero value means everybody.
type people struct {
	listed bool
	logins map[string]bool
	ids    map[int64]bool
}

// has goes by the login the forge gives for this id now, or by the id of a
// resolved team's member.
func (p people) has(u forge.User) bool {
	return !p.listed || p.ids[u.ID] || u.Login != "" && p.logins[strings.ToLower(u.Login)]
}

// allowedPeople joins lists of logins and teams; teams that the facts do not
// resolve are given back.
func (in input) allowedPeople(lists ...[]string) (people, []string) {
	p := people{logins: map[string]bool{}, ids: map[int64]bool{}}
	var unresolved []string
	for _, list := range lists {
		for _, name := range list {
			p.listed = true
			if !strings.Contains(name, "/") {
				p.logins[strings.ToLower(strings.TrimPrefix(name, "@"))] = true
				continue
			}
			members, ok := in.facts.Teams[name]
			if !ok {
				unresolved = append(unresolved, name)
			}
			for _, m := range members {
				p.ids[m.ID] = true
			}
		}
	}
	sort.Strings(unresolved)
	return p, unresolved
}

// needsText names who must act, for the verdict's Needs.
func (in input) needsText(a approvals) []string {
	switch {
	case len(a.blocking) > 0:
		return logins(a.blocking)
	case a.nobody:
		return []string{"nobody can give this approval yet: " + in.owner() + " must add people"}
	case a.listOnly != "":
		return []string{a.listOnly}
	}
	return []string{in.approvers()}
}

// approvers says who may approve: "@ana", "@ana or anyone with write".
func (in input) approvers() string {
	merge, review := in.seed.Approvals.Merge, in.seed.AutomationContract.MergePolicy.RequireHumanReviewFrom
	if list := append(append([]string(nil), merge...), review...); len(list) > 0 {
		return mentions(list)
	}
	var names []string
	for _, o := range in.ownerNames() {
		if !strings.EqualFold(o, at(in.facts.Author)) {
			names = append(names, o)
		}
	}
	return strings.Join(append(names, "anyone with write"), " or ")
}

func mentions(list []string) string {
	seen := map[string]bool{}
	var names []string
	for _, n := range list {
		n = "@" + strings.TrimPrefix(n, "@")
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return strings.Join(names, " or ")
}

// Approvals counts the people whose yes counts for exactly this tree, as rule
// approval does.
func Approvals(s *seed.Seed, c change.Series, f Facts) int {
	return len(countApprovals(input{seed: s, change: c, facts: f}).given)
}

package policy

import (
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// ReleaseFacts is what is known of a commit that is to go out, gathered from
// the forge, git and the log. What could not be read stands in Unreadable under
// the name of its rule, never as a zero.
type ReleaseFacts struct {
	OnBranch   bool              `json:"on_branch"`        // on the default branch, by first parents alone
	Logged     Decision          `json:"logged,omitempty"` // what the log says the judge decided when it was merged; empty: not in the log
	Author     forge.User        `json:"author"`           // of the commit, as the forge associates it
	Pusher     forge.User        `json:"pusher"`           // who sent the push event about this commit, zero without one
	Viewer     forge.User        `json:"viewer"`           // the account Seedbed writes as
	Frozen     bool              `json:"frozen"`           // refs/seedbed/freeze/deploy exists
	Unreadable map[string]string `json:"unreadable,omitempty"`
}

// Released says that a commit may go out. Its fields can be filled only here;
// no deploy script runs without one. The zero value permits nothing.
type Released struct {
	sha   string
	alone bool
}

// Covers says whether exactly this commit may go out.
func (r Released) Covers(sha string) bool { return sha != "" && r.sha == sha }

// Alone says whether this commit may go on to production without a person's
// word.
func (r Released) Alone(sha string) bool { return r.Covers(sha) && r.alone }

// ReleaseVerdict is the whole answer about one commit.
type ReleaseVerdict struct {
	SHA      string   `json:"sha"`
	Policy   string   `json:"policy"` // digest of the seed
	Decision Decision `json:"decision"`
	Results  []Result `json:"results"`
}

// Worst is the first rule that stands in the way, if any does.
func (v ReleaseVerdict) Worst() (Result, bool) {
	for _, outcome := range []Outcome{Error, Fail} {
		for _, r := range v.Results {
			if r.Outcome == outcome {
				return r, true
			}
		}
	}
	return Result{}, false
}

// JudgeRelease says whether a commit may go out: merged on the default branch,
// with an allowed verdict or by a person, nothing frozen. Limits of the deploy
// section that this version does not act on keep it from going to production by
// itself. It is pure, as Judge is.
func JudgeRelease(s *seed.Seed, sha string, f ReleaseFacts) (Released, ReleaseVerdict) {
	v := ReleaseVerdict{SHA: sha, Policy: s.Digest(), Decision: Allowed}
	for _, rule := range []struct {
		name  string
		judge func(*seed.Seed, ReleaseFacts) Result
	}{{"branch", releaseBranch}, {"merge", releaseMerge}, {"freeze", releaseFreeze}, {"resources", releaseLimits}} {
		r := Result{Outcome: Error, Reason: "could not read " + f.Unreadable[rule.name]}
		if _, bad := f.Unreadable[rule.name]; !bad {
			r = rule.judge(s, f)
		}
		r.Rule = rule.name
		v.Results = append(v.Results, r)
	}
	if worst, bad := v.Worst(); bad {
		v.Decision = Reject
		if worst.Outcome == Error {
			v.Decision = CouldNotJudge
		}
		return Released{}, v
	}
	unseen := v.Results[len(v.Results)-1].Outcome == NotEvaluated
	if unseen {
		v.Decision = NeedsApproval
	}
	return Released{sha: sha, alone: s.Deploy.Promotion == "auto" && !unseen}, v
}

func releaseBranch(_ *seed.Seed, f ReleaseFacts) Result {
	if !f.OnBranch {
		return Result{Outcome: Fail, Reason: "not on the default branch: only what was merged goes out"}
	}
	return Result{Outcome: Pass, Reason: "merged on the default branch"}
}

// releaseMerge tells the two ways a commit may have come to the default branch.
// An account of a program vouches for nothing: its merges must be in the log.
func releaseMerge(_ *seed.Seed, f ReleaseFacts) Result {
	person := func(u forge.User) bool { return u.ID != 0 && !u.Bot && u.ID != f.Viewer.ID }
	switch {
	case f.Logged == Allowed:
		return Result{Outcome: Pass, Reason: "merged with an allowed verdict, says the log"}
	case f.Logged != "":
		return Result{Outcome: Fail, Reason: fmt.Sprintf("the log says %s of its merge", f.Logged)}
	case person(f.Pusher):
		return Result{Outcome: Pass, Reason: "pushed by @" + f.Pusher.Login}
	case person(f.Author):
		return Result{Outcome: Pass, Reason: "merged by @" + f.Author.Login}
	}
	return Result{Outcome: Fail, Reason: "neither in the log as merged with an allowed verdict nor merged by a person"}
}

func releaseFreeze(_ *seed.Seed, f ReleaseFacts) Result {
	if f.Frozen {
		return Result{Outcome: Fail, Reason: "deploys are frozen since a release was rolled back: a person deletes refs/seedbed/freeze/deploy"}
	}
	return Result{Outcome: Pass, Reason: "not frozen"}
}

// releaseLimits holds production for a person when the seed asks for something
// about deploys that nothing looks at yet.
func releaseLimits(s *seed.Seed, _ ReleaseFacts) Result {
	var found []finding.Finding
	for _, u := range s.ReservedInUse() {
		if u.Limit && strings.HasPrefix(u.Path, "deploy.") {
			found = append(found, finding.Finding{Rule: "resources", Severity: finding.Warning, Message: u.Path + ": not acted on by this version",
				Hint: "a person looks at it and promotes, or the line goes", Seed: u.Place.String()})
		}
	}
	if len(found) > 0 {
		return Result{Outcome: NotEvaluated, Reason: "no rule for it in this version", Findings: found}
	}
	return Result{Outcome: NotApplicable, Reason: "no resource or further signal named"}
}

package policy

import (
	"fmt"

	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/forge"
)

// FactsVersion is the version of stored facts; facts of another version are
// refused by whoever reads them.
const FactsVersion = 1

// Facts is what is known of a change beside its bytes, gathered once from the
// forge, the log and the run. Times are those the forge told; there is no
// "now". A fact that could not be read stands in Unreadable, never as an empty
// list.
type Facts struct {
	Version    int              `json:"version"`
	Binary     string           `json:"binary"`
	Repository forge.Repository `json:"repository"`
	Agent      bool             `json:"agent"`  // made by our stages; else a person's change
	Author     forge.User       `json:"author"` // of the pull request; our own account for an agent's change
	Viewer     forge.User       `json:"viewer"` // the account Seedbed writes as
	Issue      int              `json:"issue,omitempty"`
	Pull       int              `json:"pull,omitempty"`
	BaseBranch string           `json:"base_branch"`
	HeadCommit string           `json:"head_commit"`

	Commits    []CommitFact    `json:"commits"`          // oldest first, base exclusive
	Checks     []forge.Check   `json:"checks"`           // at the head, newest per name and app
	ChecksRead bool            `json:"checks_read"`      // false before a head exists on the forge
	Reviews    []ReviewFact    `json:"reviews"`          // submitted, in order
	Labels     []string        `json:"labels,omitempty"` // of the pull request
	Open       []int           `json:"open,omitempty"`   // other open pull requests of agents
	Spent      Spent           `json:"spent"`            // from the log and open leases
	Loop       Loop            `json:"loop"`
	Sandbox    []command.Layer `json:"sandbox,omitempty"`
	Reported   []Reported      `json:"reported,omitempty"` // what verify measured
	Review     *ReviewOpinion  `json:"review,omitempty"`   // can lower, never raise
	LogBroken  string          `json:"log_broken,omitempty"`
	// Eligible are the people beside the author who may approve now: not bots,
	// with write permission. Nil means that it was not read.
	Eligible []forge.User `json:"eligible"`
	// AuthorPermission is what the pull request's author may do now.
	AuthorPermission forge.Permission `json:"author_permission"`
	// Teams holds the members of each org/team that the seed's lists name and
	// the token could read. A named team that is missing here is an error.
	Teams      map[string][]forge.User `json:"teams,omitempty"`
	Unreadable map[string]string       `json:"unreadable,omitempty"` // rule -> what could not be read
	TaskRisk   Tier                    `json:"task_risk,omitempty"`  // from the task; can raise, never lower
}

// CommitFact tells who vouches for a commit. Recorded means our run directory
// or hidden block names its tree at this place of the chain. Pusher is the
// account the forge's own records name, zero when it has none.
type CommitFact struct {
	SHA       string     `json:"sha"`
	Tree      string     `json:"tree"`
	Parents   []string   `json:"parents"`
	Recorded  bool       `json:"recorded"`
	Author    forge.User `json:"author"`
	Committer forge.User `json:"committer"`
}

// ReviewFact is a review with the tree of the commit it was given at and what
// its author may do now.
type ReviewFact struct {
	forge.Review
	Tree       string           `json:"tree"`
	Permission forge.Permission `json:"permission"`
}

// Spent is what the day and the cycle have used so far, this change excluded.
type Spent struct {
	DayTokens int64 `json:"day_tokens"`
	DayCycles int64 `json:"day_cycles"`
	Lines     int64 `json:"cycle_lines"`
	Files     int64 `json:"cycle_files"`
}

// Loop is what stops a runaway.
type Loop struct {
	Kill   string `json:"kill,omitempty"`   // value of the kill switch variable; anything but empty, 0, false or off stops
	Paused bool   `json:"paused,omitempty"` // the pause label stands on the issue or pull request
	Hops   int64  `json:"hops"`             // how many agent changes led to this one
}

// Reported is one command measured in a fresh clone without a model key.
type Reported struct {
	Command string `json:"command"`
	Base    string `json:"base"` // pass | fail | not run
	Head    string `json:"head"`
	Passed  int    `json:"passed,omitempty"`
	Total   int    `json:"total,omitempty"`
}

// ReviewOpinion is a reviewer's verdict about exactly this tree.
type ReviewOpinion struct {
	Tree    string `json:"tree"`
	Verdict string `json:"verdict"` // approve | rework | none
}

func (f Facts) sandboxLines() []string {
	var lines []string
	for _, l := range f.Sandbox {
		state := "in force"
		if !l.InForce {
			state = "missing"
		}
		line := fmt.Sprintf("%s: %s", l.Name, state)
		if l.Detail != "" {
			line += " (" + l.Detail + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

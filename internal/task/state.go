package task

import (
	"fmt"
	"strings"
)

// State is where a task stands. Its label is "seed:" followed by the state.
type State string

// The states. The first five are the common way, the rest are side states.
const (
	Proposed State = "proposed"
	Approved State = "approved"
	Working  State = "working"
	InReview State = "in-review"
	Done     State = "done"
	NeedsYou State = "needs-you"
	Blocked  State = "blocked"
	Failed   State = "failed"
	Held     State = "held"
)

// States lists all states in the order of the life cycle.
var States = []State{Proposed, Approved, Working, InReview, Done, NeedsYou, Blocked, Failed, Held}

// Label is the state's label on the issue.
func (s State) Label() string { return "seed:" + string(s) }

// PauseLabel stops every step on the issue or pull request that carries it.
const PauseLabel = "seed:held"

// Killed reads the kill switch: only empty, 0, false and off let agents run.
func Killed(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "", "0", "false", "off":
		return false
	}
	return true
}

// Move is something that happened to a task.
type Move string

// The moves.
const (
	Approve  Move = "approve"  // a person put the trigger label on
	Claim    Move = "claim"    // a run took the lease
	Publish  Move = "publish"  // a pull request is open
	Merge    Move = "merge"    // it was merged
	Refuse   Move = "refuse"   // the judge said no, or a question is open
	Stall    Move = "stall"    // not ours: red at base, missing environment
	Fail     Move = "fail"     // attempts are used up
	Hold     Move = "hold"     // a person stopped it
	Resume   Move = "resume"   // a person lets it go on
	Withdraw Move = "withdraw" // the label was taken off or the pull request closed
)

var moves = map[Move]map[State]State{
	Approve:  {"": Approved, Proposed: Approved, NeedsYou: Approved, Blocked: Approved, Failed: Approved, Approved: Approved},
	Claim:    {"": Working, Approved: Working, NeedsYou: Working, Blocked: Working, Failed: Working, Working: Working},
	Publish:  {Working: InReview, Approved: InReview, InReview: InReview, NeedsYou: InReview},
	Merge:    {InReview: Done, NeedsYou: Done, Working: Done, Done: Done},
	Refuse:   {Working: NeedsYou, Approved: NeedsYou, InReview: NeedsYou, NeedsYou: NeedsYou},
	Stall:    {Working: Blocked, Approved: Blocked, Blocked: Blocked},
	Fail:     {Working: Failed, InReview: Failed, Failed: Failed},
	Hold:     {Approved: Held, Working: Held, InReview: Held, NeedsYou: Held, Held: Held},
	Resume:   {Held: Approved, NeedsYou: Approved, Blocked: Approved},
	Withdraw: {Proposed: "", Approved: "", Working: "", NeedsYou: "", Blocked: "", Failed: "", InReview: NeedsYou},
}

// Next gives the state after a move, or an error that names the pair. The
// empty state is an issue without any of our labels.
func Next(from State, m Move) (State, error) {
	to, ok := moves[m][from]
	if !ok {
		return from, fmt.Errorf("task: cannot %s when %s", m, from.name())
	}
	return to, nil
}

func (s State) name() string {
	if s == "" {
		return "unlabelled"
	}
	return string(s)
}

// StateOf reads the state from an issue's labels. Several state labels at once
// are a person's doing: the last in life-cycle order is taken and odd is true.
func StateOf(labels []string) (state State, odd bool) {
	found := 0
	for _, s := range States {
		for _, l := range labels {
			if l == s.Label() {
				state = s
				found++
			}
		}
	}
	return state, found > 1
}

// Labels gives the labels to put on and to take off so that the issue shows
// exactly the state to.
func Labels(have []string, to State) (add, remove []string) {
	for _, s := range States {
		on := false
		for _, l := range have {
			on = on || l == s.Label()
		}
		switch {
		case s == to && !on:
			add = append(add, s.Label())
		case s != to && on:
			remove = append(remove, s.Label())
		}
	}
	return add, remove
}

package effect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
)

// State is how an effect ended.
type State string

// The ends of an effect. Pending means that Apply stopped before it.
const (
	Done    State = "done"
	Already State = "already"
	Refused State = "refused"
	Waiting State = "pending"
	Broken  State = "failed"
)

// Result is what came of one effect. Number, SHA and URL name what was made or
// found, where there is such a thing.
type Result struct {
	Kind   Kind   `json:"kind"`
	Stage  Stage  `json:"stage"`
	Key    string `json:"key"`
	Line   string `json:"line"`
	State  State  `json:"state"`
	Detail string `json:"detail,omitempty"`
	Number int    `json:"number,omitempty"`
	ID     int64  `json:"id,omitempty"`
	SHA    string `json:"sha,omitempty"`
	URL    string `json:"url,omitempty"`
}

// Cleaner makes an outgoing text harmless, or says why it may not leave.
// Implementation: Clean in this package, with the secrets of the process.
type Cleaner func(text string, max int) (string, error)

// Applier applies effects. Stop is asked right before the first mutation of a
// batch and again before each publishing effect; a non-nil error (kill switch,
// pause label, hold) ends the batch with the rest pending.
type Applier struct {
	Ports    Ports
	Approved policy.Approved
	Viewer   forge.User // who we write as: whose comments and checks are ours
	Clean    Cleaner
	Stop     func(context.Context) error
	Left     int64 // effects still permitted in this hour
	Now      func() time.Time
	Observe  func(Result) // called after each effect; may be nil
}

// ErrBudget means effects_per_hour is used up.
var ErrBudget = errors.New("effects per hour are used up")

// ErrTaken means that somebody else holds the lease of the issue.
var ErrTaken = errors.New("lease is taken")

// ErrMoved means the world is no longer the one that was judged.
var ErrMoved = errors.New("changed since it was judged")

// Apply does the effects in order, each at most once, and stops at the first
// that cannot be done. The results cover all effects; those not reached are
// pending. An effect found already done costs no budget and is no error.
func (a *Applier) Apply(ctx context.Context, list []Effect) ([]Result, error) {
	results := make([]Result, 0, len(list))
	var stopped error
	asked := false
	for _, e := range InOrder(list) {
		res := Result{Kind: e.Kind, Stage: e.Stage, Key: e.Key, Line: e.String(), State: Waiting}
		if stopped == nil {
			if !asked || publishes(e.Kind) {
				stopped, asked = a.askStop(ctx), true
			}
		}
		if stopped == nil {
			stopped = a.one(ctx, e, &res)
			if a.Observe != nil {
				a.Observe(res)
			}
		}
		results = append(results, res)
	}
	return results, stopped
}

func publishes(k Kind) bool { return k == ChangePublish || k == PullMerge || k == WorkflowDispatch }

func (a *Applier) askStop(ctx context.Context) error {
	if a.Stop == nil {
		return nil
	}
	return a.Stop(ctx)
}

// one applies a single effect and writes its end into res.
func (a *Applier) one(ctx context.Context, e Effect, res *Result) error {
	err := Allowed(e.Stage, e.Kind)
	if err == nil {
		e, err = a.cleaned(e)
	}
	if err != nil {
		res.State, res.Detail = Refused, err.Error()
		return fmt.Errorf("effect %s: %w", e.Kind, err)
	}
	if a.Left <= 0 {
		return ErrBudget
	}
	if err := a.dispatch(ctx, e, res); err != nil {
		if res.State == Waiting {
			res.State = Broken
		}
		res.Detail = err.Error()
		return fmt.Errorf("effect %s: %w", e.Kind, err)
	}
	if res.State == Waiting {
		res.State = Done
	}
	if res.State == Done {
		a.Left--
	}
	return nil
}

func (a *Applier) dispatch(ctx context.Context, e Effect, res *Result) error {
	p := a.Ports
	switch v := e.Payload.(type) {
	case OpenIssue:
		return held(p.Issues, e, func(i Issues) error { return openIssue(ctx, i, e.Key, v, a.Viewer, res) })
	case EditIssue:
		return held(p.Issues, e, func(i Issues) error { return editIssue(ctx, i, v, res) })
	case CloseIssue:
		return held(p.Issues, e, func(i Issues) error { return closeIssue(ctx, i, v, res) })
	case SetLabels:
		return held(p.Issues, e, func(i Issues) error { return setLabels(ctx, i, v, res) })
	case SyncLabel:
		return held(p.Issues, e, func(i Issues) error { return syncLabel(ctx, i, v, res) })
	case PutComment:
		return held(p.Comments, e, func(c Comments) error { return putComment(ctx, c, e.Key, v, a.Viewer, res) })
	case PutReaction:
		return held(p.Comments, e, func(c Comments) error { return putReaction(ctx, c, v, res) })
	case TakeLease:
		return held(p.Refs, e, func(r Refs) error { return a.takeLease(ctx, r, v, res) })
	case ReleaseLease:
		return held(p.Refs, e, func(r Refs) error { return releaseLease(ctx, r, p.Files, v, res) })
	case PublishChange:
		return held(p.Refs, e, func(r Refs) error { return a.publish(ctx, r, v, res) })
	case EditPull:
		return held(p.Pulls, e, func(q Pulls) error { return editPull(ctx, q, v, res) })
	case PostReview:
		return held(p.Pulls, e, func(q Pulls) error { return postReview(ctx, q, e.Key, v, a.Viewer, res) })
	case PostCheck:
		return held(p.Checks, e, func(c Checks) error { return postCheck(ctx, c, e.Key, v, res) })
	case MergePull:
		return held(p.Pulls, e, func(q Pulls) error { return a.merge(ctx, q, v, res) })
	case ClosePull:
		return held(p.Pulls, e, func(q Pulls) error { return closePull(ctx, q, v, res) })
	case DispatchWorkflow:
		return held(p.Workflows, e, func(w Workflows) error { return w.Dispatch(ctx, v.File, v.Ref, v.Inputs) })
	case RerunWorkflow:
		return held(p.Workflows, e, func(w Workflows) error { return w.Rerun(ctx, v.Run) })
	case SetFreeze:
		return held(p.Refs, e, func(r Refs) error { return setFreeze(ctx, r, v, res) })
	case ClearFreeze:
		return held(p.Refs, e, func(r Refs) error { return clearFreeze(ctx, r, v, res) })
	case AppendLog:
		return held(p.Files, e, func(f Files) error { return appendLog(ctx, f, v, a.Now(), res) })
	case CreateDeployment:
		return held(p.Deployments, e, func(d Deployments) error { return createDeployment(ctx, d, e.Key, v, res) })
	case SetDeployment:
		return held(p.Deployments, e, func(d Deployments) error { return setDeployment(ctx, d, v, res) })
	}
	return fmt.Errorf("no way to apply %T", e.Payload)
}

// held runs do when the step holds the port.
func held[P comparable](port P, e Effect, do func(P) error) error {
	var none P
	if port == none {
		return fmt.Errorf("this step does not hold what %s needs", e.Kind)
	}
	return do(port)
}

// again runs a mutation; when its answer was lost it asks found whether it
// happened, and repeats it once if not.
func again(do func() error, found func() (bool, error)) error {
	err := do()
	for try := 0; err != nil && errors.Is(err, forge.ErrUnclear) && try < 2; try++ {
		happened, lookErr := found()
		if lookErr != nil {
			return errors.Join(err, lookErr)
		}
		if happened {
			return nil
		}
		err = do()
	}
	return err
}

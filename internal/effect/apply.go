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
	LogSize  int   // size in bytes at which the log rolls; 0: journal.MaxSize
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
// pending. An effect found already done is charged nothing and is no error.
//
// The whole list is looked at before anything is done: one effect that may not
// be proposed, or one text that may not leave, and nothing at all is written.
func (a *Applier) Apply(ctx context.Context, list []Effect) ([]Result, error) {
	sorted := InOrder(list)
	ready, results, stopped := a.ready(sorted)
	for i := 0; i < len(ready) && stopped == nil; i++ {
		if i == 0 || publishes(ready[i].Kind) {
			if stopped = a.askStop(ctx); stopped != nil {
				break
			}
		}
		stopped = a.one(ctx, ready[i], &results[i])
		a.observe(results[i])
	}
	return results, stopped
}

// ready checks and cleans every effect. The error is that of the first which
// may not be applied; its result says so.
func (a *Applier) ready(sorted []Effect) ([]Effect, []Result, error) {
	var first error
	ready, results := make([]Effect, 0, len(sorted)), make([]Result, 0, len(sorted))
	for _, e := range sorted {
		res := Result{Kind: e.Kind, Stage: e.Stage, Key: e.Key, State: Waiting}
		cleaned, err := a.permitted(e)
		if err != nil {
			res.State, res.Line, res.Detail = Refused, string(e.Kind), err.Error()
			if first == nil {
				first = fmt.Errorf("effect %s: %w", e.Kind, err)
			}
			if keyErr := checkKey(e.Key); keyErr != nil {
				res.Key = ""
			}
			a.observe(res)
		} else {
			res.Line = cleaned.String()
		}
		ready, results = append(ready, cleaned), append(results, res)
	}
	return ready, results, first
}

func (a *Applier) permitted(e Effect) (Effect, error) {
	if err := Allowed(e.Stage, e.Kind); err != nil {
		return e, err
	}
	if e.Payload == nil || e.Payload.kind() != e.Kind {
		return e, fmt.Errorf("carries %T", e.Payload)
	}
	return a.cleaned(e)
}

func (a *Applier) observe(res Result) {
	if a.Observe != nil {
		a.Observe(res)
	}
}

func publishes(k Kind) bool { return k == ChangePublish || k == PullMerge || k == WorkflowDispatch }

func (a *Applier) askStop(ctx context.Context) error {
	if a.Stop == nil {
		return nil
	}
	return a.Stop(ctx)
}

// one applies a single effect and writes its end into res. What may have
// happened is charged like what did.
func (a *Applier) one(ctx context.Context, e Effect, res *Result) error {
	if a.Left <= 0 {
		return ErrBudget
	}
	err := a.dispatch(ctx, e, res)
	switch {
	case err != nil && res.State != Refused:
		res.State = Broken
	case err == nil && res.State == Waiting:
		res.State = Done
	}
	if res.State == Done || errors.Is(err, forge.ErrUnclear) {
		a.Left--
	}
	if err != nil {
		res.Detail = a.sayable(err)
		return fmt.Errorf("effect %s: %w", e.Kind, err)
	}
	return nil
}

// sayable is an error for the record, which is stored and shown: an error may
// quote what the forge said, and the forge may quote us.
func (a *Applier) sayable(err error) string {
	text, cleanErr := a.Clean(err.Error(), maxName)
	if cleanErr != nil {
		return "the reason holds a secret and is not kept"
	}
	return text
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
		return held(p.Refs, e, func(r Refs) error {
			return held(p.Files, e, func(f Files) error { return a.takeLease(ctx, r, f, v, res) })
		})
	case ReleaseLease:
		return held(p.Refs, e, func(r Refs) error {
			return held(p.Files, e, func(f Files) error { return releaseLease(ctx, r, f, v, res) })
		})
	case PublishChange:
		return held(p.Refs, e, func(r Refs) error {
			return held(p.Pulls, e, func(q Pulls) error { return a.publish(ctx, r, q, v, res) })
		})
	case EditPull:
		return held(p.Pulls, e, func(q Pulls) error { return editPull(ctx, q, v, res) })
	case PostReview:
		return held(p.Pulls, e, func(q Pulls) error { return postReview(ctx, q, e.Key, v, a.Viewer, res) })
	case PostCheck:
		return held(p.Checks, e, func(c Checks) error { return postCheck(ctx, c, e.Key, v, res) })
	case MergePull:
		return held(p.Pulls, e, func(q Pulls) error {
			return held(p.Refs, e, func(r Refs) error { return a.merge(ctx, q, r, v, res) })
		})
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
		return held(p.Files, e, func(f Files) error { return a.appendLog(ctx, f, v, res) })
	case CreateDeployment:
		return held(p.Deployments, e, func(d Deployments) error { return createDeployment(ctx, d, v, res) })
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
// happened, and repeats it only if not, twice at most.
func again(do func() error, found func() (bool, error)) error {
	const most = 3
	for try := 1; ; try++ {
		err := do()
		if err == nil || !errors.Is(err, forge.ErrUnclear) {
			return err
		}
		happened, lookErr := found()
		switch {
		case lookErr != nil:
			return errors.Join(err, lookErr)
		case happened:
			return nil
		case try == most:
			return err
		}
	}
}

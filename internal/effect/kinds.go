package effect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// kindRow is what is fixed about a kind: which stages may propose it, what its
// payload is, in which order it is applied among others (small first), and
// whether it needs a judged tree.
type kindRow struct {
	kind    Kind
	by      []Stage
	payload func([]byte) (Payload, error)
	order   int
}

var any5 = []Stage{Plan, Implement, Test, Review, Govern}

// kinds is every kind. A stage that is not named may not propose it: an
// obedient model gains nothing by asking.
var kinds = []kindRow{
	{TaskLease, []Stage{Plan, Govern}, read[TakeLease], 10},
	{LabelSync, []Stage{Plan, Govern}, read[SyncLabel], 20},
	{IssueOpen, []Stage{Plan, Govern, Deploy}, read[OpenIssue], 30},
	{IssueEdit, []Stage{Plan, Govern}, read[EditIssue], 30},
	{ChangePublish, []Stage{Implement, Govern}, read[PublishChange], 40},
	{PullEdit, []Stage{Govern}, read[EditPull], 50},
	{ReviewPost, []Stage{Review, Govern}, read[PostReview], 55},
	{CheckPost, []Stage{Govern}, read[PostCheck], 60},
	{PullMerge, []Stage{Govern}, read[MergePull], 70},
	{PullClose, []Stage{Govern}, read[ClosePull], 70},
	{FreezeSet, []Stage{Govern, Deploy}, read[SetFreeze], 75},
	{FreezeClear, []Stage{Govern}, read[ClearFreeze], 75},
	{LabelsSet, []Stage{Plan, Review, Govern, Deploy}, read[SetLabels], 80},
	{CommentPut, append(slices.Clone(any5), Deploy), read[PutComment], 82},
	{ReactionPut, []Stage{Plan, Govern}, read[PutReaction], 84},
	{IssueClose, []Stage{Govern}, read[CloseIssue], 86},
	{DeploymentCreate, []Stage{Deploy}, read[CreateDeployment], 88},
	{DeploymentStatus, []Stage{Deploy}, read[SetDeployment], 89},
	{LogAppend, []Stage{Govern}, read[AppendLog], 90},
	{WorkflowDispatch, []Stage{Govern}, read[DispatchWorkflow], 92},
	{WorkflowRerun, []Stage{Govern}, read[RerunWorkflow], 92},
	{TaskRelease, []Stage{Govern}, read[ReleaseLease], 99},
}

func rowOf(k Kind) (kindRow, bool) {
	for _, r := range kinds {
		if r.kind == k {
			return r, true
		}
	}
	return kindRow{}, false
}

// Allowed gives an error when the stage may not propose the kind.
func Allowed(s Stage, k Kind) error {
	r, ok := rowOf(k)
	if !ok {
		return fmt.Errorf("effect %q is not known; known are %s", k, strings.Join(Kinds(), " "))
	}
	if !slices.Contains(r.by, s) {
		return fmt.Errorf("effect %s is not for %s", k, s)
	}
	return nil
}

// Kinds lists the names of all kinds, sorted.
func Kinds() []string {
	names := make([]string, 0, len(kinds))
	for _, r := range kinds {
		names = append(names, string(r.kind))
	}
	slices.Sort(names)
	return names
}

type stored struct {
	Kind    Kind            `json:"kind"`
	Stage   Stage           `json:"stage"`
	Key     string          `json:"key"`
	Reason  string          `json:"reason,omitempty"`
	Payload json.RawMessage `json:"payload"`
}

// MarshalJSON writes the stored form.
func (e Effect) MarshalJSON() ([]byte, error) {
	payload, err := json.Marshal(e.Payload)
	if err != nil {
		return nil, err
	}
	return json.Marshal(stored{e.Kind, e.Stage, e.Key, e.Reason, payload})
}

// UnmarshalJSON reads the stored form. Unknown kinds and unknown fields are
// errors: a proposal that is not understood whole is not understood.
func (e *Effect) UnmarshalJSON(data []byte) error {
	var s stored
	if err := strict(data, &s); err != nil {
		return err
	}
	row, ok := rowOf(s.Kind)
	if !ok {
		return Allowed(s.Stage, s.Kind)
	}
	if string(bytes.TrimSpace(s.Payload)) == "null" || len(s.Payload) == 0 {
		return fmt.Errorf("payload of %s: none", s.Kind)
	}
	p, err := row.payload(s.Payload)
	if err != nil {
		return fmt.Errorf("payload of %s: %w", s.Kind, err)
	}
	*e = Effect{Kind: s.Kind, Stage: s.Stage, Key: s.Key, Reason: s.Reason, Payload: p}
	return nil
}

func read[P Payload](data []byte) (Payload, error) {
	var p P
	err := strict(data, &p)
	return p, err
}

func strict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

// Proposal is effects.json: what a run wants done, in the order it was
// proposed.
type Proposal struct {
	Version int      `json:"version"`
	Effects []Effect `json:"effects"`
}

// InOrder sorts effects for application: by kind, then as proposed.
func InOrder(list []Effect) []Effect {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b Effect) int {
		ra, _ := rowOf(a.Kind)
		rb, _ := rowOf(b.Kind)
		return ra.order - rb.order
	})
	return sorted
}

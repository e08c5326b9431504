package llm

import (
	"errors"
	"fmt"
	"time"
)

// Kind sorts failures by what to do next.
type Kind string

// The kinds of failure. Only Outage may go away by waiting.
const (
	Quota    Kind = "quota"     // the account's money or allowance is spent
	Auth     Kind = "auth"      // no key, or not this key
	Context  Kind = "context"   // the prompt does not fit the model
	Refusal  Kind = "refusal"   // the model or the endpoint declined to answer
	Outage   Kind = "outage"    // busy, down, cut or silent, after all retries
	BadReply Kind = "bad_reply" // an answer that is no answer
	Unknown  Kind = "unknown"   // none of the above
)

// Error is a failed call. Message is one line, already free of keys, headers
// and addresses with credentials. Status is the HTTP status, zero without one.
// RetryAfter is how long the endpoint asked to wait, zero when it did not.
// Unspent says that the endpoint surely did no work for the last attempt, as
// when it was turned away or never connected: no tokens are charged for it.
type Error struct {
	Kind       Kind
	Status     int
	RetryAfter time.Duration
	Message    string
	Unspent    bool
}

// Error states kind, status and message.
func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("model %s (HTTP %d): %s", e.Kind.words(), e.Status, e.Message)
	}
	return fmt.Sprintf("model %s: %s", e.Kind.words(), e.Message)
}

// Next is one sentence saying what a person can do about it.
func (e *Error) Next() string {
	switch e.Kind {
	case Quota:
		return "Add credit or raise the limit of the account behind the key, or name another model under model.fallback."
	case Auth:
		return "Set the secret OPENAI_API_KEY to a key that may use this model, or point model.base_url at an endpoint on localhost."
	case Context:
		return "Lower context.max_tokens, split the task, or choose a model with a longer context."
	case Refusal:
		return "Read the task: the model declined it; reword it or do this step by hand."
	case Outage:
		if e.RetryAfter > 0 {
			return fmt.Sprintf("Run again in %s: replies already paid for are reused.", e.RetryAfter.Round(time.Second))
		}
		return "Run again later: replies already paid for are reused."
	case BadReply:
		return "Run again, or choose a model that keeps to the asked format."
	default:
		return "Check model.base_url and model.name against what the endpoint offers."
	}
}

func (k Kind) words() string {
	switch k {
	case Quota:
		return "quota used up"
	case Auth:
		return "access denied"
	case Context:
		return "context too long"
	case Refusal:
		return "refused"
	case Outage:
		return "not available"
	case BadReply:
		return "gave an unusable reply"
	default:
		return "call failed"
	}
}

// KindOf is the kind of the first *Error in err's chain, Unknown without one.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Unknown
}

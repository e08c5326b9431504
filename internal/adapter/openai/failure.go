package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/seedbed-dev/seedbed/internal/llm"
)

// statusFailure is an answer that is not 200, read by status, code and, where
// endpoints have no codes, words.
func (c *Client) statusFailure(res *http.Response, body []byte) *failure {
	said := parseFault(body)
	err := &llm.Error{
		Kind:       kindOf(res.StatusCode, said),
		Status:     res.StatusCode,
		RetryAfter: retryAfter(res.Header, c.now()),
		Message:    c.tidy(said.Message),
	}
	if err.Message == "" {
		err.Message = strings.ToLower(http.StatusText(res.StatusCode))
	}
	err.Unspent = res.StatusCode < 500 || res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == overloaded
	return &failure{err: err, body: strings.ToLower(string(body))}
}

// streamFailure is an error that came inside a good answer, as an event of the
// stream or instead of it. Some endpoints put the status they would have
// answered with into the code.
func (c *Client) streamFailure(data []byte) *failure {
	said := parseFault(data)
	status, err := strconv.Atoi(said.Code)
	if err != nil || status < 400 || status > 599 {
		status = 0
	}
	kind := kindOf(status, said)
	if kind == llm.Unknown && status == 0 {
		kind = llm.Outage // it had accepted the request; what broke is on its side
	}
	return &failure{err: &llm.Error{Kind: kind, Status: status, Message: c.tidy("error in the stream: " + said.Message)}}
}

// wireFailure is a call that broke below HTTP: no connection, a cut or silent
// stream. cause is the context's, which knows more than the error does.
func (c *Client) wireFailure(err, cause error) *failure {
	var carried *failureError
	if errors.As(err, &carried) {
		return carried.failure
	}
	if errors.Is(err, errTooLarge) {
		return badReply(errTooLarge.Error())
	}
	fail := &failure{err: &llm.Error{Kind: llm.Outage, Unspent: unconnected(err)}}
	switch {
	case errors.Is(cause, errTotal):
		fail.err.Message, fail.final = errTotal.Error()+" of "+c.maxTotal.String(), true
	case errors.Is(cause, errStalled):
		fail.err.Message = "silent for " + c.stall.String()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		fail.err.Message = cutReply
	default:
		fail.err.Message = "connection lost: " + c.plain(err)
	}
	return fail
}

// unconnected reports that no connection came about, so nothing was asked.
func unconnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

const (
	overloaded = 529 // not in any RFC; used by some endpoints for "busy"
	cutReply   = "the reply was cut"
)

// failureError carries a failure through openai-go, which passes errors of the
// HTTP client on as they are.
type failureError struct{ failure *failure }

func (e *failureError) Error() string { return e.failure.err.Error() }

// plain is an error without the address http puts in front of it.
func (c *Client) plain(err error) string {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	return c.tidy(err.Error())
}

// fault is what endpoints say went wrong, in any of their envelopes.
type fault struct {
	Message, Type, Code string
}

// parseFault reads {"error": {...}}, {"error": "text"}, {"message": ...} and
// {"detail": ...}; other bodies are taken as text.
func parseFault(body []byte) fault {
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Message any             `json:"message"`
		Detail  any             `json:"detail"`
		Type    any             `json:"type"`
		Code    any             `json:"code"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return fault{Message: string(body)}
	}
	var inner struct {
		Message any `json:"message"`
		Type    any `json:"type"`
		Code    any `json:"code"`
	}
	if json.Unmarshal(outer.Error, &inner) == nil {
		return fault{text(inner.Message), text(inner.Type), text(inner.Code)}
	}
	var words string
	if json.Unmarshal(outer.Error, &words) == nil {
		return fault{words, text(outer.Type), text(outer.Code)}
	}
	if outer.Message == nil {
		outer.Message = outer.Detail
	}
	return fault{text(outer.Message), text(outer.Type), text(outer.Code)}
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// words that tell kinds apart where a code is missing. The order of the table
// is the order of asking.
var words = []struct {
	kind llm.Kind
	any  []string
}{
	{llm.Quota, []string{"insufficient_quota", "exceeded your current quota", "billing_hard_limit", "billing_not_active", "insufficient credits", "insufficient balance", "credit balance"}},
	{llm.Context, []string{"context_length_exceeded", "maximum context length", "context length", "context window", "context size", "prompt is too long", "too many tokens", "input is too long"}},
	{llm.Refusal, []string{"content_filter", "content_policy", "content management policy", "safety system", "responsible_ai", "flagged"}},
	{llm.Auth, []string{"invalid_api_key", "incorrect api key", "invalid api key", "authentication_error", "permission_denied"}},
	{llm.Outage, []string{"rate_limit", "overloaded", "server_error", "service_unavailable"}},
}

func kindOf(status int, said fault) llm.Kind {
	all := strings.ToLower(said.Code + " " + said.Type + " " + said.Message)
	switch {
	case status == http.StatusUnauthorized:
		return llm.Auth
	case status == http.StatusPaymentRequired:
		return llm.Quota
	case status == http.StatusRequestEntityTooLarge:
		return llm.Context
	case status == http.StatusTooManyRequests:
		return among(all, llm.Outage, llm.Quota)
	case status == http.StatusForbidden:
		return among(all, llm.Auth, llm.Quota, llm.Refusal)
	case transient(status):
		return llm.Outage
	case status == 0 || status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		return among(all, llm.Unknown, llm.Quota, llm.Context, llm.Refusal, llm.Auth, llm.Outage)
	default:
		return llm.Unknown
	}
}

// among is the first of the kinds whose words are said, else the fallback.
func among(said string, fallback llm.Kind, kinds ...llm.Kind) llm.Kind {
	for _, row := range words {
		for _, kind := range kinds {
			if row.kind != kind {
				continue
			}
			for _, w := range row.any {
				if strings.Contains(said, w) {
					return kind
				}
			}
		}
	}
	return fallback
}

func transient(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusConflict ||
		status == http.StatusTooEarly || status >= 500
}

// mostMessage bounds what an endpoint may say in an error.
const mostMessage = 300

// tidy makes an endpoint's words fit for a log: one line, bounded, no control
// or invisible characters, no secret. Secrets go first: cutting could leave a
// piece too short to be known.
func (c *Client) tidy(s string) string {
	s = string(c.redactor.Redact([]byte(strings.ToValidUTF8(s, "?"))))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
	if len(s) > mostMessage {
		s = strings.ToValidUTF8(s[:mostMessage], "") + "..."
	}
	return s
}

var (
	errStalled  = errors.New("the endpoint fell silent")
	errTooLarge = fmt.Errorf("the reply is larger than %d MiB", maxBody>>20)
)

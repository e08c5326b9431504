package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// refusal is one answer that was no success: what to tell, and whether sending
// the same request again is safe and sensible.
type refusal struct {
	err   *forge.Error
	again bool
	limit bool // GitHub said when: wait err.RetryAfter before the next sending
}

// secondaryWait is what GitHub asks to wait when a secondary limit comes
// without a time (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
const secondaryWait = time.Minute

// messageLimit caps what is quoted of GitHub's words, in characters.
const messageLimit = 300

// gaveUp is the error of a call that was ended from outside, by its context as
// a rule. errors.Is finds the kind and the cause.
func gaveUp(kind, cause error) *forge.Error {
	return &forge.Error{Kind: fmt.Errorf("%w: %w", kind, cause)}
}

// noAnswer judges a request that brought no response at all.
func (w *wire) noAnswer(req *http.Request, sent bool, err error) *refusal {
	kind := forge.ErrUnavailable
	if sent && mutates(req) {
		kind = forge.ErrUnclear
	}
	if ended := req.Context().Err(); ended != nil {
		return &refusal{err: gaveUp(kind, ended)}
	}
	return &refusal{err: &forge.Error{Message: w.transportWords(err), Kind: kind}, again: kind == forge.ErrUnavailable}
}

// badAnswer judges a success whose body did not arrive whole. A mutation was
// most likely done.
func (w *wire) badAnswer(req *http.Request, status int, err error) *refusal {
	kind := forge.ErrUnavailable
	if mutates(req) {
		kind = forge.ErrUnclear
	}
	if ended := req.Context().Err(); ended != nil {
		return &refusal{err: gaveUp(kind, ended)}
	}
	return &refusal{
		err:   &forge.Error{Status: status, Message: w.transportWords(err), Kind: kind},
		again: kind == forge.ErrUnavailable && !errors.Is(err, errTooLarge),
	}
}

func (w *wire) transportWords(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no whole answer within %s", w.o.Timeout)
	}
	return w.clean(err.Error())
}

// refused judges a whole response that says no.
func (w *wire) refused(req *http.Request, res *http.Response, body []byte) *refusal {
	said := readWords(body)
	e := &forge.Error{Status: res.StatusCode, Message: w.clean(said.String())}
	if wait, ok := w.limited(res, said); ok {
		e.Kind, e.RetryAfter = forge.ErrRateLimited, wait
		return &refusal{err: e, again: true, limit: true}
	}
	e.Kind = kindOf(res.StatusCode, said)
	switch {
	case res.StatusCode >= 500 && mutates(req):
		e.Kind = forge.ErrUnclear
	case res.StatusCode >= 500:
		wait, told := w.retryAfter(res.Header.Get("Retry-After"))
		e.RetryAfter = wait
		return &refusal{err: e, again: true, limit: told}
	case res.StatusCode < 400:
		e.Message = "the address has moved; was the repository renamed or transferred?"
	case res.StatusCode == http.StatusForbidden:
		e.Needs = needs(res.Header.Get("X-Accepted-GitHub-Permissions"))
		if strings.HasPrefix(res.Header.Get("X-GitHub-SSO"), "required") {
			e.Needs = "authorization for the organization's single sign-on (SSO)"
		}
	}
	return &refusal{err: e}
}

// kindOf maps status codes, and where one code has several meanings the words,
// to the kinds that callers branch on.
func kindOf(status int, said words) error {
	switch status {
	case http.StatusUnauthorized:
		return forge.ErrUnauthorized
	case http.StatusForbidden, http.StatusUnavailableForLegalReasons:
		return forge.ErrForbidden
	case http.StatusNotFound, http.StatusGone:
		return forge.ErrNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return forge.ErrConflict
	case http.StatusMethodNotAllowed:
		if said.any("modified", "not mergeable") {
			return forge.ErrConflict
		}
		return forge.ErrInvalid
	case http.StatusUnprocessableEntity:
		return unprocessable(said)
	}
	switch {
	case status >= 500:
		return forge.ErrUnavailable
	case status < 400:
		return forge.ErrConflict
	}
	return forge.ErrInvalid
}

// unprocessable tells apart what GitHub answers with 422.
func unprocessable(said words) error {
	switch {
	case said.any("not a fast forward", "fast-forward", `"sha" wasn't supplied`, "does not match"):
		return forge.ErrConflict
	case said.code("already_exists"), said.any("already exists"):
		return forge.ErrExists
	case said.any("reference does not exist"):
		return forge.ErrNotFound
	}
	return forge.ErrInvalid
}

// limited tells a rate limit from other refusals and how long it lasts. GitHub
// answers primary limits with 403 or 429 and no calls remaining, secondary ones
// with Retry-After or only by words, and too many new comments with 422.
func (w *wire) limited(res *http.Response, said words) (time.Duration, bool) {
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusForbidden:
	case http.StatusUnprocessableEntity:
		return secondaryWait, said.any("submitted too quickly")
	default:
		return 0, false
	}
	if wait, ok := w.retryAfter(res.Header.Get("Retry-After")); ok {
		return wait, true
	}
	if reset, err := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil && res.Header.Get("X-RateLimit-Remaining") == "0" {
		// One second more: GitHub's clock and ours are not the same.
		return max(0, time.Unix(reset, 0).Sub(w.o.Now())) + time.Second, true
	}
	return secondaryWait, res.StatusCode == http.StatusTooManyRequests || said.any("secondary rate limit", "abuse detection", "rate limit exceeded")
}

// retryAfter reads both forms of RFC 9110, section 10.2.3.
func (w *wire) retryAfter(v string) (time.Duration, bool) {
	if n, err := strconv.ParseInt(v, 10, 32); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(w.o.Now())), true
	}
	return 0, false
}

// needs turns GitHub's header "issues=write; pull_requests=write,contents=read"
// (alternatives by semicolon, all of a list by comma) into words.
func needs(header string) string {
	var ways []string
	for _, way := range strings.Split(header, ";") {
		var all []string
		for _, p := range strings.Split(way, ",") {
			if name, level, ok := strings.Cut(strings.TrimSpace(p), "="); ok {
				all = append(all, quotable(name, 60)+": "+quotable(level, 20))
			}
		}
		if len(all) > 0 {
			ways = append(ways, strings.Join(all, " and "))
		}
	}
	return strings.Join(ways, " or ")
}

// words is GitHub's error body
// (https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api).
type words struct {
	Message string          `json:"message"`
	Errors  json.RawMessage `json:"errors"` // strings or objects
	details []detail
}

type detail struct {
	Resource string `json:"resource"`
	Field    string `json:"field"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

// readWords takes what it can: a body that is no JSON says nothing.
func readWords(body []byte) words {
	var said words
	if json.Unmarshal(body, &said) != nil {
		return words{}
	}
	var texts []string
	if json.Unmarshal(said.Errors, &said.details) != nil && json.Unmarshal(said.Errors, &texts) == nil {
		said.details = nil
		for _, t := range texts {
			said.details = append(said.details, detail{Message: t})
		}
	}
	return said
}

func (s words) String() string {
	parts := []string{s.Message}
	for _, d := range s.details {
		switch {
		case d.Message != "":
			parts = append(parts, d.Message)
		case d.Field != "":
			parts = append(parts, d.Field+" "+d.Code)
		}
	}
	return strings.Join(parts, "; ")
}

func (s words) any(phrases ...string) bool {
	text := strings.ToLower(s.String())
	for _, p := range phrases {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

func (s words) code(want string) bool {
	for _, d := range s.details {
		if d.Code == want {
			return true
		}
	}
	return false
}

// clean makes foreign words fit for one line of a log, without the token.
func (w *wire) clean(s string) string {
	if w.token != "" {
		s = strings.ReplaceAll(s, w.token, "[token]")
	}
	return quotable(s, messageLimit)
}

func quotable(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.TrimSpace(s) {
		if n++; n > limit {
			return b.String() + " (truncated)"
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

package github

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// wire carries requests for go-github. What it returns as a response is a whole
// success, held in memory; everything else is a *forge.Error.
//
// Passed over: go-retryablehttp and rate-limit transports repeat mutations
// whose answer was lost, read the wall clock and keep whole bodies unbounded.
type wire struct {
	o         Options
	token     string
	next      http.RoundTripper
	cache     *cache
	turn      chan struct{} // one mutation at a time
	reads     atomic.Int64
	mutations atomic.Int64
}

func newWire(o Options, token string) *wire {
	o = defaults(o)
	next := o.HTTPClient.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	return &wire{o: o, token: token, next: next, cache: newCache(), turn: make(chan struct{}, 1)}
}

type queryKey struct{}

// asQuery marks a POST that changes nothing: a GraphQL query.
func asQuery(ctx context.Context) context.Context {
	return context.WithValue(ctx, queryKey{}, true)
}

func mutates(req *http.Request) bool {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return false
	}
	return req.Context().Value(queryKey{}) == nil
}

// RoundTrip sends a request, again where that is safe, and waits where GitHub
// asks for it.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if !mutates(req) {
		return w.carry(req, w.once)
	}
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-req.Context().Done():
		return nil, gaveUp(forge.ErrUnavailable, req.Context().Err())
	}
	return w.carry(req, func(req *http.Request) (*http.Response, *refusal) {
		if err := w.o.Pace(req.Context()); err != nil {
			return nil, &refusal{err: gaveUp(forge.ErrUnavailable, err)}
		}
		return w.once(req)
	})
}

// carry repeats a request for as long as its refusals allow.
func (w *wire) carry(req *http.Request, send func(*http.Request) (*http.Response, *refusal)) (*http.Response, error) {
	ctx, waited := req.Context(), time.Duration(0)
	for attempt := 1; ; attempt++ {
		res, no := send(req)
		if no == nil {
			return res, nil
		}
		if !no.again || attempt >= w.o.MaxAttempts {
			return nil, no.err
		}
		wait := no.err.RetryAfter
		if no.limit {
			if waited += wait; waited > w.o.MaxWait {
				return nil, no.err
			}
		} else {
			wait = w.backoff(attempt)
		}
		if err := w.o.Sleep(ctx, wait); err != nil {
			return nil, gaveUp(no.err.Kind, err)
		}
	}
}

// backoff doubles from a quarter of a second, of which half is jitter.
func (w *wire) backoff(attempt int) time.Duration {
	full := 250 * time.Millisecond << min(attempt-1, 6)
	return full/2 + time.Duration(w.o.Rand()*float64(full/2))
}

// once sends a request one time and reads its whole answer.
func (w *wire) once(req *http.Request) (*http.Response, *refusal) {
	ctx, cancel := context.WithTimeout(req.Context(), w.o.Timeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	out, err := w.prepare(ctx, req)
	if err != nil {
		return nil, &refusal{err: &forge.Error{Message: w.clean(err.Error()), Kind: forge.ErrInvalid}}
	}
	known := w.cache.offer(out)
	w.count(req)
	res, err := w.next.RoundTrip(out)
	if err != nil {
		return nil, w.noAnswer(req, sent.Load(), err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotModified && known != nil {
		return known.response(req), nil
	}
	body, err := readAll(res.Body)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, w.refused(req, res, body)
	}
	if err != nil {
		return nil, w.badAnswer(req, res.StatusCode, err)
	}
	if err := whole(res, body); err != nil {
		return nil, w.badAnswer(req, res.StatusCode, err)
	}
	w.cache.keep(out, res, body)
	return answer(req, res.StatusCode, res.Header, body), nil
}

// prepare copies the request, since a RoundTripper must leave the original as
// it is, with a fresh body and the token.
func (w *wire) prepare(ctx context.Context, req *http.Request) (*http.Request, error) {
	out := req.Clone(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return nil, errors.New("request body cannot be sent again")
		}
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		out.Body = body
	}
	if w.token != "" {
		out.Header.Set("Authorization", "Bearer "+w.token)
	}
	return out, nil
}

func (w *wire) count(req *http.Request) {
	if mutates(req) {
		w.mutations.Add(1)
		return
	}
	w.reads.Add(1)
}

var errTooLarge = fmt.Errorf("answer is larger than %d MiB", bodyLimit>>20)

func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, bodyLimit+1))
	if err == nil && len(body) > bodyLimit {
		err = errTooLarge
	}
	return body, err
}

// whole finds answers that arrived but are not what an API says: a proxy's
// page, JSON that was cut at a plausible place, nesting beyond reason.
func whole(res *http.Response, body []byte) error {
	if len(body) == 0 || json.Valid(body) {
		return nil
	}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	return fmt.Errorf("answer is not JSON but %d bytes of %q", len(body), kind)
}

// answer is a response held in memory. The rate headers are left out: go-github
// would refuse later calls by the wall clock, while waiting is done here.
func answer(req *http.Request, status int, header http.Header, body []byte) *http.Response {
	h := http.Header{}
	for _, name := range []string{"Content-Type", "Link", "Etag"} {
		if v := header.Values(name); len(v) > 0 {
			h[name] = v
		}
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Header: h, Request: req,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

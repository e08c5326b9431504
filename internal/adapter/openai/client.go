// Package openai talks to an OpenAI-compatible endpoint: chat completions,
// streamed. It is the only importer of openai-go.
//
// It promises one reply or one *llm.Error that says what to do next. Waiting
// and repeating happen here and nowhere else: busy and broken endpoints are
// tried again with growing, jittered pauses, a Retry-After is honoured, and the
// whole has a limit. What an endpoint cannot do (JSON schema, tools, usage in
// streams) is learnt from its own error once per model and worked around from
// then on.
//
// No error, and nothing else that leaves the package, holds the key, a header,
// or the user or query part of an address. Replies are not interpreted here:
// llm.DecodeExact and the caller do that.
package openai

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/secret"
)

// Defaults of Options.
const (
	DefaultBaseURL      = "https://api.openai.com/v1"
	DefaultMaxAttempts  = 5
	DefaultStallTimeout = 60 * time.Second
	DefaultMaxTotal     = 15 * time.Minute
)

// KeyVariable is the environment variable that errors tell people to set. The
// package does not read it.
const KeyVariable = "OPENAI_API_KEY"

// Options says which endpoint and how patiently. Zero values mean defaults.
type Options struct {
	BaseURL string // up to and including the version, such as https://api.openai.com/v1
	Key     string // sent as bearer token; may be empty for an endpoint on loopback
	Model   string // for requests that name none

	// NoKeyOK lets an empty key go to an endpoint that is not on loopback, such
	// as a model server in the local network.
	NoKeyOK bool

	HTTPClient   *http.Client
	MaxAttempts  int           // tries of one request, the first included
	StallTimeout time.Duration // longest silence before and between bytes of a reply
	MaxTotal     time.Duration // longest time for one Complete, pauses included

	Now   func() time.Time
	Rand  func() float64 // in [0, 1), for jitter
	Sleep func(ctx context.Context, d time.Duration) error
}

// Client is an endpoint. It implements llm.Completer and is safe for concurrent
// use.
type Client struct {
	base     *url.URL
	key      string
	model    string
	noKeyOK  bool
	http     *http.Client
	redactor *secret.Redactor
	skills   skills

	maxAttempts int
	stall       time.Duration
	maxTotal    time.Duration
	now         func() time.Time
	rand        func() float64
	sleep       func(context.Context, time.Duration) error
}

// New checks the options. An address that cannot be used is an error here; a
// missing key or model is one at the first call, so that stages that never call
// a model need neither.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		base:        base,
		key:         strings.TrimSpace(o.Key),
		model:       o.Model,
		noKeyOK:     o.NoKeyOK,
		http:        quietClient(o.HTTPClient),
		redactor:    secret.NewRedactor(credentials(base, o.Key)...),
		maxAttempts: o.MaxAttempts,
		stall:       o.StallTimeout,
		maxTotal:    o.MaxTotal,
		now:         o.Now,
		rand:        o.Rand,
		sleep:       o.Sleep,
	}
	c.setDefaults()
	return c, nil
}

func (c *Client) setDefaults() {
	if c.maxAttempts <= 0 {
		c.maxAttempts = DefaultMaxAttempts
	}
	if c.stall <= 0 {
		c.stall = DefaultStallTimeout
	}
	if c.maxTotal <= 0 {
		c.maxTotal = DefaultMaxTotal
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.rand == nil {
		c.rand = rand.Float64
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// parseBase never wraps url.Parse's error: it repeats the address, password
// included.
func parseBase(address string) (*url.URL, error) {
	if address == "" {
		address = DefaultBaseURL
	}
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("reading the model's base URL: not an http or https address")
	}
	return base, nil
}

// credentials are the values that must never be seen.
func credentials(base *url.URL, key string) []secret.Known {
	known := []secret.Known{{Name: "model_key", Value: strings.TrimSpace(key)}}
	if password, ok := base.User.Password(); ok {
		known = append(known, secret.Known{Name: "model_url", Value: password})
	}
	for _, values := range base.Query() {
		for _, v := range values {
			known = append(known, secret.Known{Name: "model_url", Value: v})
		}
	}
	return known
}

// quietClient follows no redirect: a prompt goes to the configured host or
// nowhere.
func quietClient(given *http.Client) *http.Client {
	own := http.Client{}
	if given != nil {
		own = *given
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// errTotal is the cause of a context that ran into MaxTotal.
var errTotal = errors.New("no reply within the total time")

// Complete implements llm.Completer.
func (c *Client) Complete(ctx context.Context, req llm.Request) (llm.Reply, error) {
	if req.Model == "" {
		req.Model = c.model
	}
	if err := c.ready(req); err != nil {
		return llm.Reply{}, err
	}
	within, cancel := context.WithTimeoutCause(ctx, c.maxTotal, errTotal)
	defer cancel()
	reply, err := c.retry(within, req)
	if err != nil && ctx.Err() != nil {
		return llm.Reply{}, fmt.Errorf("asking the model: %w", ctx.Err())
	}
	return reply, err
}

// ready finds what makes every call fail before one is made.
func (c *Client) ready(req llm.Request) error {
	if c.key == "" && !c.noKeyOK && !loopback(c.base.Hostname()) {
		return &llm.Error{Kind: llm.Auth, Unspent: true, Message: fmt.Sprintf("no key for %s: %s is not set", c.base.Host, KeyVariable)}
	}
	if req.Model == "" {
		return &llm.Error{Kind: llm.Unknown, Unspent: true, Message: "no model named: set model.name or SEEDBED_MODEL"}
	}
	return nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

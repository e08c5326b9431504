// Package github speaks to GitHub: it turns the calls Seedbed needs into REST
// and five GraphQL requests and the answers into the nouns of package forge.
//
// It promises: one repository per client; every refusal is a *forge.Error that
// tells what was being done, why it was refused and which permission was
// missing; a list is read to its end or is an error; answers are bounded in
// size and time; reads are repeated after a fault and cost nothing when nothing
// changed (ETags); a mutation is sent once, one at a time, at the pace it was
// given, and when its answer is lost the error is forge.ErrUnclear so that the
// caller can look up what happened.
//
// It does not decide anything, keeps nothing on disk, follows no redirect and
// speaks to nothing but the two addresses it was given.
//
// A tour: github.go makes the client; wire.go carries one request with retries,
// pacing and waiting; refusal.go reads refusals; cache.go remembers ETags;
// list.go reads pages; the files named after nouns hold the calls; graphql.go
// has the five operations; nouns.go translates.
package github

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	gh "github.com/google/go-github/v66/github"
)

// Limits of one client; each is stated where it bites.
const (
	bodyLimit   = 16 << 20 // bytes of one answer
	pageLimit   = 100      // pages of one list
	pageSize    = 100      // entries of one page, GitHub's maximum
	defaultTime = 30 * time.Second
	defaultWait = 2 * time.Minute
	defaultTry  = 5
)

// Options says where, as whom and how patiently a client works.
type Options struct {
	BaseURL    string // REST, https://api.github.com; https, or http on loopback
	GraphQLURL string // derived from BaseURL when empty
	Token      string // sent as a bearer token; empty reads public data only
	Owner      string
	Repo       string
	UserAgent  string

	HTTPClient *http.Client // its Transport is used; nil is http.DefaultTransport
	Timeout    time.Duration
	// MaxAttempts bounds how often one call is sent; 0 is 5.
	MaxAttempts int
	// MaxWait bounds what one call may wait for rate limits in all; what would
	// take longer is forge.ErrRateLimited. 0 is two minutes.
	MaxWait time.Duration

	Pace  func(ctx context.Context) error // before each sending of a mutation; nil does not wait
	Sleep func(ctx context.Context, d time.Duration) error
	Now   func() time.Time
	Rand  func() float64 // in [0,1), for jitter
}

// Client makes calls about one repository. It may be used by many goroutines.
type Client struct {
	gh      *gh.Client
	wire    *wire
	graphql string
	owner   string
	repo    string
}

// New makes a client and calls nothing yet. Errors name the option at fault.
func New(o Options) (*Client, error) {
	base, err := address("base URL", o.BaseURL)
	if err != nil {
		return nil, err
	}
	graphql := o.GraphQLURL
	if graphql == "" {
		graphql = graphQLAddress(base)
	}
	if _, err := address("GraphQL URL", graphql); err != nil {
		return nil, err
	}
	if !nameRE.MatchString(o.Owner) || !nameRE.MatchString(o.Repo) || dots(o.Owner) || dots(o.Repo) {
		return nil, fmt.Errorf("repository %q: want OWNER/NAME", o.Owner+"/"+o.Repo)
	}
	token := strings.TrimSpace(o.Token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("token holds characters that no token has")
	}
	w := newWire(o, token)
	client := gh.NewClient(&http.Client{Transport: w, CheckRedirect: stay})
	client.BaseURL = base
	client.UserAgent = o.UserAgent
	return &Client{gh: client, wire: w, graphql: graphql, owner: o.Owner, repo: o.Repo}, nil
}

// Calls tells how many requests were sent so far, repeated ones included.
func (c *Client) Calls() (reads, mutations int) {
	return int(c.wire.reads.Load()), int(c.wire.mutations.Load())
}

var nameRE = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

func dots(s string) bool { return s == "." || s == ".." }

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// address accepts https anywhere and http on loopback only: the token goes
// with every request.
func address(what, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s: want https://HOST/PATH without user, query or fragment", what)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && Loopback(u.Hostname())) {
		return nil, fmt.Errorf("%s: %s://%s is neither https nor on loopback", what, u.Scheme, u.Host)
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u, nil
}

// Loopback says whether a host is this machine: an address of the loopback range
// or localhost, and not a name that merely begins like one.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// graphQLAddress follows github.com (/graphql beside the REST root) and GitHub
// Enterprise Server (/api/v3 has /api/graphql).
func graphQLAddress(base *url.URL) string {
	u := *base
	if rest, ok := strings.CutSuffix(u.Path, "/api/v3/"); ok {
		u.Path = rest + "/api/graphql"
	} else {
		u.Path += "graphql"
	}
	return u.String()
}

func defaults(o Options) Options {
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = defaultTry
	}
	if o.MaxWait <= 0 {
		o.MaxWait = defaultWait
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTime
	}
	if o.Pace == nil {
		o.Pace = func(context.Context) error { return nil }
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

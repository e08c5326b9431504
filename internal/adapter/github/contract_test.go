package github

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// contract holds every exchange of the suite against GitHub's own description
// of its API: what we send and what a server answers.
type contract struct {
	t      *testing.T
	server string
	router routers.Router
	next   http.RoundTripper

	mu      sync.Mutex
	checked int
	faults  map[string]bool // said once
	needed  map[string]bool // exceptions that were, by their reason and route
}

// exception is a departure that is known, with its reason. Server "" is any.
type exception struct{ server, route, what, why string }

// exceptions are listed one by one; the first group is about the description,
// the second about what emulate answers.
var exceptions = []exception{
	{"", "POST /repos/{owner}/{repo}/issues/{issue_number}/labels", `^request: .*value must be an object`,
		"GitHub also takes a bare list of names, and go-github sends one; the description forgot it"},
	{"", "", `^response (409|422): .*value matches more than one schema from "oneOf"`,
		"two error shapes are offered as oneOf, and plain errors satisfy both"},
	{"", "GET /repos/{owner}/{repo}/actions/runs/{run_id}", `^response 404: status is not supported`,
		"a run that is not there is 404 on GitHub; the description has only 200"},
	{"", "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}", `^response 404: status is not supported`,
		"a comment that is not there is 404 on GitHub; the description has only 200 and 422"},
	{"", "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches", `^response 404: status is not supported`,
		"a workflow that is not there is 404 on GitHub; the description has only 200 and 204"},
	{"emulate", "", `^response 20[01]: .*/(user|owner|actor|author|committer|requested_reviewers/\d+|assignees/\d+|assignee)/(followers_url|following_url|gists_url|gravatar_id|organizations_url|received_events_url|starred_url|subscriptions_url): property`,
		"emulate's accounts leave these addresses out; nothing of ours reads them"},
	{"emulate", "DELETE /repos/{owner}/{repo}/git/refs/{ref}", `^response 404: status is not supported`, "GitHub answers 422 for a reference that is not there"},
	{"emulate", "GET /repos/{owner}/{repo}", `^response 200: /(network|subscribers)_count: property`, "emulate has no such counts"},
	{"emulate", "", `^response 20[01]: .*/output/annotations_url: property`, "emulate has no address for annotations"},
	{"emulate", "POST /repos/{owner}/{repo}/issues/{issue_number}/assignees", `^response 200: status is not supported`, "GitHub answers 201"},
	{"emulate", "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", `^response 200: status is not supported`, "GitHub answers 201"},
	{"emulate", "POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews", `^response 201: status is not supported`, "GitHub answers 200"},
}

// fixture finds GitHub's description, which is kept beside the repository.
func fixture(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("SEEDBED_FIXTURES")
	if dir == "" {
		dir = "../../../../shared/fixtures"
	}
	f, err := os.Open(filepath.Join(dir, "github", name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// watch gives a transport that checks what passes. Without the description it
// says so and checks nothing.
func watch(t *testing.T, server string) *contract {
	t.Helper()
	k := &contract{t: t, server: server, next: http.DefaultTransport, faults: map[string]bool{}, needed: map[string]bool{}}
	data := fixture(t, "openapi.trimmed.json.gz")
	if data == nil {
		t.Log("exchanges are not held against the description: see TestDescriptionIsThere")
		return k
	}
	for _, p := range []string{"ref", "path", "basehead", "branch"} { // these span segments
		data = bytes.ReplaceAll(data, []byte("/{"+p+"}"), []byte("/{"+p+":.+}"))
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			closeBody(op)
		}
	}
	if k.router, err = gorillamux.NewRouter(doc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		t.Logf("%s: %d exchanges held against GitHub's description", server, k.checked)
		if k.checked < 50 {
			t.Errorf("only %d exchanges were checked", k.checked)
		}
		k.unneeded()
	})
	return k
}

// closeBody makes a field that GitHub does not know an error.
func closeBody(op *openapi3.Operation) {
	if op.RequestBody == nil {
		return
	}
	media := op.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil || media.Schema.Ref != "" || len(media.Schema.Value.Properties) == 0 {
		return
	}
	no := false
	media.Schema.Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
}

// RoundTrip passes a request on and checks it with its answer.
func (k *contract) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := k.next.RoundTrip(req)
	if err != nil || k.router == nil || strings.HasSuffix(req.URL.Path, "graphql") {
		return res, err
	}
	got, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(got))
	if err == nil {
		k.exchange(req, sent, res, got)
	}
	return res, err
}

func (k *contract) exchange(req *http.Request, sent []byte, res *http.Response, got []byte) {
	again := req.Clone(context.Background())
	again.Body = io.NopCloser(bytes.NewReader(sent))
	again.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	route, params, err := k.router.FindRoute(again)
	if err != nil {
		k.judge(req.Method+" "+req.URL.Path, "request", err)
		return
	}
	for name, value := range params {
		if plain, err := url.PathUnescape(value); err == nil {
			params[name] = plain
		}
	}
	options := &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true, SkipSettingDefaults: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route, Options: options}
	name := req.Method + " " + strings.ReplaceAll(route.Path, ":.+}", "}")
	k.judge(name, "request", openapi3filter.ValidateRequest(context.Background(), in))
	k.judge(name, fmt.Sprintf("response %d", res.StatusCode), openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(got)), Options: options,
	}))
	k.mu.Lock()
	k.checked++
	k.mu.Unlock()
}

// judge reports what no exception covers, each fault once.
func (k *contract) judge(route, side string, err error) {
	for _, one := range flatten(err) {
		text := side + ": " + one
		if k.excepted(route, text) || k.said(route+text) {
			continue
		}
		k.t.Errorf("%s: %s: %s", k.server, route, text)
	}
}

func (k *contract) excepted(route, text string) bool {
	for _, x := range exceptions {
		if (x.server == "" || x.server == k.server) && (x.route == "" || x.route == route) && regexp.MustCompile(x.what).MatchString(text) {
			k.mu.Lock()
			k.needed[x.route+x.why] = true
			k.mu.Unlock()
			return true
		}
	}
	return false
}

// unneeded finds exceptions that outlived their reason. Those for any server
// are needed by the fake, which the whole suite runs against.
func (k *contract) unneeded() {
	for _, x := range exceptions {
		mine := x.server == k.server || x.server == "" && k.server == "fake"
		if mine && !k.needed[x.route+x.why] {
			k.t.Errorf("%s: exception no longer needed: %s %s (%s)", k.server, x.route, x.what, x.why)
		}
	}
}

func (k *contract) said(fault string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.faults[fault]
	k.faults[fault] = true
	return before
}

// flatten gives each fault of a validation as "pointer: reason".
func flatten(err error) []string {
	switch e := err.(type) {
	case nil:
		return nil
	case openapi3.MultiError:
		var all []string
		for _, one := range e {
			all = append(all, flatten(one)...)
		}
		return all
	case *openapi3filter.RequestError:
		if e.Err != nil {
			return flatten(e.Err)
		}
	case *openapi3filter.ResponseError:
		if e.Err != nil {
			return flatten(e.Err)
		}
		return []string{e.Reason}
	case *openapi3.SchemaError:
		text := "/" + strings.Join(e.JSONPointer(), "/") + ": " + e.Reason
		if e.Origin != nil {
			text += ": " + strings.Join(flatten(e.Origin), "; ")
		}
		return []string{text}
	}
	text, _, _ := strings.Cut(err.Error(), "\nSchema:")
	return []string{text}
}

// The suite also runs without GitHub's description; that it then proves less
// shows as a skipped test.
func TestDescriptionIsThere(t *testing.T) {
	if fixture(t, "openapi.trimmed.json.gz") == nil {
		t.Skip("not run: exchanges held against GitHub's description: no github/openapi.trimmed.json.gz in SEEDBED_FIXTURES or ../shared/fixtures")
	}
}

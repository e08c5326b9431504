package fakegithub

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
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

// contract is GitHub's published API description. Every exchange of these
// tests is held against it: what the test sends, unless it is sent to be
// refused, and what comes back.
type contract struct {
	router routers.Router
	mu     sync.Mutex
	seen   map[string]bool // exceptions that were needed
}

// exception is one place where our answer or GitHub's own clients depart from
// the description, with the reason.
type exception struct {
	route string // method and path of the description
	what  string // regular expression on what the checker says
	why   string
}

var theContract = sync.OnceValues(readContract)

// fixtures finds GitHub's description: SEEDBED_FIXTURES, or ../shared beside the repository.
func fixtures(name string) ([]byte, error) {
	dir := os.Getenv("SEEDBED_FIXTURES")
	if dir == "" {
		root, err := repoRoot()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(root, "..", "shared", "fixtures")
	}
	f, err := os.Open(filepath.Join(dir, "github", name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func repoRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

var errNoFixtures = errors.New("GitHub's API description is not there (SEEDBED_FIXTURES or ../shared/fixtures): exchanges are not held against it")

func readContract() (*contract, error) {
	data, err := fixtures("openapi.trimmed.json.gz")
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoFixtures
	}
	if err != nil {
		return nil, err
	}
	for _, p := range []string{"ref", "path", "basehead", "branch"} {
		data = bytes.ReplaceAll(data, []byte("/{"+p+"}"), []byte("/{"+p+":.+}"))
	}
	// Below commits/ a ref with a slash comes encoded, else it would swallow "/pulls".
	data = bytes.ReplaceAll(data, []byte("/commits/{ref:.+}"), []byte("/commits/{ref}"))
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			closeBody(op)
		}
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	return &contract{router: router, seen: map[string]bool{}}, nil
}

// closeBody makes unknown fields of a request body an error.
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

// loadContract gives the description, or nil with a word in the log.
func loadContract(t *testing.T) *contract {
	t.Helper()
	k, err := theContract()
	if errors.Is(err, errNoFixtures) {
		t.Log(err)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// exchange holds one request and its answer against the description.
func (k *contract) exchange(t *testing.T, req *http.Request, sent []byte, res *http.Response, got []byte) {
	t.Helper()
	for _, fault := range k.faults(req, sent, res, got) {
		t.Error(fault)
	}
}

// described tells what the description covers: not git, GraphQL and refused paths.
func described(path string) bool {
	return strings.HasPrefix(path, "/repos/") || path == "/user" || path == "/rate_limit" || strings.HasPrefix(path, "/users/") || strings.HasPrefix(path, "/search/")
}

// faults lists what no exception covers.
func (k *contract) faults(req *http.Request, sent []byte, res *http.Response, got []byte) []string {
	if !described(req.URL.Path) {
		return nil
	}
	again := req.Clone(context.Background())
	again.Body = io.NopCloser(bytes.NewReader(sent))
	again.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	route, params, err := k.router.FindRoute(again)
	if err != nil {
		if res.StatusCode == 404 {
			return nil
		}
		return []string{fmt.Sprintf("%s %s: answered %d, but GitHub has no such route: %v", req.Method, req.URL.Path, res.StatusCode, err)}
	}
	for name, value := range params {
		if plain, err := url.PathUnescape(value); err == nil {
			params[name] = plain
		}
	}
	name := req.Method + " " + strings.ReplaceAll(route.Path, ":.+}", "}")
	options := &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true}
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route, Options: options}
	var out []string
	if res.StatusCode < 400 {
		out = k.judge(name, "request", openapi3filter.ValidateRequest(context.Background(), in))
	}
	if containsFold(undeclared[res.StatusCode], name) {
		k.need(fmt.Sprint(res.StatusCode, " ", name))
		return append(out, refusal(name, got)...)
	}
	return append(out, k.judge(name, fmt.Sprintf("response %d", res.StatusCode), openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(got)), Options: options}))...)
}

// need remembers that an exception was needed.
func (k *contract) need(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen[key] = true
}

// refusal holds an undeclared refusal against the shape all of GitHub's errors have.
func refusal(route string, got []byte) []string {
	var e struct {
		Message       string
		Documentation string `json:"documentation_url"`
	}
	if err := json.Unmarshal(got, &e); err != nil || e.Message == "" || e.Documentation == "" {
		return []string{fmt.Sprintf("%s: have refusal %s, want message and documentation_url", route, got)}
	}
	return nil
}

// judge keeps what no exception covers.
func (k *contract) judge(route, side string, err error) []string {
	var out []string
	for _, one := range flatten(err) {
		text := side + ": " + one
		covered := false
		for _, x := range exceptions {
			if (x.route == "" || x.route == route) && regexp.MustCompile(x.what).MatchString(text) {
				covered = true
				k.need(x.route + x.what)
				break
			}
		}
		if !covered {
			out = append(out, route+": "+text)
		}
	}
	return out
}

// flatten gives each fault as "pointer: reason".
func flatten(err error) []string {
	if err == nil {
		return nil
	}
	var many openapi3.MultiError
	if e, isMany := err.(openapi3.MultiError); isMany {
		many = e
	}
	switch e := err.(type) {
	case *openapi3filter.RequestError:
		if e.Err == nil {
			return []string{e.Error()}
		}
		return prefixed(e.Reason, flatten(e.Err))
	case *openapi3filter.ResponseError:
		if e.Err == nil {
			return []string{e.Reason}
		}
		return prefixed(e.Reason, flatten(e.Err))
	case *openapi3.SchemaError:
		at := "/" + strings.Join(e.JSONPointer(), "/")
		reason, _, _ := strings.Cut(e.Reason, "\nSchema:")
		if e.Origin != nil {
			reason += ": " + strings.Join(flatten(e.Origin), "; ")
		}
		return []string{at + ": " + reason}
	}
	if many != nil {
		var out []string
		for _, one := range many {
			out = append(out, flatten(one)...)
		}
		return out
	}
	text, _, _ := strings.Cut(err.Error(), "\nSchema:")
	return []string{text}
}

func prefixed(prefix string, list []string) []string {
	if prefix == "" {
		return list
	}
	for i := range list {
		list[i] = prefix + ": " + list[i]
	}
	return list
}

// TestMain fails a whole run that did not need one of the exceptions.
func TestMain(m *testing.M) {
	code := m.Run()
	k, err := theContract()
	whole := flag.Lookup("test.run").Value.String() == "" && !testing.Short()
	if code == 0 && err == nil && whole {
		for _, x := range exceptions {
			if !k.seen[x.route+x.what] {
				fmt.Printf("the exception for %s %s is not needed any more\n", x.route, x.what)
				code = 1
			}
		}
		for status, routes := range undeclared {
			for _, route := range routes {
				if !k.seen[fmt.Sprint(status, " ", route)] {
					fmt.Printf("the undeclared %d of %s is not needed any more\n", status, route)
					code = 1
				}
			}
		}
	}
	os.Exit(code)
}

// The checker itself: what is wrong is found, in what is sent and in what comes back.
func TestContractFindsFaults(t *testing.T) {
	k := loadContract(t)
	if k == nil {
		t.Skip(errNoFixtures)
	}
	cases := []struct{ name, sent, got, want string }{
		{"good", `{"name":"bug"}`, `{"id":1,"node_id":"x","url":"http://x/y","name":"bug","description":null,"color":"ffffff","default":false}`, ""},
		{"unknown field sent", `{"name":"bug","colour":"x"}`, `{"id":1,"node_id":"x","url":"http://x/y","name":"bug","description":null,"color":"ffffff","default":false}`, "colour"},
		{"missing field sent", `{}`, `{"id":1,"node_id":"x","url":"http://x/y","name":"bug","description":null,"color":"ffffff","default":false}`, "name"},
		{"missing field answered", `{"name":"bug"}`, `{"node_id":"x","url":"http://x/y","name":"bug","description":null,"color":"ffffff","default":false}`, "id"},
		{"wrong type answered", `{"name":"bug"}`, `{"id":"1","node_id":"x","url":"http://x/y","name":"bug","description":null,"color":"ffffff","default":false}`, "integer"},
	}
	for _, c := range cases {
		req, err := http.NewRequest("POST", "http://x/repos/acme/app/labels", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res := &http.Response{StatusCode: 201, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
		have := strings.Join(k.faults(req, []byte(c.sent), res, []byte(c.got)), "; ")
		if c.want == "" && have != "" || !strings.Contains(have, c.want) {
			t.Errorf("%s: have %q, want it to name %q", c.name, have, c.want)
		}
	}
}

// exceptions are listed one by one. One that a whole run did not need fails it.
var exceptions = []exception{
	{"POST /repos/{owner}/{repo}/issues/{issue_number}/labels", `^request: .*value must be an object`, "GitHub also takes a bare list of names, and go-github sends one; the description forgot it"},
	{"PUT /repos/{owner}/{repo}/issues/{issue_number}/labels", `^request: .*value must be an object`, "as for POST"},
	{"", `^response (409|422): .*value matches more than one schema from "oneOf"`, "the description offers two error shapes as oneOf, and GitHub's plain errors satisfy both"},
	{"GET /repos/{owner}/{repo}/contents/{path}", `^response 200: .*Content-Type has unexpected value: "application/vnd.github.raw`, "the raw media type is documented in words only"},
	{"GET /repos/{owner}/{repo}/pulls/{pull_number}", `^response 200: .*Content-Type has unexpected value: "application/vnd.github.diff`, "as for compare"},
	{"GET /repos/{owner}/{repo}/compare/{basehead}", `^response 200: .*unsupported content type "application/vnd.github.diff"`, "the diff media type is documented in words only"},
}

// undeclared lists the refusals GitHub gives on routes whose description does
// not name them. A refused permission (403), a missing or hidden object (404)
// and a value that cannot be taken (422) can happen almost everywhere; the
// description names them here and there. Each stands for an exchange of these tests.
var undeclared = map[int][]string{
	401: {},
	403: {
		"PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}",
		"POST /repos/{owner}/{repo}/check-runs",
		"POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun",
		"GET /repos/{owner}/{repo}/actions/permissions",
		"POST /repos/{owner}/{repo}/actions/variables",
		"GET /repos/{owner}/{repo}/branches/{branch}/protection",
		"POST /repos/{owner}/{repo}/issues/{issue_number}/labels",
		"PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
	},
	404: {
		"POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
		"GET /repos/{owner}/{repo}/actions/runs/{run_id}",
		"DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}",
	},
	409: {
		"POST /repos/{owner}/{repo}/actions/variables",
	},
	422: {
		"PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}",
		"POST /repos/{owner}/{repo}/check-runs",
		"POST /repos/{owner}/{repo}/statuses/{sha}",
		"POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
	},
}

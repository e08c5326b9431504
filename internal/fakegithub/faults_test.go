package fakegithub

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func basic(user, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))
}

// lines reads the request log.
func (w *world) lines() []requestLine {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.root, "requests.jsonl"))
	w.must(err)
	var out []requestLine
	scan := bufio.NewScanner(bytes.NewReader(raw))
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var l requestLine
		w.must(json.Unmarshal(scan.Bytes(), &l))
		out = append(out, l)
	}
	return out
}

// try sends a request that may fail on the way.
func (w *world) try(method, path, body string) (status int, text string, err error) {
	req, err := http.NewRequest(method, w.base+path, strings.NewReader(body))
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+w.dev)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}

func TestFaultKinds(t *testing.T) {
	w := newWorld(t)
	w.check = nil
	open := func(title string) (int, string, error) {
		return w.try("POST", repoPath+"/issues", `{"title":"`+title+`"}`)
	}
	count := func() int { return w.do(w.dev, "GET", repoPath+"/issues", nil).want(200).length() }

	w.s.SetFaults(Fault{Method: "POST", Path: "/repos/*/*/issues", Nth: 1, Kind: FaultStatus, Status: 429, Header: map[string]string{"Retry-After": "7"}, Body: `{"message":"slow down"}`})
	a := w.do(w.dev, "POST", repoPath+"/issues", obj{"title": "x"}).want(429).saying("slow down")
	if a.header.Get("Retry-After") != "7" {
		t.Errorf("have Retry-After %q, want 7", a.header.Get("Retry-After"))
	}
	if n := count(); n != 0 {
		t.Errorf("after status: have %d issues, want 0", n)
	}
	w.do(w.dev, "POST", repoPath+"/issues", obj{"title": "x"}).want(201)

	w.s.SetFaults(Fault{Mutation: 1, Kind: FaultDropBefore})
	if _, _, err := open("y"); err == nil || count() != 1 {
		t.Errorf("after drop_before: have error %v and %d issues, want an error and 1", err, count())
	}
	w.s.SetFaults(Fault{Mutation: 1, Kind: FaultDropAfter})
	if _, _, err := open("y"); err == nil || count() != 2 {
		t.Errorf("after drop_after: have error %v and %d issues, want an error and 2", err, count())
	}
	w.s.SetFaults(Fault{Request: 1, Kind: FaultCut})
	if status, text, err := open("z"); status != 201 || err == nil || json.Valid([]byte(text)) || count() != 3 {
		t.Errorf("after cut: have %d, error %v, %d bytes, %d issues; want 201, an error, half a body, 3 issues", status, err, len(text), count())
	}
	w.s.SetFaults(Fault{Kind: FaultDelay, Delay: Duration(30 * time.Millisecond)})
	start := time.Now()
	w.do(w.dev, "GET", repoPath, nil).want(200)
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("have delay %v, want at least 30ms", took)
	}
	w.s.SetFaults()
	var faults []string
	for _, l := range w.lines() {
		if l.Fault != "" && l.Fault != string(FaultDelay) {
			faults = append(faults, l.Fault)
		}
	}
	if have, want := strings.Join(faults, " "), "status drop_before drop_after cut"; have != want {
		t.Errorf("have faults %q in the log, want %q", have, want)
	}
}

func TestFaultMatching(t *testing.T) {
	type request struct {
		method, path string
		mutation     bool
	}
	all := []request{{"GET", "/a", false}, {"POST", "/a/b", true}, {"POST", "/graphql", false}, {"POST", "/a/b", true}, {"PATCH", "/a/b/c", true}}
	cases := []struct {
		name  string
		fault Fault
		want  string
	}{
		{"all", Fault{}, "12345"},
		{"method", Fault{Method: "post"}, "234"},
		{"path", Fault{Path: "/a/*"}, "24"},
		{"deep path", Fault{Path: "/a/**"}, "1245"},
		{"nth request", Fault{Request: 3}, "3"},
		{"nth mutation", Fault{Mutation: 3}, "5"},
		{"nth match", Fault{Path: "/a/b", Nth: 2}, "4"},
		{"nth mutation elsewhere", Fault{Mutation: 1, Path: "/graphql"}, ""},
	}
	for _, c := range cases {
		c.fault.Kind = FaultDelay
		p := newPlan([]Fault{c.fault})
		have := ""
		for n, r := range all {
			if p.next(r.method, r.path, r.mutation) != nil {
				have += string(rune('1' + n))
			}
		}
		if have != c.want {
			t.Errorf("%s: have %q, want %q", c.name, have, c.want)
		}
	}
}

func TestReadFaults(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"good", `[{"method":"POST","path":"/repos/**","nth":2,"kind":"status","status":502,"header":{"Retry-After":"1"}},{"kind":"delay","delay":"1.5s"}]`, ""},
		{"unknown kind", `[{"kind":"explode"}]`, "unknown kind"},
		{"unknown field", `[{"kind":"cut","wen":1}]`, "wen"},
		{"status without one", `[{"kind":"status"}]`, "fault 1"},
		{"bad delay", `[{"kind":"delay","delay":5}]`, "delay"},
		{"not a list", `{}`, "reading the fault plan"},
	}
	for _, c := range cases {
		file := filepath.Join(t.TempDir(), "faults.json")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		faults, err := ReadFaults(file)
		if c.want == "" {
			if err != nil || len(faults) != 2 || time.Duration(faults[1].Delay) != 1500*time.Millisecond {
				t.Errorf("%s: have %v, %v", c.name, faults, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: have error %v, want it to name %q", c.name, err, c.want)
		}
	}
}

// The log says what was asked, by whom, and whether it could change something;
// it never holds a token.
func TestRequestLog(t *testing.T) {
	w := newWorld(t)
	w.check = nil
	w.do(w.dev, "POST", repoPath+"/issues", obj{"title": "mine " + w.actions, "body": strings.Repeat("x", 2*logBody)}).want(201)
	w.do(w.dev, "GET", repoPath+"/issues?labels="+w.dev, nil).want(200)
	w.do("", "GET", repoPath, nil).want(200)
	w.graph(w.dev, Operations()[0].Document, obj{"owner": "acme", "name": "app", "number": 1})
	w.mustGit(".", "ls-remote", w.cloneURL(w.dev))
	lines := w.lines()
	if l := lines[0]; l.Actor != "dev" || l.Token != KindUser || !l.Mutation || l.Status != 201 || len(l.Body) > logBody || !l.Time.Equal(w.clock.now()) {
		t.Errorf("have %+v, want a capped mutation by dev", l)
	}
	for _, l := range lines[1:] {
		if l.Mutation || l.Body != "" {
			t.Errorf("have %+v marked as a mutation", l)
		}
	}
	raw, err := os.ReadFile(filepath.Join(w.root, "requests.jsonl"))
	w.must(err)
	for _, token := range []string{w.dev, w.actions} {
		if bytes.Contains(raw, []byte(token)) {
			t.Error("have a token in the request log")
		}
	}
	names := w.events()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(w.root, "events", name))
		w.must(err)
		if bytes.Contains(data, []byte(w.dev)) {
			t.Errorf("have the caller's token in %s", name)
		}
	}
}

// A server opened again goes on where the old one stopped.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.issue(w.dev, "One")
	w.do(w.dev, "POST", repoPath+"/issues/1/comments", obj{"body": "c"}).want(201)
	w.pull(w.dev, "p", "x.txt", "x\n")
	before := w.do(w.dev, "GET", repoPath+"/issues/1", nil).want(200)
	lastID := w.s.st.LastID
	events := len(w.events())
	w.must(w.s.Close())
	w.open(Options{})
	after := w.do(w.dev, "GET", repoPath+"/issues/1", nil).want(200)
	for _, key := range []string{"id", "number", "title", "created_at", "comments"} {
		after.is(before.get(key), key)
	}
	if n := w.issue(w.dev, "Three"); n != 3 {
		t.Errorf("have issue %d after a restart, want 3", n)
	}
	if id := w.do(w.dev, "GET", repoPath+"/issues/3", nil).want(200).num("id"); id != lastID+1 {
		t.Errorf("have id %d after a restart, want %d", id, lastID+1)
	}
	if have := w.events(); len(have) != events+1 {
		t.Errorf("have %d events, want %d", len(have), events+1)
	}
	w.do(w.dev, "GET", pulls("/2"), nil).want(200).is(true, "mergeable")
	w.must(w.s.AddRepository(Repository{Owner: "acme", Name: "app"})) // again: changes nothing
	w.do(w.dev, "GET", repoPath+"/contents/README.md", nil).want(200)
	w.must(w.s.Close())
	w.must(os.WriteFile(filepath.Join(w.root, "state.json"), []byte(`{"Version": 99}`), 0o600))
	if _, err := Open(Options{Root: w.root}); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("have error %v for a newer state, want one that names the version", err)
	}
	w.must(os.WriteFile(filepath.Join(w.root, "state.json"), []byte(`{"Vers`), 0o600))
	if _, err := Open(Options{Root: w.root}); err == nil || !strings.Contains(err.Error(), "state.json") {
		t.Errorf("have error %v for a cut state, want one that names the file", err)
	}
}

// A branch that moved while no server ran is noticed when one opens.
func TestCatchUp(t *testing.T) {
	w := newWorld(t)
	n := w.pull(w.dev, "p", "x.txt", "x\n")
	next := w.commitFile(w.dev, w.tip("p"), "x.txt", "y\n", "y")
	w.must(w.s.Close())
	w.mustGit(filepath.Join(w.root, "acme", "app.git"), "update-ref", "refs/heads/p", next)
	w.open(Options{})
	w.do(w.dev, "GET", pulls("/%d", n), nil).want(200).is(next, "head", "sha").is(2, "commits")
	w.event("pull_request-synchronize").is(next, "after")
}

// The same steps give the same bytes.
func TestDeterminism(t *testing.T) {
	run := func() string {
		w := newWorld(t)
		w.issue(w.dev, "One")
		w.pull(w.actions, "p", "x.txt", "x\n")
		a := w.do(w.dev, "GET", pulls("/2"), nil).want(200)
		return strings.ReplaceAll(string(a.raw), strings.TrimPrefix(w.base, "http://"), "HOST")
	}
	a, b := run(), run()
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			t.Fatalf("have two different answers for the same steps:\n%s\n%s", a[max(i-80, 0):i+80], b[max(i-80, 0):i+80])
		}
	}
}

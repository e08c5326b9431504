package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/setup"
)

// hubRepo is the one repository on a script's fake GitHub. Its people: ana owns
// it, bea may write, tri may triage, eve is a stranger.
const hubRepo = "ana/notes"

// hub is a script's fake GitHub:
//
//	hub start DIR               serve DIR as ana/notes and point the environment at it
//	hub as LOGIN METHOD PATH [JSON]
//	                            one request by a person; what GET answers goes to stdout
//	hub job ROW [NAME=LEVEL...] a running workflow run, and GITHUB_TOKEN as that row of
//	                            the trust table, with permissions changed as named
//	hub over [ID]               the run is over
//	hub event NAME              the newest event of that name starts the job
//	hub clone DIR               what actions/checkout would give
//	hub push FILE               commit FILE on main, past everybody
//	hub fork LOGIN DIR          a fork with the files of DIR added, and a pull request
//	hub head BRANCH VAR         a branch's commit into the environment
//	hub faults FILE             break requests from now on
//	hub later DURATION          its clock goes ahead
//	hub mark, hub wrote N       requests since the mark that asked for a change
type hub struct {
	server *fakegithub.Server
	dir    string
	base   string
	marked int
	later  atomic.Int64 // how far the server's clock is ahead, in nanoseconds
}

type hubKey struct{}

func hubCommand(ts *testscript.TestScript, neg bool, args []string) {
	h := ts.Value(hubKey{}).(*hub)
	if len(args) == 0 {
		ts.Fatalf("usage: hub COMMAND [ARG...]")
	}
	do, ok := map[string]func(*testscript.TestScript, []string) error{
		"start": h.start, "as": h.as, "job": h.job, "over": h.over, "event": h.event, "clone": h.clone, "push": h.push, "fork": h.fork,
		"later": h.ahead, "head": h.head, "faults": h.faults, "mark": h.mark, "wrote": h.wrote,
	}[args[0]]
	if !ok {
		ts.Fatalf("hub: no command %q", args[0])
	}
	err := do(ts, args[1:])
	switch {
	case neg && err == nil:
		ts.Fatalf("hub %s: went well", strings.Join(args, " "))
	case !neg && err != nil:
		ts.Fatalf("hub %s: %v", strings.Join(args, " "), err)
	case neg:
		ts.Logf("[%v]", err)
	}
}

func (h *hub) start(ts *testscript.TestScript, args []string) error {
	h.dir = ts.MkAbs("hub")
	var err error
	if h.server, err = fakegithub.Open(fakegithub.Options{Root: h.dir, Now: func() time.Time { return time.Now().Add(time.Duration(h.later.Load())) }}); err != nil {
		return err
	}
	ts.Defer(func() { h.server.Close() })
	if h.base, err = h.server.Start("127.0.0.1:0"); err != nil {
		return err
	}
	if err := h.server.AddRepository(fakegithub.Repository{Owner: "ana", Name: "notes", DefaultBranch: "main", From: ts.MkAbs(args[0])}); err != nil {
		return err
	}
	for login, role := range map[string]string{"bea": "write", "tri": "triage", "eve": ""} {
		if err := h.server.AddUser(fakegithub.User{Login: login}); err != nil {
			return err
		}
		if role == "" {
			continue
		}
		if err := h.server.SetPermission(hubRepo, login, role); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{"GITHUB_API_URL": h.base, "GITHUB_SERVER_URL": h.base, "GITHUB_GRAPHQL_URL": h.base + "/graphql",
		"GITHUB_REPOSITORY": hubRepo} {
		ts.Setenv(name, value)
	}
	return nil
}

func (h *hub) as(ts *testscript.TestScript, args []string) error {
	token, err := h.server.MintToken(fakegithub.Token{Name: args[0], Kind: fakegithub.KindUser, Login: args[0]})
	if strings.HasSuffix(args[0], "[bot]") {
		token, err = h.server.MintToken(fakegithub.Token{Name: args[0], Kind: fakegithub.KindApp, Login: args[0], Repo: hubRepo})
	}
	if err != nil {
		return err
	}
	var body io.Reader
	if len(args) > 3 {
		body = strings.NewReader(args[3])
	}
	path := args[2]
	if !strings.HasPrefix(path, "//") {
		path = "/repos/" + hubRepo + path
	}
	req, err := http.NewRequest(args[1], h.base+strings.TrimPrefix(path, "/"+"/"), body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if args[1] == http.MethodGet {
		if err := printLean(ts.Stdout(), answer); err != nil {
			return err
		}
	}
	if res.StatusCode >= 400 {
		return fmt.Errorf("%s: %s", res.Status, answer)
	}
	return nil
}

// printLean prints an answer without the parts that no script looks at.
func printLean(to io.Writer, answer []byte) error {
	var v any
	if err := json.Unmarshal(answer, &v); err != nil {
		return err
	}
	out := json.NewEncoder(to)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	return out.Encode(lean(v))
}

func lean(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = lean(v[i])
		}
	case map[string]any:
		if login, ok := v["login"]; ok {
			return login
		}
		for name, value := range v {
			switch {
			case strings.HasSuffix(name, "url"), name == "_links", name == "reactions", name == "repo", name == "node_id", name == "performed_via_github_app":
				delete(v, name)
			default:
				v[name] = lean(value)
			}
		}
	}
	return v
}

func (h *hub) job(ts *testscript.TestScript, args []string) error {
	row, ok := setup.Permissions[args[0]]
	if args[0] == "judge" { // of pull-request.yml
		row, ok = map[string]string{"contents": "read", "issues": "read", "checks": "read", "statuses": "read", "actions": "read", "pull_requests": "write"}, true
	}
	if !ok {
		return fmt.Errorf("the trust table has no row %q", args[0])
	}
	may := map[string]string{}
	for name, level := range row {
		may[name] = level
	}
	for _, change := range args[1:] {
		name, level, _ := strings.Cut(change, "=")
		may[name] = level
		if level == "none" {
			delete(may, name)
		}
	}
	token, err := h.server.MintToken(fakegithub.Token{Name: "job-" + strings.Join(args, "-"), Kind: fakegithub.KindActions, Repo: hubRepo, Permissions: may})
	if err != nil {
		return err
	}
	ts.Setenv("GITHUB_TOKEN", token)
	if ts.Getenv("GITHUB_RUN_ID") != "" {
		return nil
	}
	sha, err := h.git("rev-parse", "main")
	if err != nil {
		return err
	}
	id, err := h.server.SetRun(hubRepo, fakegithub.Run{Path: ".github/workflows/cycle.yml", Name: "seedbed", Event: "issues",
		Status: "in_progress", HeadSHA: sha})
	ts.Setenv("GITHUB_RUN_ID", fmt.Sprint(id))
	ts.Setenv("GITHUB_RUN_ATTEMPT", "1")
	return err
}

func (h *hub) over(ts *testscript.TestScript, args []string) error {
	name := ts.Getenv("GITHUB_RUN_ID")
	if len(args) > 0 {
		name = args[0]
	}
	var id int64
	if _, err := fmt.Sscan(name, &id); err != nil {
		return err
	}
	sha, err := h.git("rev-parse", "main")
	if err != nil {
		return err
	}
	_, err = h.server.SetRun(hubRepo, fakegithub.Run{ID: id, Path: ".github/workflows/cycle.yml", Name: "seedbed", Event: "issues",
		Status: "completed", Conclusion: "success", HeadSHA: sha})
	ts.Setenv("GITHUB_RUN_ID", "")
	return err
}

func (h *hub) event(ts *testscript.TestScript, args []string) error {
	entries, err := os.ReadDir(filepath.Join(h.dir, "events"))
	if err != nil {
		return err
	}
	slices.Reverse(entries)
	kind := strings.TrimSuffix(args[0], "_target") // the same payload, another trust
	for _, e := range entries {
		if _, rest, _ := strings.Cut(e.Name(), "-"); rest == kind+".json" || strings.HasPrefix(rest, kind+"-") {
			ts.Setenv("GITHUB_EVENT_NAME", args[0])
			ts.Setenv("GITHUB_EVENT_PATH", filepath.Join(h.dir, "events", e.Name()))
			return nil
		}
	}
	return fmt.Errorf("no event %q happened", args[0])
}

func (h *hub) clone(ts *testscript.TestScript, args []string) error {
	out, err := exec.Command("git", "clone", "-q", filepath.Join(h.dir, hubRepo+".git"), ts.MkAbs(args[0])).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (h *hub) push(ts *testscript.TestScript, args []string) error {
	dir := ts.MkAbs(".push")
	defer os.RemoveAll(dir)
	if err := h.clone(ts, []string{dir}); err != nil {
		return err
	}
	data := ts.ReadFile(args[0])
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(args[0])), []byte(data), 0o644); err != nil {
		return err
	}
	for _, line := range [][]string{{"add", "-A"}, {"-c", "user.name=ana", "-c", "user.email=ana@example.com", "commit", "-qm", "by hand"}, {"push", "-q"}} {
		out, err := exec.Command("git", append([]string{"-C", dir}, line...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("git %s: %w: %s", line[0], err, out)
		}
	}
	return nil
}

func (h *hub) fork(ts *testscript.TestScript, args []string) error {
	if err := h.server.AddRepository(fakegithub.Repository{Owner: args[0], Name: "notes", ForkOf: hubRepo}); err != nil {
		return err
	}
	dir := ts.MkAbs(".fork")
	defer os.RemoveAll(dir)
	for _, line := range [][]string{{"git", "clone", "-q", filepath.Join(h.dir, args[0], "notes.git"), dir}, {"cp", "-r", ts.MkAbs(args[1]) + "/.", dir},
		{"git", "-C", dir, "add", "-A"}, {"git", "-C", dir, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "mine"},
		{"git", "-C", dir, "push", "-q", "origin", "HEAD:refs/heads/mine"}} {
		if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", line, err, out)
		}
	}
	return h.as(ts, []string{args[0], http.MethodPost, "/pulls", fmt.Sprintf(`{"title":"Mine","head":"%s:mine","base":"main"}`, args[0])})
}

func (h *hub) head(ts *testscript.TestScript, args []string) error {
	sha, err := h.git("rev-parse", args[0])
	ts.Setenv(args[1], sha)
	return err
}

// git asks the bare repository itself.
func (h *hub) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"--git-dir", filepath.Join(h.dir, hubRepo+".git")}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}

func (h *hub) faults(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		h.server.SetFaults()
		return nil
	}
	faults, err := fakegithub.ReadFaults(ts.MkAbs(args[0]))
	h.server.SetFaults(faults...)
	return err
}

func (h *hub) ahead(_ *testscript.TestScript, args []string) error {
	d, err := time.ParseDuration(args[0])
	h.later.Add(int64(d))
	return err
}

func (h *hub) mark(*testscript.TestScript, []string) error {
	n, err := h.mutations()
	h.marked = len(n)
	return err
}

func (h *hub) wrote(_ *testscript.TestScript, args []string) error {
	list, err := h.mutations()
	if err != nil {
		return err
	}
	since := list[h.marked:]
	if fmt.Sprint(len(since)) != args[0] {
		return fmt.Errorf("have %d requests for a change, want %s:\n%s", len(since), args[0], strings.Join(since, "\n"))
	}
	return nil
}

// mutations are the requests that asked for a change, as the server noted them.
// A request is noted once it is answered, so the newest may still be missing for
// a moment.
func (h *hub) mutations() ([]string, error) {
	return mutationsIn(filepath.Join(h.dir, "requests.jsonl"))
}

func mutationsIn(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Method, Path string
			Status       int
			Mutation     bool
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		if line.Mutation {
			list = append(list, fmt.Sprintf("%s %s %d", line.Method, line.Path, line.Status))
		}
	}
	return list, lines.Err()
}

// writes compares how many requests in a kept folder asked for a change:
// writes N DIR/requests.jsonl. With a second file, only those since that copy of
// it was made count.
func writes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: writes N FILE [EARLIER]")
	}
	list, err := mutationsIn(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(args) > 2 {
		earlier, err := mutationsIn(ts.MkAbs(args[2]))
		ts.Check(err)
		list = list[len(earlier):]
	}
	if fmt.Sprint(len(list)) != args[0] {
		ts.Fatalf("have %d requests for a change, want %s:\n%s", len(list), args[0], strings.Join(list, "\n"))
	}
}

// waitFor lets a script go on once a file is there: waitfor FILE.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	path := ts.MkAbs(args[0])
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	ts.Fatalf("%s did not appear", args[0])
}

// terminate sends SIGTERM to what runs in the background and expects the end
// within a second or so.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: terminate")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// asks sends one request as the person "you" of a ready file, or else with its
// first token by name: asks READY STATUS METHOD PATH [HEADER=VALUE...]. A header named Host is the host that is asked
// for.
func asks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: asks READY STATUS METHOD PATH [HEADER=VALUE...]")
	}
	var ready struct {
		BaseURL string            `json:"base_url"`
		Tokens  map[string]string `json:"tokens"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &ready))
	req, err := http.NewRequest(args[2], ready.BaseURL+args[3], nil)
	ts.Check(err)
	names := slices.Sorted(maps.Keys(ready.Tokens))
	if token := ready.Tokens["you"]; token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	} else if len(names) > 0 {
		req.Header.Set("Authorization", "Bearer "+ready.Tokens[names[0]])
	}
	for _, h := range args[4:] {
		name, value, _ := strings.Cut(h, "=")
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	ts.Check(printLean(ts.Stdout(), answer))
	if fmt.Sprint(res.StatusCode) != args[1] {
		ts.Fatalf("%s %s: have status %s, want %s", args[2], args[3], res.Status, args[1])
	}
}

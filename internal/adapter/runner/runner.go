// Package runner is the one door between Seedbed and GitHub Actions: the event
// and the environment come in, outputs, summary, annotations and log commands
// go out.
//
// It promises: no value can become a second value, a variable or a command,
// whatever text it holds; only keys of a list become outputs; sizes are capped
// and a cut says so; the event is a hint of bounded size and an event it does
// not know is no error. Outside Actions nothing goes to files and what people
// should see goes to stderr as plain text. It asks nothing of the network and
// works the same under act.
//
// It does not clean texts for people: mentions, HTML and secrets are removed
// before, where effects are applied.
package runner

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	actions "github.com/sethvargo/go-githubactions"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// Options are the parts of the process that a Runner may touch.
type Options struct {
	Env    func(string) string
	Out    io.Writer // where the runner looks for commands; stdout or stderr
	Stderr io.Writer // for people, outside Actions
	Random io.Reader // of delimiters and stop tokens; nil is crypto/rand
}

// Runner writes to the runner it runs on, if any.
type Runner struct {
	env     func(string) string
	out     io.Writer
	stderr  io.Writer
	random  io.Reader
	inside  bool
	actions *actions.Action
}

// New looks at GITHUB_ACTIONS to learn whether there is a runner.
func New(o Options) *Runner {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	r := &Runner{env: o.Env, out: o.Out, stderr: o.Stderr, random: o.Random}
	r.inside, _ = strconv.ParseBool(o.Env("GITHUB_ACTIONS"))
	r.actions = actions.New(actions.WithWriter(o.Out), actions.WithGetenv(o.withoutEvent))
	return r
}

// withoutEvent hides the event file from the library, which would read it
// whole whatever its size; ReadEvent reads it within bounds.
func (o Options) withoutEvent(name string) string {
	if name == "GITHUB_EVENT_PATH" {
		return ""
	}
	return o.Env(name)
}

// Context is where and for whom a run happens
// (https://docs.github.com/actions/reference/workflows-and-actions/variables).
// All of it is what the runner says, none of it proves anything.
type Context struct {
	Actions    bool // false outside GitHub Actions; the rest may be empty then
	Owner      string
	Repo       string
	Actor      forge.User
	EventName  string
	Workflow   string
	Job        string
	RunID      int64
	Attempt    int // 1-based
	RunURL     string
	ServerURL  string
	APIURL     string
	GraphQLURL string
	Ref        string
	SHA        string
	Workspace  string
	TempDir    string
}

var repositoryRE = regexp.MustCompile(`^([A-Za-z0-9._-]{1,100})/([A-Za-z0-9._-]{1,100})$`)

// Context reads the environment. Errors name the variable at fault.
func (r *Runner) Context() (Context, error) {
	got, err := r.actions.Context()
	if err != nil {
		return Context{}, fmt.Errorf("reading the GITHUB_* variables: %w", err)
	}
	actorID, _ := strconv.ParseInt(got.ActorID, 10, 64) // 0, unknown, under act
	c := Context{
		Actions: r.inside, Actor: forge.User{ID: actorID, Login: got.Actor, Bot: strings.HasSuffix(got.Actor, "[bot]")},
		EventName: got.EventName, Workflow: got.Workflow, Job: got.Job,
		RunID: got.RunID, Attempt: max(int(got.RunAttempt), 1),
		ServerURL: got.ServerURL, APIURL: got.APIURL, GraphQLURL: got.GraphqlURL,
		Ref: got.Ref, SHA: got.SHA, Workspace: got.Workspace, TempDir: r.tempDir(),
	}
	if got.Repository == "" {
		return c, nil
	}
	parts := repositoryRE.FindStringSubmatch(got.Repository)
	if parts == nil {
		return Context{}, fmt.Errorf("GITHUB_REPOSITORY is %.200q, want OWNER/NAME", got.Repository)
	}
	c.Owner, c.Repo = parts[1], parts[2]
	if c.RunID != 0 {
		c.RunURL = fmt.Sprintf("%s/%s/%s/actions/runs/%d", c.ServerURL, c.Owner, c.Repo, c.RunID)
		if c.Attempt > 1 {
			c.RunURL += fmt.Sprintf("/attempts/%d", c.Attempt)
		}
	}
	return c, nil
}

// tempDir is RUNNER_TEMP, which the runner empties after each job.
func (r *Runner) tempDir() string {
	if dir := r.env("RUNNER_TEMP"); dir != "" {
		return dir
	}
	return os.TempDir()
}

// token is 128 bits that no text from outside can hold but by chance.
func (r *Runner) token() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(r.random, b); err != nil {
		return "", fmt.Errorf("drawing a random token: %w", err)
	}
	return hex.EncodeToString(b), nil
}

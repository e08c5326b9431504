package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/stage/deploy"
)

const theSeed = `version: 1
project: {name: app, owners: [{handle: maya}]}
commands: {test: ["true"]}
deploy:
  provider: command
  staging: {deploy: sh release.sh}
  production: {promote: sh promote.sh, rollback: sh rollback.sh}
  watch: {settle: 5s, window: 3s, interval: 1s, min_samples: 3}
  promotion: auto
`

// The scripts keep releases in folders and write down that they ran. A commit
// whose file ill names an environment is not healthy there.
var scripts = map[string]string{
	"release.sh": `set -eu
echo "release $SEEDBED_SHA" >>"$DEPLOY_ROOT/ran"
mkdir -p "$DEPLOY_ROOT/releases/$SEEDBED_SHA" "$DEPLOY_ROOT/staging"
cp -r . "$DEPLOY_ROOT/releases/$SEEDBED_SHA/"
grep -q staging ill || echo fine >"$DEPLOY_ROOT/releases/$SEEDBED_SHA/healthz"
ln -sfn "../releases/$SEEDBED_SHA" "$DEPLOY_ROOT/staging/current"
echo "{\"release\": \"$SEEDBED_SHA\", \"url\": \"file://$DEPLOY_ROOT/staging/current\"}"
`,
	"promote.sh": `set -eu
echo "promote $SEEDBED_RELEASE" >>"$DEPLOY_ROOT/ran"
if grep -q production ill; then rm -f "$DEPLOY_ROOT/releases/$SEEDBED_RELEASE/healthz"; fi
mkdir -p "$DEPLOY_ROOT/production"
ln -sfn "../releases/$SEEDBED_RELEASE" "$DEPLOY_ROOT/production/current"
echo "{\"release\": \"$SEEDBED_RELEASE\", \"url\": \"file://$DEPLOY_ROOT/production/current\"}"
`,
	"rollback.sh": `set -eu
echo "rollback $SEEDBED_RELEASE" >>"$DEPLOY_ROOT/ran"
ln -sfn "../releases/$SEEDBED_RELEASE" "$DEPLOY_ROOT/production/current"
echo "{\"release\": \"$SEEDBED_RELEASE\", \"url\": \"file://$DEPLOY_ROOT/production/current\"}"
`,
}

// world is a repository on the fake GitHub, a person, the workflow's token and
// a folder that things are deployed to.
type world struct {
	t           *testing.T
	fake        *fakegithub.Server
	base        string
	maya, robot *github.Client
	root, tmp   string
	now         time.Time
	seed        *seed.Seed
	dirs        int
	repo        *git.Repo
}

func newWorld(t *testing.T, seedText string) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir(), tmp: t.TempDir(), now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	source := t.TempDir()
	for name, text := range scripts {
		must(t, os.WriteFile(filepath.Join(source, name), []byte(text), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(source, "seed.yaml"), []byte(seedText), 0o644))
	must(t, os.WriteFile(filepath.Join(source, "ill"), nil, 0o644))
	var err error
	w.seed, err = seed.Parse("seed.yaml", []byte(seedText))
	must(t, err)
	w.fake, err = fakegithub.Open(fakegithub.Options{Root: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { w.fake.Close() })
	w.base, err = w.fake.Start("127.0.0.1:0")
	must(t, err)
	must(t, w.fake.AddUser(fakegithub.User{Login: "acme", Type: "Organization"}))
	must(t, w.fake.AddRepository(fakegithub.Repository{Owner: "acme", Name: "app", From: source}))
	must(t, w.fake.AddUser(fakegithub.User{Login: "maya"}))
	must(t, w.fake.SetPermission("acme/app", "maya", "write"))
	w.maya = w.client(fakegithub.Token{Kind: fakegithub.KindUser, Login: "maya"})
	w.robot = w.client(fakegithub.Token{Kind: fakegithub.KindActions, Repo: "acme/app"})
	return w
}

func (w *world) client(token fakegithub.Token) *github.Client {
	w.t.Helper()
	value, err := w.fake.MintToken(token)
	must(w.t, err)
	c, err := github.New(github.Options{BaseURL: w.base, Token: value, Owner: "acme", Repo: "app"})
	must(w.t, err)
	return c
}

// commit puts a commit onto main in the name of c. ill names the environments
// in which it is not healthy.
func (w *world) commit(c *github.Client, ill string) string {
	w.t.Helper()
	have, err := c.File(w.t.Context(), "ill", "main")
	must(w.t, err)
	_, sha, err := c.PutFile(w.t.Context(), "ill", "main", "a change", []byte(ill+"\n"+string(have.Content)+"."), have.SHA)
	must(w.t, err)
	if ill == "" {
		have, err = c.File(w.t.Context(), "ill", "main")
		must(w.t, err)
		_, sha, err = c.PutFile(w.t.Context(), "ill", "main", "mend it", []byte(fmt.Sprintf("%d\n", len(have.Content))), have.SHA)
		must(w.t, err)
	}
	return sha
}

// clone is a fresh clone as the command line makes it.
type clone struct{ *git.Repo }

func (c clone) Parents(ctx context.Context, sha string) ([]string, error) {
	info, err := c.CommitInfo(ctx, sha)
	return info.Parents, err
}

// ports is what a run gets. Time goes on when it sleeps, and no test waits.
func (w *world) ports() deploy.Ports {
	w.t.Helper()
	if w.repo == nil {
		var err error
		w.repo, err = git.Clone(w.t.Context(), git.Options{URL: w.base + "/acme/app.git", Token: w.fake.TokenNamed("acme"), Dir: filepath.Join(w.tmp, "clone.git")})
		must(w.t, err)
	}
	must(w.t, w.repo.Fetch(w.t.Context(), "refs/heads/main"))
	return deploy.Ports{Forge: w.robot, Deployments: w.robot, Repo: clone{w.repo}, Scripts: deploy.Shell{}, Probe: deploy.NewWeb(0), Clean: effect.NewCleaner(nil),
		Now: func() time.Time { return w.now }, Scratch: w.tmp,
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.now = w.now.Add(d)
			return ctx.Err()
		},
		Environ: append(os.Environ(), "DEPLOY_ROOT="+w.root, "GITHUB_TOKEN=not-for-scripts", "OPENAI_API_KEY=not-for-scripts")}
}

func (w *world) dir() *rundir.Dir {
	w.t.Helper()
	w.dirs++
	d, err := rundir.Create(filepath.Join(w.tmp, fmt.Sprintf("run%d", w.dirs)), rundir.Run{ID: int64(w.dirs), Job: "deploy"})
	must(w.t, err)
	return d
}

// deploy runs the stage and wants an outcome.
func (w *world) deploy(sha string, want rundir.Outcome, change ...func(*deploy.Ports, *deploy.Input)) deploy.Report {
	w.t.Helper()
	p, in := w.ports(), deploy.Input{SHA: sha, Dir: w.dir()}
	for _, c := range change {
		c(&p, &in)
	}
	rep, err := deploy.Run(w.t.Context(), p, w.seed, in)
	must(w.t, err)
	if rep.Record.Outcome != want {
		w.t.Fatalf("have %s (%s: %s), want %s", rep.Record.Outcome, rep.Record.Reason, rep.Record.Message, want)
	}
	return rep
}

// ran is what the scripts wrote down, commits by short names.
func (w *world) ran() string {
	data, _ := os.ReadFile(filepath.Join(w.root, "ran"))
	var lines []string
	for _, line := range strings.Fields(strings.ReplaceAll(string(data), " ", ":")) {
		verb, sha, _ := strings.Cut(line, ":")
		lines = append(lines, verb+" "+sha[:4])
	}
	return strings.Join(lines, ", ")
}

// states are the records of an environment, oldest first.
func (w *world) states(environment string) string {
	w.t.Helper()
	list, err := w.robot.Deployments(w.t.Context(), environment)
	must(w.t, err)
	var out []string
	for _, d := range list {
		task, _, _ := strings.Cut(strings.TrimPrefix(d.Task, "seedbed-"), "-")
		out = append([]string{fmt.Sprintf("%s %s %s", task, d.SHA[:4], d.State)}, out...)
	}
	return strings.Join(out, ", ")
}

// current is the release that production runs.
func (w *world) current() string {
	link, _ := os.Readlink(filepath.Join(w.root, "production", "current"))
	return strings.TrimPrefix(link, "../releases/")
}

func kinds(list []effect.Effect) string {
	var out []string
	for _, e := range list {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

// prober answers from a script; the last answer stays.
type prober struct{ say []deploy.Result }

func (p *prober) Probe(context.Context, string) (deploy.Result, string) {
	r := p.say[0]
	if len(p.say) > 1 {
		p.say = p.say[1:]
	}
	return r, "scripted " + string(r)
}

// foreign records a release of somebody else.
func (w *world) foreign(sha string) forge.Deployment {
	w.t.Helper()
	data, _ := json.Marshal(map[string]string{"by": "another tool"})
	d, err := w.maya.CreateDeployment(w.t.Context(), forge.Deployment{SHA: sha, Ref: sha, Environment: deploy.Production, Task: "deploy", Payload: string(data)})
	must(w.t, err)
	return d
}

func equal(t *testing.T, what string, have, want any) {
	t.Helper()
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("%s\nhave %v\nwant %v", what, have, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Run implements deploy.Scripts.
func (f failing) Run(ctx context.Context, s deploy.Script) (deploy.Ran, error) {
	if strings.Contains(s.Line, f.line) {
		return deploy.Ran{Exit: 1, Stderr: []byte("no room\n")}, nil
	}
	return f.Scripts.Run(ctx, s)
}

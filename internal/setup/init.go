package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/examples/workflows"
	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
)

// InitOptions say what init works on and what it may use.
type InitOptions struct {
	Dir    string // a folder of the work tree
	Full   bool   // write the full set of workflows instead of the quick start
	Remove bool   // take out what an earlier init wrote
	DryRun bool   // print, write nothing

	// Runner runs the commands that were found, isolated (adapter/sandbox;
	// tests have functions). Nil: nothing is run, and NoRunner says why.
	Runner   check.Runner
	NoRunner string
	Redactor *secret.Redactor // nil: token formats alone
	Scratch  string           // where the copy is made; empty: the system's

	// Repository is OWNER/NAME on the forge, empty when unknown.
	Repository string
	// Forge reads what the forge knows; nil: no token.
	Forge InitForge

	// Workflows are the files to write by base name; nil: those of this build.
	Workflows map[string][]byte

	Out io.Writer
	Now func() time.Time
}

// InitForge is what init asks the forge, when it can. adapter/github.Client
// implements it.
type InitForge interface {
	Repository(ctx context.Context) (forge.Repository, error)
	Viewer(ctx context.Context) (forge.User, error)
}

// Settings reads what guards a branch and what Actions may do. GITHUB_TOKEN may
// not read all of it: a refusal is forge.ErrForbidden and means unknown.
// adapter/github.Client implements it.
type Settings interface {
	// Protection says whether a branch is guarded, and which checks it requires.
	Protection(ctx context.Context, branch string) (guarded bool, checks []string, err error)
	// ActionsMayOpenPulls is the setting "Allow GitHub Actions to create and
	// approve pull requests".
	ActionsMayOpenPulls(ctx context.Context) (bool, error)
}

// Errors of Init that callers branch on.
var (
	// ErrInTheWay means that a file init would write is there and not init's.
	ErrInTheWay = errors.New("files that init did not write are in the way")
	// ErrKept means that a file which init wrote was changed since, so that
	// --remove left it.
	ErrKept = errors.New("files were changed since init wrote them")
	// ErrNoRepository means that there is no work tree of git.
	ErrNoRepository = errors.New("not inside a git work tree")
)

// Init puts Seedbed into the work tree: it guesses how the project is tested,
// tries that once on a scratch copy, and writes seed.yaml, the workflows and an
// issue form. It asks nothing and never overwrites a file it did not write; a
// second run changes nothing.
func Init(ctx context.Context, o InitOptions) error {
	in, err := openInit(o)
	if err != nil {
		return err
	}
	defer in.close()
	if o.Remove {
		return in.remove()
	}
	if err := in.inTheWay(); err != nil {
		return err
	}
	if err := in.look(ctx); err != nil {
		return err
	}
	in.ask(ctx)
	if err := in.run(ctx); err != nil {
		return err
	}
	return in.write()
}

// initRun is one run of init.
type initRun struct {
	InitOptions
	top     string   // root of the work tree
	root    *os.Root // of it: nothing outside is read or written
	repo    *git.Repo
	scratch string
	commit  string // that is looked at and tested
	head    string // branch and commit, for people
	found   *found
	chosen  []choice
	setup   []ran
	owner   guess
	log     string // log.branch
	logWhy  string
}

// ran is a command that was run, or why it was not.
type ran struct {
	try
	side *rundir.Side
	why  string
}

func (r ran) green() bool { return r.side != nil && r.side.OK() }

// choice is the test command of a unit and how it was come by.
type choice struct {
	unit unit
	ran  []ran
	pick int // index into ran
}

func (c choice) picked() ran { return c.ran[c.pick] }

func openInit(o InitOptions) (*initRun, error) {
	if o.Workflows == nil {
		o.Workflows = workflows.Files()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	top, err := workTree(o.Dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return nil, fmt.Errorf("opening the work tree: %w", err)
	}
	scratch, err := os.MkdirTemp(o.Scratch, "seedbed-init-")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a scratch folder: %w", err), root.Close())
	}
	return &initRun{InitOptions: o, top: top, root: root, scratch: scratch}, nil
}

func (in *initRun) close() {
	in.root.Close()
	os.RemoveAll(in.scratch)
}

// say prints a line, broken where a terminal would break it.
func (in *initRun) say(format string, args ...any) {
	for _, line := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if len([]rune(line)) <= 100 || len(indent) > 50 {
			fmt.Fprintln(in.Out, line)
			continue
		}
		for i, part := range wrapped(line, 98-len(indent)) {
			fmt.Fprintln(in.Out, indent+map[bool]string{true: "  "}[i > 0]+part)
		}
	}
}

// workTree is the folder that holds .git, at dir or above it.
func workTree(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("locating %s: %w", dir, err)
	}
	for at := abs; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s: %w", abs, ErrNoRepository)
		}
	}
}

// look copies the repository's objects and guesses from the commit that is
// checked out. Before the first commit it takes the files as they are.
func (in *initRun) look(ctx context.Context) error {
	repo, err := git.InitFrom(ctx, filepath.Join(in.scratch, "copy.git"), in.top)
	if err != nil {
		return fmt.Errorf("reading the repository: %w", err)
	}
	in.repo = repo
	if err := in.base(ctx); err != nil {
		return err
	}
	tree, err := repo.Tree(ctx, in.commit)
	if err != nil {
		return fmt.Errorf("reading the tree: %w", err)
	}
	in.found = find(newSource(tree, func(sha string) ([]byte, error) { return repo.Blob(ctx, sha) }))
	in.tell()
	return nil
}

// base picks the commit: HEAD, or one made of the files before there is any.
func (in *initRun) base(ctx context.Context) error {
	head, err := in.repo.Resolve(ctx, "HEAD")
	tree, snapErr := in.repo.Snapshot(ctx, in.top, head)
	if err == nil {
		in.commit, in.head = head, fmt.Sprintf("HEAD is %.8s", head)
		t, treeErr := in.repo.Tree(ctx, head)
		if snapErr == nil && treeErr == nil && tree != t.SHA {
			in.head += "; what is not committed is not looked at"
		}
		return nil
	}
	if snapErr != nil {
		return fmt.Errorf("reading the files: %w", snapErr)
	}
	in.head = "nothing is committed yet; the files are taken as they are"
	who := git.Identity{Name: "Seedbed", Email: "seedbed@users.noreply.github.com"}
	in.commit, err = in.repo.CommitTree(ctx, tree, nil, "files before the first commit", who, in.Now())
	return err
}

// tell prints what was found and where.
func (in *initRun) tell() {
	in.say("seedbed init · %s", in.head)
	in.say("\nFound")
	for i, g := range in.found.guesses {
		if i == maxTold {
			in.say("  and %d more", len(in.found.guesses)-i)
			break
		}
		in.say("  %-16s %-32s %s", g.what, g.value, g.at)
	}
	if len(in.found.units) == 0 {
		in.say("  no tests         seed.yaml is written without commands.test: nothing will prove a change")
	}
	for _, c := range in.found.checks {
		in.say("  %-16s %-32s %s", "job of your CI", c.value, c.at)
	}
	for i, n := range in.found.notes {
		if i == maxTold {
			in.say("  note: and %d more", len(in.found.notes)-i)
			break
		}
		in.say("  note: %s", n)
	}
}

// maxTold bounds the lines of one kind that are printed.
const maxTold = 20

// ask completes the guesses with what the forge knows, if it may be asked.
func (in *initRun) ask(ctx context.Context) {
	in.owner = in.found.owner
	owner, _, _ := strings.Cut(in.Repository, "/")
	if in.owner.value == "" && owner != "" {
		in.owner = guess{"owner", owner, place{"remote origin", 0}}
	}
	if in.Forge == nil {
		in.logWhy = "log: on the default branch; without a token init cannot see whether it is protected"
		return
	}
	if viewer, err := in.Forge.Viewer(ctx); err == nil && !viewer.Bot && in.found.owner.value == "" {
		in.owner = guess{"owner", viewer.Login, place{"the token's account", 0}}
	}
	in.askBranch(ctx)
}

func (in *initRun) askBranch(ctx context.Context) {
	repository, err := in.Forge.Repository(ctx)
	settings, able := in.Forge.(Settings)
	if err == nil && able {
		var guarded bool
		var checks []string
		if guarded, checks, err = settings.Protection(ctx, repository.DefaultBranch); err == nil {
			in.logWhy = fmt.Sprintf("log: on %s, which is not protected", shown(repository.DefaultBranch))
			if guarded {
				in.log = "seedbed/log"
				in.logWhy = fmt.Sprintf("log: on branch %s, because %s is protected", in.log, shown(repository.DefaultBranch))
			}
			if len(checks) > 0 {
				in.logWhy += "; it requires " + shown(strings.Join(checks, ", "))
			}
			return
		}
	}
	in.logWhy = "log: on the default branch; whether it is protected is unknown here"
	if err != nil {
		in.logWhy += " (" + firstOf(err, "") + ")"
	}
}

// run tries the commands once each in one scratch copy: set-up with network,
// tests without.
func (in *initRun) run(ctx context.Context) error {
	for _, u := range in.found.units {
		c := choice{unit: u}
		for _, t := range u.tests {
			c.ran = append(c.ran, ran{try: t, why: in.NoRunner})
		}
		in.chosen = append(in.chosen, c)
	}
	for _, t := range in.found.setup {
		in.setup = append(in.setup, ran{try: t, why: in.NoRunner})
	}
	if in.Runner == nil || len(in.chosen) == 0 {
		if len(in.chosen) > 0 {
			in.say("\nNot run: %s", in.NoRunner)
		}
		return nil
	}
	dir := filepath.Join(in.scratch, "tree")
	if err := in.repo.Checkout(ctx, in.commit, dir); err != nil {
		return fmt.Errorf("making a scratch copy: %w", err)
	}
	in.say("\nRan once, in the sandbox, on a copy")
	bench := check.Bench{Runner: in.Runner, Redactor: in.Redactor, Dir: dir}
	for i := range in.setup {
		if err := in.try(ctx, bench, check.Setup, &in.setup[i]); err != nil {
			return err
		}
	}
	for i := range in.chosen {
		if err := in.choose(ctx, bench, &in.chosen[i]); err != nil {
			return err
		}
	}
	in.dropRed()
	return nil
}

// choose tries a unit's commands until one is green; else the first stands.
func (in *initRun) choose(ctx context.Context, bench check.Bench, c *choice) error {
	for i := range c.ran {
		if err := in.try(ctx, bench, check.Test, &c.ran[i]); err != nil {
			return err
		}
		if c.ran[i].green() {
			c.pick = i
			return nil
		}
	}
	return nil
}

func (in *initRun) try(ctx context.Context, bench check.Bench, kind string, r *ran) error {
	side, err := bench.Do(ctx, check.Declared{Kind: kind, Name: r.run, Run: r.run, Network: kind == check.Setup})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.why = firstOf(err, "")
		in.say("  %-7s        %s: %s", "not run", shown(r.run), r.why)
		return nil
	}
	r.side = &side
	in.say("  %-7s %5.1fs %s%s", verdictOf(side), float64(side.Millis)/1000, shown(r.run), counted(side))
	in.say("  %14s from %s", "", r.at)
	if !side.OK() {
		for _, line := range lastLines(side.Output, 5) {
			in.say("  %14s | %s", "", clipped(line, 80))
		}
	}
	return nil
}

func verdictOf(s rundir.Side) string {
	switch {
	case s.OK():
		return "green"
	case s.TimedOut:
		return "hangs"
	}
	return "red"
}

func counted(s rundir.Side) string {
	if s.Total == 0 {
		if s.OK() {
			return ""
		}
		return fmt.Sprintf(" (exit %d)", s.Exit)
	}
	return fmt.Sprintf(" (%d of %d)", s.Passed, s.Total)
}

func lastLines(text string, n int) []string {
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		if strings.TrimSpace(l) != "" {
			lines = append(lines, l)
		}
	}
	return lines[max(0, len(lines)-n):]
}

func clipped(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

// dropRed leaves out parts of a monorepo that are red today: what proves
// nothing now would stop every change. What is left is never empty.
func (in *initRun) dropRed() {
	if len(in.chosen) < 2 || !slices.ContainsFunc(in.chosen, func(c choice) bool { return c.picked().green() }) {
		return
	}
	in.chosen = slices.DeleteFunc(in.chosen, func(c choice) bool {
		if c.picked().green() {
			return false
		}
		in.say("  left out: %s is red today; add it to commands.test once it is green", shown(c.picked().run))
		return true
	})
}

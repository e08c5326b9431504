package implement

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/prompt"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// worker is one run of the stage. The state of the work is a commit and a tree
// in the repository; the work tree on disk is only where commands run, and
// nothing that a command leaves there is taken over unasked.
type worker struct {
	Ports
	seed    *seed.Seed
	dir     *rundir.Dir
	task    task.Task
	objects *objects

	base  string                  // commit the change starts from
	head  string                  // newest commit of the change
	tree  string                  // tree being worked on
	files map[string]change.Entry // its entries by path
	bench check.Bench
	red   *redness // what the newest test run found, nil when green

	started time.Time
	phases  []rundir.Phase
	tokens  int64
	shown   int                  // files shown to the model in the newest prompt
	told    bool                 // context was told
	nothing string               // why the model changed nothing
	over    string               // what the model insists on against the limits
	removed map[prompt.Note]bool // what cleaning took out of prompts, told once
	temp    string
}

func newWorker(p Ports, s *seed.Seed, d *rundir.Dir) (*worker, error) {
	if d.Run.Task == nil {
		return nil, errors.New("implement: the run directory holds no task")
	}
	if d.Run.Base.Commit == "" {
		return nil, errors.New("implement: the run directory names no base commit")
	}
	temp, err := os.MkdirTemp(p.Scratch, "seedbed-work-")
	if err != nil {
		return nil, fmt.Errorf("making a work tree: %w", err)
	}
	w := &worker{Ports: p, seed: s, dir: d, task: *d.Run.Task, temp: temp, started: p.Now(),
		base: d.Run.Base.Commit, head: d.Run.Base.Commit, objects: newObjects(p.Repo), removed: map[prompt.Note]bool{}}
	if w.Choose == nil {
		w.Choose = ByWords
	}
	if w.Ledger == nil {
		w.Ledger = budget.New("task", budget.Limits{budget.Commands: int64(s.Budgets.Task.Commands)})
	}
	w.bench = check.Bench{Runner: p.Sandbox, Redactor: p.Redactor, Dir: filepath.Join(temp, "tree"), Spend: w.spend, Left: w.left, Layers: w.layers}
	return w, nil
}

func (w *worker) close() { _ = os.RemoveAll(w.temp) } // scratch of our own; what stays is in a temporary folder

// spend charges one command.
func (w *worker) spend() error {
	if w.left() <= 0 {
		return outOfTime(w.seed)
	}
	r, err := w.Ledger.Reserve(budget.Commands, 1)
	if err != nil {
		return err
	}
	return w.Ledger.Settle(r, 1)
}

// left is what remains of the task's minutes.
func (w *worker) left() time.Duration {
	return time.Duration(w.seed.Budgets.Task.Minutes)*time.Minute - w.Now().Sub(w.started)
}

func (w *worker) layers(l []command.Layer) { w.dir.Run.Sandbox = l }

// open writes the work tree and prepares it with the declared setup.
func (w *worker) open(ctx context.Context, commit string) error {
	if err := w.Repo.Checkout(ctx, commit, w.bench.Dir); err != nil {
		return fmt.Errorf("making the work tree: %w", err)
	}
	if err := w.moveTo(ctx, commit); err != nil {
		return err
	}
	w.head = commit
	for _, d := range check.Commands(w.seed, check.Setup) {
		side, err := w.run(ctx, d)
		if err != nil {
			return err
		}
		if !side.OK() {
			return setupFailed(d, side)
		}
	}
	return nil
}

// moveTo makes a tree the one being worked on.
func (w *worker) moveTo(ctx context.Context, rev string) error {
	t, err := w.objects.tree(ctx, rev)
	if err != nil {
		return err
	}
	w.tree = t.SHA
	w.files = make(map[string]change.Entry, len(t.Entries))
	for _, e := range t.Entries {
		w.files[e.Path] = e
	}
	return nil
}

// run does one declared command; a sandbox that fails is an outcome of its own.
func (w *worker) run(ctx context.Context, d check.Declared) (rundir.Side, error) {
	side, err := w.bench.Do(ctx, d)
	var over *budget.Exceeded
	var end *stop
	switch {
	case err == nil, errors.As(err, &over), errors.As(err, &end), ctx.Err() != nil:
		return side, err
	}
	return side, sandboxFailed(err)
}

// edit writes contents into the tree and onto the disk.
func (w *worker) edit(ctx context.Context, contents map[string]change.Content) error {
	tree, err := w.Repo.Edit(ctx, w.tree, contents)
	if err != nil {
		return err
	}
	return w.put(ctx, contents, tree)
}

// put writes contents onto the disk and goes on with the tree they make.
// Writing goes through a root that no link leads out of, since commands may
// have planted some.
func (w *worker) put(ctx context.Context, contents map[string]change.Content, tree string) error {
	root, err := os.OpenRoot(w.bench.Dir)
	if err != nil {
		return fmt.Errorf("opening the work tree: %w", err)
	}
	defer root.Close()
	for name, c := range contents {
		if err := w.putFile(root, name, c); err != nil {
			return fmt.Errorf("writing %s into the work tree: %w", name, err)
		}
	}
	return w.moveTo(ctx, tree)
}

func (w *worker) putFile(root *os.Root, name string, c change.Content) error {
	if c.Unchanged {
		return nil
	}
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	if c.Deleted {
		return nil
	}
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	mode := os.FileMode(0o644)
	if w.files[name].Mode == change.ModeExecutable {
		mode = 0o755
	}
	return root.WriteFile(name, c.Data, mode)
}

// read gives a file of the tree being worked on.
func (w *worker) read(ctx context.Context) func(path string) ([]byte, bool) {
	return func(path string) ([]byte, bool) {
		e, ok := w.files[path]
		if !ok || e.Mode != change.ModeFile && e.Mode != change.ModeExecutable || e.Size > change.MaxBlob {
			return nil, false
		}
		data, err := w.objects.blob(ctx, e.SHA)
		return data, err == nil
	}
}

// takeBack reads what a command made of files, as far as they are plain and
// differ.
func (w *worker) takeBack(ctx context.Context, names []string) (map[string]change.Content, error) {
	root, err := os.OpenRoot(w.bench.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the work tree: %w", err)
	}
	defer root.Close()
	contents := map[string]change.Content{}
	for _, name := range names {
		info, err := root.Lstat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() > change.MaxBlob {
			continue
		}
		f, err := root.Open(name)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(f, change.MaxBlob))
		_ = f.Close() // opened for reading
		if old, had := w.read(ctx)(name); err == nil && !(had && bytes.Equal(old, data)) {
			contents[name] = change.Content{Data: data}
		}
	}
	return contents, nil
}

// commit records the tree being worked on, if it differs from the newest
// commit's.
func (w *worker) commit(ctx context.Context, subject, body string) error {
	head, err := w.objects.tree(ctx, w.head)
	if err != nil || head.SHA == w.tree {
		return err
	}
	w.head, err = w.Repo.Commit(ctx, w.tree, w.head, string(w.Redactor.Redact([]byte(message(subject, body)))), w.started)
	return err
}

// keep puts the change into the run directory, also what a stopped run left
// uncommitted.
func (w *worker) keep(ctx context.Context) error {
	if w.tree != "" {
		if err := w.commit(ctx, "Unfinished: "+w.task.Title, ""); err != nil {
			return err
		}
	}
	if w.head == w.base {
		return nil
	}
	patch, err := w.Repo.FormatPatch(ctx, w.base, w.head)
	if err != nil {
		return err
	}
	head, err := w.objects.tree(ctx, w.head)
	if err != nil {
		return err
	}
	w.dir.Run.HeadTree = head.SHA
	return w.dir.Write(rundir.PatchFile, patch)
}

// phase notes how long something took and what came of it.
func (w *worker) phase(name string, since time.Time, format string, args ...any) {
	w.phases = append(w.phases, rundir.Phase{Name: name, Millis: w.Now().Sub(since).Milliseconds(), Note: fmt.Sprintf(format, args...)})
}

// Longest parts of a commit message, in characters.
const (
	maxSubject = 72
	maxBody    = 2000
)

// message makes a commit message of words that a model or a stranger wrote.
func message(subject, body string) string {
	subject, _ = prompt.Clean(subject)
	body, _ = prompt.Clean(body)
	if subject = oneLine(subject); subject == "" {
		subject = "Change"
	}
	if body = strings.TrimSpace(body); body != "" {
		body = "\n\n" + clip(body, maxBody)
	}
	return clip(subject, maxSubject) + body + "\n"
}

// clip cuts a text after n characters and says so.
func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-3]) + "..."
}

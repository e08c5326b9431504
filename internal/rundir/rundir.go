// Package rundir holds what one job hands to the next: a directory of plain
// files and run.json, which names each of them with its digest.
//
// The directory travels as an artifact between jobs of different trust. Writers
// replace files whole (write aside, sync, rename). Readers trust nothing: sizes
// are bounded, names come from a fixed list, links are refused and digests are
// compared. A digest proves that the copy is whole, not that its author was
// honest, so govern judges everything again.
package rundir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"syscall"
	"time"

	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Version is the version of run.json. Fields may be added; a reader refuses a
// version it does not know.
const Version = 1

// The files a run directory may hold, and nothing else.
const (
	RunFile        = "run.json"
	TasksFile      = "tasks.json"       // []task.Task, what plan selected
	EffectsFile    = "effects.json"     // []effect.Effect, proposed
	PatchFile      = "change.patch"     // mailbox series, one commit per step
	ChecksFile     = "checks.json"      // Checks
	FindingsFile   = "findings.json"    // Findings
	TranscriptFile = "transcript.jsonl" // model calls, redacted
	LedgerFile     = "ledger.json"      // what was reserved and used
	FactsFile      = "facts.json"       // what govern judged by
	VerdictFile    = "verdict.json"
	AppliedFile    = "applied.json" // results of effects
)

// maxDirs bounds how many run directories are taken at once: a matrix has at
// most 256 jobs, each handing over two.
const maxDirs = 1024

// limits bounds each file in bytes.
var limits = map[string]int64{
	RunFile: 1 << 20, TasksFile: 4 << 20, EffectsFile: 8 << 20, PatchFile: 64 << 20, ChecksFile: 8 << 20,
	FindingsFile: 8 << 20, TranscriptFile: 256 << 20, LedgerFile: 1 << 20, FactsFile: 16 << 20,
	VerdictFile: 16 << 20, AppliedFile: 8 << 20,
}

// Outcome is how a run, or one stage of it, ended. The names are a contract
// with workflows: see the table of exit codes in the help text.
type Outcome string

// The outcomes.
const (
	Succeeded         Outcome = "succeeded"
	NothingToDo       Outcome = "nothing_to_do"
	Advisory          Outcome = "advisory"
	QualityRejected   Outcome = "quality_rejected"
	ValidationBlocked Outcome = "validation_blocked"
	NoChange          Outcome = "no_change"
	Usage             Outcome = "usage_error"
	Environment       Outcome = "environment_blocked"
	Infrastructure    Outcome = "infrastructure_failed"
	NeedsHuman        Outcome = "needs_human"
	NeedsApproval     Outcome = "needs_approval"
	Pending           Outcome = "pending"
	Inconclusive      Outcome = "inconclusive"
	RolledBack        Outcome = "rolled_back"
	BudgetExhausted   Outcome = "budget_exhausted"
)

// ExitCode maps an outcome to the process's exit code.
func (o Outcome) ExitCode() int {
	switch o {
	case Succeeded, NothingToDo, Advisory:
		return 0
	case QualityRejected, ValidationBlocked, NoChange:
		return 1
	case Usage:
		return 2
	case NeedsHuman, NeedsApproval, Pending, Inconclusive, RolledBack:
		return 4
	case BudgetExhausted:
		return 5
	}
	return 3
}

// Snapshot is the state of the repository that a run worked on.
type Snapshot struct {
	Repository string    `json:"repository"` // OWNER/NAME
	Branch     string    `json:"branch"`
	Commit     string    `json:"commit"`
	At         time.Time `json:"at"`
}

// Phase is one named part of a stage with how long it took and one line about
// it for people.
type Phase struct {
	Name   string `json:"name"`
	Millis int64  `json:"ms"`
	Note   string `json:"note,omitempty"`
}

// Stage is one stage's record. Question is what a person is asked when the
// outcome is needs_human, Reason one of the closed list.
type Stage struct {
	Stage    string    `json:"stage"`
	Round    int       `json:"round,omitempty"`
	Outcome  Outcome   `json:"outcome"`
	Reason   string    `json:"reason,omitempty"`
	Message  string    `json:"message,omitempty"`
	Question string    `json:"question,omitempty"`
	Started  time.Time `json:"started"`
	Millis   int64     `json:"ms"`
	Phases   []Phase   `json:"phases,omitempty"`
	Tokens   int64     `json:"tokens,omitempty"`
}

// Run is run.json.
type Run struct {
	Version  int               `json:"version"`
	Binary   string            `json:"binary"`
	ID       int64             `json:"id"` // workflow run, 0 on a laptop
	Attempt  int               `json:"attempt"`
	URL      string            `json:"url,omitempty"`
	Job      string            `json:"job,omitempty"` // accept | build | verify | record | quick
	Base     Snapshot          `json:"base"`
	Event    forge.Event       `json:"event"`
	Task     *task.Task        `json:"task,omitempty"`
	Stages   []Stage           `json:"stages,omitempty"`
	Review   *Review           `json:"review,omitempty"`
	Sandbox  []command.Layer   `json:"sandbox,omitempty"`
	HeadTree string            `json:"head_tree,omitempty"` // tree the change arrives at, as its maker saw it
	Files    map[string]string `json:"files"`               // name -> sha256, hexadecimal
	// Replacing names the file that is being replaced, if any, with the digest
	// it had before ("" for none): a kill leaves the one or the other, whole.
	Replacing map[string]string `json:"replacing,omitempty"`
}

// Review is the reviewer's verdict about exactly one tree.
type Review struct {
	Tree    string `json:"tree"`
	Verdict string `json:"verdict"` // approve | rework | none
	Round   int    `json:"round"`
	Looked  int    `json:"looked"` // files reviewed
	Of      int    `json:"of"`     // files in the change
}

// Last is the record of the newest run of a stage.
func (r Run) Last(stage string) (Stage, bool) {
	for i := len(r.Stages) - 1; i >= 0; i-- {
		if r.Stages[i].Stage == stage {
			return r.Stages[i], true
		}
	}
	return Stage{}, false
}

// Checks is checks.json: what the declared commands said at base and at head.
type Checks struct {
	Version  int       `json:"version"`
	Where    string    `json:"where"` // build | verify
	HeadTree string    `json:"head_tree"`
	Commands []Command `json:"commands"`
}

// Command is one declared command at both sides.
type Command struct {
	Command string `json:"command"`
	Kind    string `json:"kind"` // test | lint | typecheck | format
	Base    *Side  `json:"base,omitempty"`
	Head    *Side  `json:"head,omitempty"`
}

// Side is one execution. Failed names failing tests, kept before any cutting of
// the output.
type Side struct {
	Exit     int      `json:"exit"`
	TimedOut bool     `json:"timed_out,omitempty"`
	Passed   int      `json:"passed"`
	Total    int      `json:"total"`
	Failed   []string `json:"failed,omitempty"`
	Tests    []string `json:"tests,omitempty"` // names seen, sorted; capped
	Output   string   `json:"output,omitempty"`
	Millis   int64    `json:"ms"`
}

// OK says whether the command succeeded.
func (s *Side) OK() bool { return s != nil && s.Exit == 0 && !s.TimedOut }

// Findings is findings.json: what review said.
type Findings struct {
	Version  int               `json:"version"`
	HeadTree string            `json:"head_tree"`
	Findings []finding.Finding `json:"findings"`
	Dropped  int               `json:"dropped,omitempty"` // anchored to no line of the diff
}

// ErrDigest means a file is not the one run.json names.
var ErrDigest = errors.New("digest differs")

// Dir is an open run directory.
type Dir struct {
	Path string
	Run  Run
}

// Create makes the directory, or opens the one that is there.
func Create(path string, run Run) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the run directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(path, RunFile)); err == nil {
		return Open(path)
	}
	run.Version, run.Files = Version, map[string]string{}
	d := &Dir{Path: path, Run: run}
	return d, d.Save()
}

// Open reads run.json and compares every named file's digest.
func Open(path string) (*Dir, error) {
	d := &Dir{Path: path}
	data, err := d.read(RunFile)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &d.Run); err != nil {
		return nil, fmt.Errorf("reading %s: %w", RunFile, err)
	}
	if d.Run.Version != Version {
		return nil, fmt.Errorf("reading %s: version %d, this binary knows %d", RunFile, d.Run.Version, Version)
	}
	if d.Run.Files == nil {
		d.Run.Files = map[string]string{}
	}
	if err := d.named(); err != nil {
		return nil, err
	}
	if err := d.settle(); err != nil {
		return nil, err
	}
	if err := d.verify(); err != nil {
		return nil, err
	}
	return d, nil
}

// Exists says whether a run directory is at path.
func Exists(path string) bool {
	_, err := os.Lstat(filepath.Join(path, RunFile))
	return err == nil
}

// All opens the run directory at path, or else every run directory directly
// below it, by name: a job that downloads several artifacts gets one folder
// each.
func All(path string) ([]*Dir, error) {
	if Exists(path) {
		d, err := Open(path)
		if err != nil {
			return nil, err
		}
		return []*Dir{d}, nil
	}
	names, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("reading the run directory: %w", err)
	}
	if len(names) > maxDirs {
		return nil, fmt.Errorf("reading the run directory: %d entries, at most %d", len(names), maxDirs)
	}
	var dirs []*Dir
	for _, n := range names {
		sub := filepath.Join(path, n.Name())
		if !n.IsDir() || !Exists(sub) {
			continue
		}
		d, err := Open(sub)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name(), err)
		}
		dirs = append(dirs, d)
	}
	return dirs, nil
}

// Read gives a file's content; absent files give nil without an error. A file
// that run.json does not name is not read.
func (d *Dir) Read(name string) ([]byte, error) {
	want, named := d.Run.Files[name]
	if !named {
		return nil, nil
	}
	data, err := d.read(name)
	if err != nil {
		return nil, err
	}
	if have := digest(data); have != want {
		return nil, fmt.Errorf("%s: digest %s, %s says %s: %w", name, have, RunFile, want, ErrDigest)
	}
	return data, nil
}

// ReadJSON decodes a file into v and says whether it was there.
func (d *Dir) ReadJSON(name string, v any) (bool, error) {
	data, err := d.Read(name)
	if err != nil || data == nil {
		return false, err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	return true, nil
}

// Write replaces a file and records its digest in run.json. Killed at any
// moment, it leaves a directory that opens with the file as it was or as it was
// to be.
func (d *Dir) Write(name string, data []byte) error {
	if err := fits(name, data); err != nil {
		return err
	}
	if d.Run.Files == nil {
		d.Run.Files = map[string]string{}
	}
	d.Run.Replacing = map[string]string{name: d.Run.Files[name]}
	d.Run.Files[name] = digest(data)
	if err := d.Save(); err != nil {
		return err
	}
	if err := d.put(name, data); err != nil {
		return err
	}
	d.Run.Replacing = nil
	return d.Save()
}

// fits refuses what no reader would take.
func fits(name string, data []byte) error {
	limit, known := limits[name]
	switch {
	case !known || name == RunFile:
		return fmt.Errorf("writing %q: no file of a run directory", name)
	case int64(len(data)) > limit:
		return fmt.Errorf("writing %s: %d bytes, at most %d", name, len(data), limit)
	}
	return nil
}

// settle finds out which of two versions a writer that was killed left.
func (d *Dir) settle() error {
	for name, before := range d.Run.Replacing {
		if _, named := d.Run.Files[name]; !named {
			continue
		}
		data, err := d.read(name)
		switch {
		case errors.Is(err, os.ErrNotExist) && before == "":
			delete(d.Run.Files, name)
		case err != nil:
			return err
		case before != "" && digest(data) == before:
			d.Run.Files[name] = before
		}
	}
	d.Run.Replacing = nil
	return nil
}

// WriteJSON writes v as indented JSON.
func (d *Dir) WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return d.Write(name, append(data, '\n'))
}

// Seal records the digest of a file that was appended to in place, such as the
// transcript.
func (d *Dir) Seal(name string) error {
	data, err := d.read(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	d.Run.Files[name] = digest(data)
	return d.Save()
}

// Save writes run.json.
func (d *Dir) Save() error {
	data, err := json.MarshalIndent(d.Run, "", " ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", RunFile, err)
	}
	return d.put(RunFile, append(data, '\n'))
}

// File is the path of a file that is appended to in place.
func (d *Dir) File(name string) string { return filepath.Join(d.Path, name) }

// Names lists the files run.json names, sorted.
func (d *Dir) Names() []string {
	names := make([]string, 0, len(d.Run.Files))
	for n := range d.Run.Files {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// named refuses names that no run directory holds, before any is opened.
func (d *Dir) named() error {
	for _, names := range []map[string]string{d.Run.Files, d.Run.Replacing} {
		for name := range names {
			if _, known := limits[name]; !known || name == RunFile {
				return fmt.Errorf("%s names %.80q, which no run directory holds", RunFile, name)
			}
		}
	}
	return nil
}

func (d *Dir) verify() error {
	for _, name := range d.Names() {
		if name == TranscriptFile {
			continue // appended to while a stage runs; read apart, line by line
		}
		if _, err := d.Read(name); err != nil {
			return err
		}
	}
	return nil
}

// read reads one plain file within its bound. It is opened without following a
// link and without waiting for the other end of a pipe, and what was opened is
// looked at, not what the name meant a moment before.
func (d *Dir) read(name string) ([]byte, error) {
	limit, known := limits[name]
	if !known {
		return nil, fmt.Errorf("%q is no file of a run directory", name)
	}
	f, err := os.OpenFile(filepath.Join(d.Path, name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("reading %s: not a plain file", name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: not a plain file", name)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("reading %s: larger than %d bytes", name, limit)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("reading %s: larger than %d bytes", name, limit)
	}
	return data, nil
}

func (d *Dir) put(name string, data []byte) error {
	tmp, err := os.CreateTemp(d.Path, "."+name+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := tmp.Sync(); err != nil {
		tmp.Close()
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := os.Rename(tmp.Name(), filepath.Join(d.Path, name)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

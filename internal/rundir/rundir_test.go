package rundir

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/task"
)

func made(t *testing.T) *Dir {
	t.Helper()
	d, err := Create(filepath.Join(t.TempDir(), "run"), Run{Binary: "test", ID: 7, Attempt: 1})
	ok(t, err)
	ok(t, d.WriteJSON(EffectsFile, map[string]int{"version": 1}))
	ok(t, d.Write(PatchFile, []byte("a patch\n")))
	return d
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What is written is read, by this process and by the next.
func TestRoundTrip(t *testing.T) {
	d := made(t)
	again, err := Open(d.Path)
	ok(t, err)
	data, err := again.Read(PatchFile)
	if err != nil || string(data) != "a patch\n" {
		t.Errorf("have %q, %v", data, err)
	}
	if data, err := again.Read(FactsFile); data != nil || err != nil {
		t.Errorf("an absent file: have %q, %v", data, err)
	}
	var v map[string]int
	if found, err := again.ReadJSON(EffectsFile, &v); !found || err != nil || v["version"] != 1 {
		t.Errorf("have %v, %v, %v", v, found, err)
	}
	if have := strings.Join(again.Names(), " "); have != "change.patch effects.json" {
		t.Errorf("names %s", have)
	}
	if _, err := Create(d.Path, Run{ID: 8}); err != nil {
		t.Error(err)
	}
	if same, _ := Open(d.Path); same.Run.ID != 7 {
		t.Errorf("making it again changed it: run %d", same.Run.ID)
	}
}

// B56: a file that is not the one that was written is named with both digests.
func TestTampering(t *testing.T) {
	set := func(name, text string) func(*Dir) error {
		return func(d *Dir) error { return os.WriteFile(filepath.Join(d.Path, name), []byte(text), 0o600) }
	}
	record := func(change func(*Run)) func(*Dir) error {
		return func(d *Dir) error {
			change(&d.Run)
			data, err := json.Marshal(d.Run)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(d.Path, RunFile), data, 0o600)
		}
	}
	replaced := func(name string, put func(path string) error) func(*Dir) error {
		return func(d *Dir) error {
			path := filepath.Join(d.Path, name)
			if err := os.Remove(path); err != nil {
				return err
			}
			return put(path)
		}
	}
	link := func(path string) error { return os.Symlink("/etc/passwd", path) }
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	folder := func(path string) error { return os.Mkdir(path, 0o700) }
	huge := func(path string) error {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(path, 1<<40) // sparse
	}
	for name, c := range map[string]struct {
		change func(*Dir) error
		want   string
		digest bool
	}{
		"a changed file":                 {set(EffectsFile, "{}"), "effects.json: digest ", true},
		"a file that grew":               {set(PatchFile, "a patch\nmore\n"), "change.patch: digest ", true},
		"a file that is gone":            {replaced(PatchFile, func(string) error { return nil }), "no such file", false},
		"a link":                         {replaced(PatchFile, link), "reading change.patch: not a plain file", false},
		"a pipe":                         {replaced(PatchFile, pipe), "reading change.patch: not a plain file", false},
		"a folder":                       {replaced(PatchFile, folder), "reading change.patch: not a plain file", false},
		"a huge file":                    {replaced(PatchFile, huge), "reading change.patch: larger than 67108864 bytes", false},
		"run.json as a link":             {replaced(RunFile, link), "reading run.json: not a plain file", false},
		"run.json as a pipe":             {replaced(RunFile, pipe), "reading run.json: not a plain file", false},
		"a huge run.json":                {replaced(RunFile, huge), "reading run.json: larger than 1048576 bytes", false},
		"a cut run.json":                 {set(RunFile, `{"version":1,"fi`), "reading run.json: ", false},
		"an empty run.json":              {set(RunFile, ""), "reading run.json: ", false},
		"no run.json":                    {replaced(RunFile, func(string) error { return nil }), "no such file", false},
		"a newer run.json":               {record(func(r *Run) { r.Version = 2 }), "version 2, this binary knows 1", false},
		"a name that leads out":          {record(func(r *Run) { r.Files["../x"] = "" }), `names "../x", which no run directory holds`, false},
		"an absolute name":               {record(func(r *Run) { r.Files["/etc/passwd"] = "" }), `names "/etc/passwd", which`, false},
		"a name nobody knows":            {record(func(r *Run) { r.Files["x.txt"] = "" }), `names "x.txt", which`, false},
		"run.json inside itself":         {record(func(r *Run) { r.Files[RunFile] = "" }), `names "run.json", which`, false},
		"a replaced name that leads out": {record(func(r *Run) { r.Replacing = map[string]string{"../../x": ""} }), `names "../../x", which`, false},
		"a digest of nothing":            {record(func(r *Run) { r.Files[PatchFile] = "" }), "change.patch: digest ", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := made(t)
			ok(t, c.change(d))
			_, err := Open(d.Path)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrDigest) != c.digest {
				t.Errorf("have %v, want %q, digest %v", err, c.want, c.digest)
			}
		})
	}
}

// Whatever lies in the folder beside the named files is not read, not even
// under a known name.
func TestUnnamedFilesAreNotRead(t *testing.T) {
	d := made(t)
	ok(t, os.WriteFile(filepath.Join(d.Path, VerdictFile), []byte(`{"decision":"allowed"}`), 0o600))
	ok(t, os.WriteFile(filepath.Join(d.Path, ".change.patch-123"), []byte("half"), 0o600))
	ok(t, os.Symlink("/", filepath.Join(d.Path, "root")))
	again, err := Open(d.Path)
	ok(t, err)
	if data, err := again.Read(VerdictFile); data != nil || err != nil {
		t.Errorf("have %q, %v", data, err)
	}
	for _, name := range []string{"../run/run.json", "root/etc/passwd", ".change.patch-123"} {
		if data, err := again.read(name); err == nil {
			t.Errorf("%s: have %q", name, data)
		}
	}
}

// I14: killed at any moment of a write, the directory opens with the file as it
// was or as it was to be, and never with half of it.
func TestKilledWhileWriting(t *testing.T) {
	for _, c := range []struct {
		name, want string
		had        bool
		upTo       int // steps that were done: run.json announces, file, run.json settles
	}{
		{"replacing, before anything", "old", true, 0}, {"replacing, announced", "old", true, 1},
		{"replacing, renamed", "new", true, 2}, {"replacing, done", "new", true, 3},
		{"a first one, announced", "", false, 1}, {"a first one, renamed", "new", false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := made(t)
			if c.had {
				ok(t, d.Write(FactsFile, []byte("old")))
			}
			if c.upTo >= 1 {
				d.Run.Replacing = map[string]string{FactsFile: d.Run.Files[FactsFile]}
				d.Run.Files[FactsFile] = digest([]byte("new"))
				ok(t, d.Save())
			}
			ok(t, os.WriteFile(filepath.Join(d.Path, "."+FactsFile+"-77"), []byte("ne"), 0o600))
			if c.upTo >= 2 {
				ok(t, d.put(FactsFile, []byte("new")))
			}
			if c.upTo >= 3 {
				d.Run.Replacing = nil
				ok(t, d.Save())
			}
			again, err := Open(d.Path)
			ok(t, err)
			data, err := again.Read(FactsFile)
			if err != nil || string(data) != c.want {
				t.Errorf("have %q, %v, want %q", data, err, c.want)
			}
			ok(t, again.Write(FactsFile, []byte("next")))
			last, err := Open(d.Path)
			ok(t, err)
			if data, _ := last.Read(FactsFile); string(data) != "next" || len(last.Run.Replacing) != 0 {
				t.Errorf("have %q, still replacing %v", data, last.Run.Replacing)
			}
		})
	}
	d := made(t) // what is neither the one nor the other is a change by somebody else
	d.Run.Replacing = map[string]string{PatchFile: digest([]byte("old"))}
	ok(t, d.Save())
	ok(t, os.WriteFile(filepath.Join(d.Path, PatchFile), []byte("sneaked in"), 0o600))
	if _, err := Open(d.Path); !errors.Is(err, ErrDigest) {
		t.Errorf("have %v, want %v", err, ErrDigest)
	}
}

// A write that cannot be finished leaves what was there.
func TestWriteRefusals(t *testing.T) {
	d := made(t)
	for name, data := range map[string][]byte{RunFile: nil, "x": nil, "../x": nil, LedgerFile: make([]byte, 1<<20+1)} {
		if err := d.Write(name, data); err == nil {
			t.Errorf("%s: %d bytes were written", name, len(data))
		}
	}
	_, err := Open(d.Path)
	ok(t, err)
	if entries, _ := filepath.Glob(filepath.Join(d.Path, ".*-*")); entries != nil {
		t.Errorf("left behind: %q", entries)
	}
	null, err := Create(filepath.Join(t.TempDir(), "run"), Run{})
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(null.Path, RunFile), []byte(`{"version":1,"files":null}`), 0o600))
	null, err = Open(null.Path)
	ok(t, err)
	ok(t, null.Write(PatchFile, []byte("x")))
}

// The transcript is appended to in place; its digest is taken at the end and a
// growing one does not make the directory unreadable.
func TestTranscriptGrows(t *testing.T) {
	d := made(t)
	ok(t, d.Seal(TranscriptFile)) // absent
	ok(t, os.WriteFile(d.File(TranscriptFile), []byte("{}\n"), 0o600))
	ok(t, d.Seal(TranscriptFile))
	ok(t, os.WriteFile(d.File(TranscriptFile), []byte("{}\n{\"ha"), 0o600))
	again, err := Open(d.Path)
	ok(t, err)
	if _, err := again.Read(TranscriptFile); !errors.Is(err, ErrDigest) {
		t.Errorf("have %v, want %v", err, ErrDigest)
	}
}

// All gives the directory itself or those right below it, by name; anything
// else there is passed over, links first of all.
func TestAll(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"build-b-2", "build-a-1", "verify-a-1"} {
		d, err := Create(filepath.Join(root, name), Run{Job: name, Task: &task.Task{Key: name}})
		ok(t, err)
		ok(t, d.Write(PatchFile, []byte(name)))
	}
	outside, err := Create(filepath.Join(t.TempDir(), "elsewhere"), Run{Job: "outside"})
	ok(t, err)
	ok(t, os.Symlink(outside.Path, filepath.Join(root, "a-link")))
	ok(t, os.Mkdir(filepath.Join(root, "empty"), 0o700))
	ok(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o600))
	ok(t, os.MkdirAll(filepath.Join(root, "deep", "er"), 0o700))
	dirs, err := All(root)
	ok(t, err)
	var have []string
	for _, d := range dirs {
		have = append(have, d.Run.Job)
	}
	if have, want := strings.Join(have, " "), "build-a-1 build-b-2 verify-a-1"; have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	if one, err := All(filepath.Join(root, "build-a-1")); err != nil || len(one) != 1 {
		t.Errorf("have %d, %v", len(one), err)
	}
	ok(t, os.WriteFile(filepath.Join(root, "build-b-2", PatchFile), []byte("x"), 0o600))
	if _, err := All(root); !errors.Is(err, ErrDigest) || !strings.HasPrefix(err.Error(), "build-b-2: ") {
		t.Errorf("have %v, want the folder named", err)
	}
	if _, err := All(filepath.Join(root, "nothing")); err == nil {
		t.Error("a folder that is not there was read")
	}
}

// B55: however many folders an artifact holds, few are looked at.
func TestTooManyDirs(t *testing.T) {
	root := t.TempDir()
	for i := range maxDirs + 1 {
		ok(t, os.Mkdir(filepath.Join(root, strings.Repeat("x", 1+i%200)+string(rune('a'+i/200))), 0o700))
	}
	if _, err := All(root); err == nil || !strings.Contains(err.Error(), "1025 entries, at most 1024") {
		t.Errorf("have %v", err)
	}
}

// The exit codes are a contract with workflows.
func TestExitCodes(t *testing.T) {
	want := map[int]string{0: "succeeded nothing_to_do advisory", 1: "quality_rejected validation_blocked no_change", 2: "usage_error",
		3: "environment_blocked infrastructure_failed never_heard_of", 4: "needs_human needs_approval pending inconclusive rolled_back", 5: "budget_exhausted"}
	for code, names := range want {
		for _, name := range strings.Fields(names) {
			if have := Outcome(name).ExitCode(); have != code {
				t.Errorf("%s: have %d, want %d", name, have, code)
			}
		}
	}
}

// The newest record of a stage counts.
func TestLast(t *testing.T) {
	r := Run{Stages: []Stage{{Stage: "test", Outcome: NoChange}, {Stage: "review"}, {Stage: "test", Outcome: Succeeded}}}
	if rec, found := r.Last("test"); !found || rec.Outcome != Succeeded {
		t.Errorf("have %+v, %v", rec, found)
	}
	if _, found := r.Last("plan"); found {
		t.Error("a stage that did not run was found")
	}
}

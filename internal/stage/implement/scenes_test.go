package implement_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/seedbed-dev/seedbed/examples/tally"
	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/prompt"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/review"
	"github.com/seedbed-dev/seedbed/internal/stage/test"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// scene prepares a scene of the demo as far as its plan.
func scene(t *testing.T, s tally.Scene) (*bench, *sandbox.Sandbox) {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{HostEnv: os.Environ(), CacheDir: t.TempDir(), ReadGoCache: true})
	if err != nil {
		t.Skipf("not run: %v", err)
	}
	lines, err := llm.ReadTranscript(s.Title, bytes.NewReader(s.Recording))
	must(t, err)
	model, err := llm.NewRecorded(s.Title, lines)
	must(t, err)
	t.Cleanup(func() {
		if err := model.Unused(); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	files := map[string]string{}
	var paths []string
	for name, data := range tally.Files() {
		files[name] = string(data)
		paths = append(paths, name)
	}
	b := newBench(t, files, files["seed.yaml"], model)
	b.ports.Sandbox = box
	var plan prompt.Plan
	asked := prompt.Architect(b.seed, prompt.ForArchitect{Title: s.Title, Body: s.Body, Paths: paths})
	_, err = llm.Ask(t.Context(), model, asked.Request, &plan, func() error { return plan.Check() })
	must(t, err)
	job := b.dir.Run.Task
	job.Title, job.Spec, job.Type, job.Scope = s.Title, task.ParseSpec(s.Title, s.Body), plan.Type, plan.Scope
	job.Spec.ProgramGoal = plan.ProgramGoal
	for _, step := range plan.Steps {
		job.Steps = append(job.Steps, task.Step(step))
	}
	return b, box
}

// TestScenesOfTheDemo plays the recordings through the stages alone.
func TestScenesOfTheDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: -short")
	}
	scenes := tally.Scenes()
	t.Run(scenes[0].Title, func(t *testing.T) {
		b, box := scene(t, scenes[0])
		measure := func() rundir.Stage {
			return b.record(test.Run(t.Context(), test.Ports{Repo: b.repo, Sandbox: box, Now: b.ports.Now, Scratch: b.ports.Scratch}, b.seed, b.dir))
		}
		look := func() rundir.Stage {
			return b.record(review.Run(t.Context(), review.Ports{Model: b.ports.Model, Repo: b.repo, Now: b.ports.Now}, b.seed, b.dir))
		}
		st := b.run()
		wants(t, st, rundir.Succeeded, "", "new test TestCountEmpty fails first, as it should", "edit → 2 red → edit")
		t.Log(notes(st))
		wants(t, measure(), rundir.Succeeded, "")
		wants(t, look(), rundir.QualityRejected, "rework")
		wants(t, b.run(), rundir.Succeeded, "")
		wants(t, measure(), rundir.Succeeded, "")
		wants(t, look(), rundir.Succeeded, "", "verdict approve")
	})
	t.Run(scenes[1].Title, func(t *testing.T) {
		b, _ := scene(t, scenes[1])
		st := b.run()
		t.Log(st.Message + "\n" + notes(st))
		wants(t, st, rundir.QualityRejected, "outside_limits")
		if subjects, _ := b.subjects(); len(subjects) == 0 {
			t.Error("nothing kept to be refused")
		}
	})
}

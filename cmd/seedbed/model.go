package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/seedbed-dev/seedbed/internal/adapter/openai"
	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// modelFlags are those of the steps that may call a model. The key has no flag:
// arguments can be read by every process of the machine.
type modelFlags struct {
	url      string
	name     string
	recorded string
	replay   []string
}

func (m *modelFlags) add(f *pflag.FlagSet) {
	f.StringVar(&m.url, "model-url", "", "OpenAI-compatible endpoint (default: OPENAI_BASE_URL, else model.base_url of seed.yaml)")
	f.StringVar(&m.name, "model", "", "model name (default: SEEDBED_MODEL, else model.name of seed.yaml)")
	f.StringVar(&m.recorded, "recorded", "", "answer from this recording written by hand instead of a model")
	f.StringSliceVar(&m.replay, "replay", nil, "transcripts of earlier attempts: replies in them are not paid again")
}

const modelEnv = `  OPENAI_API_KEY     key of the model endpoint (input model_key); not needed on loopback
  OPENAI_BASE_URL    the endpoint, when --model-url is not given
  SEEDBED_MODEL      the model's name, when --model is not given`

// model is the chain a request goes through: replies already paid for, then the
// ledger, then the endpoint; every call is written to the transcript. It is nil
// when no endpoint is configured.
func (w *world) model(j job, m *modelFlags) (llm.Completer, error) {
	s, dir, ledger := j.seed, j.dir, j.ledger
	inner, err := w.endpoint(s, dir, m)
	if err != nil || inner == nil {
		return nil, err
	}
	metered := &llm.Metered{Inner: inner, Ledgers: []*budget.Ledger{ledger}, MaxOutput: maxOutput(s),
		Save: func() error { return saveLedger(ledger, dir) }}
	replayed, err := w.replayed(metered, dir, m)
	if err != nil {
		return nil, err
	}
	out, cut, err := llm.OpenTranscript(dir.File(rundir.TranscriptFile))
	if err != nil {
		return nil, err
	}
	if cut > 0 {
		w.tell("the transcript's last line was cut short and is dropped (%d bytes)", cut)
	}
	w.closers = append(w.closers, func() { out.Close() })
	transcribed := &llm.Transcribed{Inner: replayed, Out: out, Privacy: llm.Privacy(s.Privacy.Transcript), Redactor: w.redactor(), Now: w.now}
	return byRole{transcribed, s.Model}, nil // outermost: another model is another request
}

func (w *world) endpoint(s *seed.Seed, dir *rundir.Dir, m *modelFlags) (llm.Completer, error) {
	if m.recorded != "" {
		return recording(m.recorded, dir)
	}
	address := orDefault(m.url, orDefault(w.env("OPENAI_BASE_URL"), s.Model.BaseURL))
	if address == "" && w.modelKey() == "" {
		return nil, nil
	}
	client, err := openai.New(openai.Options{BaseURL: orDefault(address, "https://api.openai.com/v1"), Key: w.modelKey(),
		Model: orDefault(m.name, orDefault(w.env("SEEDBED_MODEL"), s.Model.Name)), StallTimeout: s.Model.StallTimeout, Now: w.now, Sleep: w.sleep})
	if err != nil {
		return nil, err
	}
	return client, nil
}

// recording opens a hand-written recording and strikes out what the run's
// transcript says was answered already, by this or an earlier process.
func recording(path string, dir *rundir.Dir) (llm.Completer, error) {
	written, err := readTranscript(path)
	if err != nil {
		return nil, usage("a recording is a transcript with a match object on each line", "%w", err)
	}
	recorded, err := llm.NewRecorded(path, written)
	if err != nil {
		return nil, usage("a recording is a transcript with a match object on each line", "%w", err)
	}
	before, err := readTranscript(dir.File(rundir.TranscriptFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	recorded.Strike(before)
	return recorded, nil
}

func readTranscript(path string) (llm.Transcript, error) {
	f, err := os.Open(path)
	if err != nil {
		return llm.Transcript{}, fmt.Errorf("opening %s: %w", path, err)
	}
	defer f.Close()
	return llm.ReadTranscript(path, f)
}

// replayed answers from this run's own transcript, as a killed attempt left it,
// and from those of earlier attempts.
func (w *world) replayed(inner llm.Completer, dir *rundir.Dir, m *modelFlags) (llm.Completer, error) {
	var earlier []llm.Transcript
	for _, path := range append([]string{dir.File(rundir.TranscriptFile)}, m.replay...) {
		t, err := readTranscript(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		earlier = append(earlier, t)
	}
	return llm.NewReplayed(inner, earlier...), nil
}

func maxOutput(s *seed.Seed) int {
	if s.Model.MaxOutputTokens.On() && s.Model.MaxOutputTokens.N > 0 {
		return int(s.Model.MaxOutputTokens.N)
	}
	return llm.DefaultMaxOutput
}

// taskLedger continues the count of the task's earlier stages.
func taskLedger(s *seed.Seed, dir *rundir.Dir) (*budget.Ledger, error) {
	b := s.Budgets.Task
	limits := budget.Limits{budget.Tokens: int64(b.Tokens), budget.Calls: int64(b.ModelCalls), budget.Commands: int64(b.Commands)}
	data, err := dir.Read(rundir.LedgerFile)
	if err != nil {
		return nil, err
	}
	if data == nil {
		return budget.New("task", limits), nil
	}
	return budget.Load("task", limits, data)
}

// saveLedger stores the count after each reservation and settlement, so that a
// process that dies next has been charged for what it held.
func saveLedger(l *budget.Ledger, dir *rundir.Dir) error {
	data, err := l.Save()
	if err != nil {
		return err
	}
	return dir.Write(rundir.LedgerFile, data)
}

// byRole gives each role the model that seed.yaml names for it.
type byRole struct {
	inner llm.Completer
	model seed.Model
}

// Complete implements llm.Completer.
func (b byRole) Complete(ctx context.Context, req llm.Request) (llm.Reply, error) {
	over := map[string]seed.ModelOverride{"architect": b.model.Roles.Architect, "implementer": b.model.Roles.Implementer,
		"reviewer": b.model.Roles.Reviewer, "tester": b.model.Roles.Tester}[req.Role]
	if over.Name != "" {
		req.Model = over.Name
	}
	temperature := b.model.Temperature
	if over.Temperature.Set {
		temperature = over.Temperature
	}
	if temperature.On() && temperature.Set {
		value := temperature.Value
		req.Temperature = &value
	}
	return b.inner.Complete(ctx, req)
}

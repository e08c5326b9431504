package llm

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/secret"
)

// key is made of parts so that no scanner takes this file for a leak.
var key = "sk-" + "proj-" + strings.Repeat("Qz7x", 14)

// ticking is a clock that goes on by a quarter of a second each time it is read.
func ticking() func() time.Time {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time { at = at.Add(250 * time.Millisecond); return at }
}

func transcribe(privacy Privacy, inner Completer) (*Transcribed, *bytes.Buffer) {
	var out bytes.Buffer
	return &Transcribed{Inner: inner, Out: &out, Privacy: privacy, Now: ticking(),
		Redactor: secret.NewRedactor(secret.Known{Name: "model_key", Value: key})}, &out
}

func TestALinePerCallByPrivacyMode(t *testing.T) {
	inner := answers(func(Request) (Reply, error) {
		return Reply{Content: "the key is " + key, ToolCalls: []ToolCall{{ID: "1", Name: "read", Arguments: `{"k":"` + key + `"}`}},
			Finish: FinishStop, Usage: Usage{5, 6, true}, Model: "m"}, nil
	})
	req := request("my " + key)
	digest := Digest(req)
	reply := `"reply":{"content":"the key is [redacted:model_key]","tool_calls":[{"id":"1","name":"read","arguments":"{\"k\":\"[redacted:model_key]\"}"}],"finish":"stop","usage":{"input":5,"output":6,"known":true},"model":"m"},`
	for privacy, words := range map[Privacy]string{
		Full:    `"messages":[{"role":"user","content":"my [redacted:model_key]"}],` + reply,
		Digests: reply,
		"":      reply,
		NoWords: ``,
	} {
		tr, out := transcribe(privacy, inner)
		got, err := tr.Complete(t.Context(), req)
		if err != nil || !strings.Contains(got.Content, key) {
			t.Fatalf("the caller's reply was touched: %v", err)
		}
		want := `{"v":1,"at":"2026-03-01T12:00:00Z","digest":"` + digest + `","role":"implementer","step":"edit",` + words +
			`"usage":{"input":5,"output":6,"known":true},"ms":250}` + "\n"
		if out.String() != want {
			t.Errorf("%s: have %swant %s", privacy, out, want)
		}
		if _, err := ReadTranscript("t", out); err != nil {
			t.Error(err)
		}
	}
}

func TestAFailedCallIsALineToo(t *testing.T) {
	tr, out := transcribe(Digests, answers(func(Request) (Reply, error) {
		return Reply{}, &Error{Kind: Auth, Status: 401, Message: "bad key " + key}
	}))
	_, err := tr.Complete(t.Context(), request("x"))
	if KindOf(err) != Auth {
		t.Errorf("have %v", err)
	}
	want := `"failure":{"kind":"auth","status":401,"message":"model access denied (HTTP 401): bad key [redacted:model_key]"},"ms":250}` + "\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("have %swant %s", out, want)
	}
}

type brokenDisk struct{}

func (brokenDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWordsThatLeaveNoTraceAreNotUsed(t *testing.T) {
	tr := &Transcribed{Inner: Scripted{"implementer": Say("x")}, Out: brokenDisk{}, Now: ticking()}
	if reply, err := tr.Complete(t.Context(), request("x")); err == nil || reply.Content != "" || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("have %+v, %v", reply, err)
	}
}

func TestACutLastLineIsDroppedAndSaidSo(t *testing.T) {
	tr, out := transcribe(Digests, Scripted{"implementer": Say("x")})
	for range 2 {
		tr.Complete(t.Context(), request("x"))
	}
	whole := out.Bytes()
	first := bytes.IndexByte(whole, '\n') + 1
	for n := range len(whole) + 1 {
		have, err := ReadTranscript("t", bytes.NewReader(whole[:n]))
		lines, cut := bytes.Count(whole[:n], []byte("\n")), n
		if n >= first {
			cut = n - first
		}
		if n == len(whole) {
			cut = 0
		}
		if err != nil || len(have.Lines) != lines || have.Cut != cut {
			t.Fatalf("after %d of %d bytes: have %d lines, cut %d, %v; want %d, %d", n, len(whole), len(have.Lines), have.Cut, err, lines, cut)
		}
	}
}

func TestOpenTranscriptGoesOnAfterTheLastWholeLine(t *testing.T) {
	for _, tt := range []struct {
		before, after string
		cut           int
	}{
		{"", "new\n", 0}, {"one\n", "one\nnew\n", 0}, {"one\ntw", "one\nnew\n", 2}, {"on", "new\n", 2},
		{"one\n" + strings.Repeat("x", 200_000), "one\nnew\n", 200_000},
	} {
		path := filepath.Join(t.TempDir(), "transcript.jsonl")
		if tt.before != "" {
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, cut, err := OpenTranscript(path)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("new\n")
		f.Close()
		have, _ := os.ReadFile(path)
		if string(have) != tt.after || cut != tt.cut {
			t.Errorf("have %.40q, cut %d\nwant %.40q, %d", have, cut, tt.after, tt.cut)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	if _, _, err := OpenTranscript(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
}

func TestAForgedTranscriptIsRefused(t *testing.T) {
	good := `{"v":1,"digest":"d","reply":{"content":"x","usage":{"input":1,"output":1,"known":true}},"ms":1}` + "\n"
	for name, tt := range map[string]struct{ text, says string }{
		"version":     {`{"v":2,"ms":1}` + "\n", "t.jsonl:2: $.v: version 2"},
		"unknown key": {`{"v":1,"ms":1,"note":"x"}` + "\n", `t.jsonl:2: $: unknown key "note"`},
		"two replies": {`{"v":1,"reply":{"content":"a"},"reply":{"content":"b"},"ms":1}` + "\n", `t.jsonl:2: $: key "reply" twice`},
		"cut inside":  {`{"v":1,` + "\n" + good, "t.jsonl:2: $: the JSON is cut"},
		"long line":   {strings.Repeat("x", maxLine+1) + "\n", "t.jsonl:2: line longer than"},
	} {
		_, err := ReadTranscript("t.jsonl", strings.NewReader(good+tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.says) {
			t.Errorf("%s: have %v", name, err)
		}
	}
}

func read(t *testing.T, text string) Transcript {
	t.Helper()
	tr, err := ReadTranscript("t", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestARerunPaysNothing(t *testing.T) {
	n := 0
	model := answers(func(r Request) (Reply, error) {
		n++
		return Reply{Content: r.Messages[0].Content + strings.Repeat("!", n), Usage: Usage{1, 1, true}}, nil
	})
	ask := func(c Completer) (have []string) {
		for _, text := range []string{"a", "b", "a"} {
			reply, err := c.Complete(t.Context(), request(text))
			if err != nil {
				t.Fatal(err)
			}
			have = append(have, reply.Content)
		}
		return have
	}
	first, out := transcribe(Digests, model)
	want := ask(first)
	earlier := read(t, out.String())

	// The second attempt is served from the first, the third from both, and
	// what is written is complete each time.
	replayed := NewReplayed(model, earlier)
	second, out2 := transcribe(Digests, replayed)
	if have := ask(second); !reflect.DeepEqual(have, want) || n != 3 {
		t.Errorf("have %v after %d calls, want %v", have, n, want)
	}
	if hits, misses := replayed.Counts(); hits != 3 || misses != 0 {
		t.Errorf("have %d hits, %d misses", hits, misses)
	}
	later := read(t, out2.String())
	if !later.Lines[0].Cached || !later.Lines[0].Reply.Cached {
		t.Error("a reply from a transcript is not marked as cached")
	}
	third := NewReplayed(model, earlier, later)
	if have := ask(third); !reflect.DeepEqual(have, want) || n != 3 {
		t.Errorf("have %v after %d calls", have, n)
	}
	if reply, _ := third.Complete(t.Context(), request("a")); n != 4 || reply.Cached {
		t.Error("a third asking was answered from nowhere")
	}
	if _, misses := third.Counts(); misses != 1 {
		t.Errorf("have %d misses", misses)
	}
}

func TestAReplyWrittenTwiceByARerunCountsOnce(t *testing.T) {
	n := 0
	model := answers(func(Request) (Reply, error) { n++; return Reply{Content: strings.Repeat("x", n)}, nil })
	var file bytes.Buffer
	for range 3 { // each process reads the file that the one before appended to
		replayed := NewReplayed(model, read(t, file.String()))
		tr := &Transcribed{Inner: replayed, Out: &file, Now: ticking()}
		for _, want := range []string{"x", "xx"} {
			if reply, err := tr.Complete(t.Context(), request("again")); err != nil || reply.Content != want {
				t.Fatalf("have %+v, %v, want %s", reply, err, want)
			}
		}
	}
	last := NewReplayed(model, read(t, file.String()))
	for range 3 {
		last.Complete(t.Context(), request("again"))
	}
	if hits, misses := last.Counts(); hits != 2 || misses != 1 || n != 3 {
		t.Errorf("have %d hits, %d misses, %d calls", hits, misses, n)
	}
}

func TestOnlyRepliesAreReplayed(t *testing.T) {
	req := request("x")
	line := func(rest string) string { return `{"v":1,"digest":"` + Digest(req) + `",` + rest + `"ms":1}` + "\n" }
	earlier := read(t, line(`"failure":{"kind":"outage","message":"m"},`)+line(`"usage":{"input":1,"output":1,"known":true},`)+
		`{"v":1,"digest":"","reply":{"content":"y"},"ms":1}`+"\n")
	replayed := NewReplayed(Scripted{"implementer": Say("fresh")}, earlier)
	if reply, err := replayed.Complete(t.Context(), req); err != nil || reply.Content != "fresh" {
		t.Errorf("have %+v, %v", reply, err)
	}
}

const recording = `{"v":1,"match":{"role":"implementer","step":"edit","contains":["clamp.go","off by one"]},"reply":{"content":"first","usage":{"input":9,"output":2,"known":true}},"ms":0}
{"v":1,"match":{"role":"implementer","step":"edit","contains":["clamp.go"]},"reply":{"content":"second"},"ms":0}
{"v":1,"match":{"role":"reviewer"},"failure":{"kind":"refusal","message":"no"},"ms":0}
`

func record(t *testing.T) *Recorded {
	t.Helper()
	r, err := NewRecorded("demo.jsonl", read(t, recording))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARecordingAnswersByRoleStepAndPrompt(t *testing.T) {
	r := record(t)
	for _, want := range []string{"first", "second"} {
		reply, err := r.Complete(t.Context(), request("in clamp.go there is an off by one"))
		if err != nil || reply.Content != want {
			t.Errorf("have %+v, %v, want %s", reply, err, want)
		}
	}
	err := r.Unused()
	if have, want := err.Error(), `demo.jsonl: entry 3 (reviewer/, contains []) was never asked for`; have != want {
		t.Errorf("have %q\nwant %q", have, want)
	}
	if _, err := r.Complete(t.Context(), Request{Role: "reviewer", Step: "any"}); KindOf(err) != Refusal {
		t.Errorf("have %v", err)
	}
	if err := r.Unused(); err != nil {
		t.Error(err)
	}
}

func TestAnUnexpectedCallNamesTheNearestEntry(t *testing.T) {
	for _, tt := range []struct {
		req  Request
		want string
	}{
		{request("in clam.go there is an off by one"), `demo.jsonl: unexpected call implementer/edit, prompt ends "in clam.go there is an off by one"; nearest is entry 1, which wants text "clamp.go"`},
		{Request{Role: "reviewers", Step: "x", Messages: []Message{{Content: "clamp.go"}}}, `nearest is entry 3, which wants role "reviewer"`},
		{Request{Role: "implementer", Step: "debug", Messages: []Message{{Content: "clamp.go"}}}, `nearest is entry 2, which wants step "edit"`},
	} {
		_, err := record(t).Complete(t.Context(), tt.req)
		if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("have %v\nwant %s", err, tt.want)
		}
	}
	r := record(t)
	r.Complete(t.Context(), Request{Role: "reviewer"})
	if _, err := r.Complete(t.Context(), Request{Role: "reviewer"}); err == nil || !strings.HasSuffix(err.Error(), "entry 3 fits but was used already") {
		t.Errorf("have %v", err)
	}
}

func TestARecordingMustBeWhole(t *testing.T) {
	for name, text := range map[string]string{
		"no match":    `{"v":1,"reply":{"content":"x"},"ms":0}` + "\n",
		"no reply":    `{"v":1,"match":{"role":"x"},"ms":0}` + "\n",
		"two answers": `{"v":1,"match":{"role":"x"},"reply":{"content":"x"},"failure":{"kind":"outage","message":"m"},"ms":0}` + "\n",
		"no newline":  strings.TrimSpace(recording),
	} {
		if _, err := NewRecorded("r", read(t, text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAScriptAnswersOnlyWhatItKnows(t *testing.T) {
	s := Scripted{"planner": Say("any step"), "planner/split": Say("split")}
	for step, want := range map[string]string{"split": "split", "other": "any step"} {
		if reply, err := s.Complete(t.Context(), Request{Role: "planner", Step: step}); err != nil || reply.Content != want {
			t.Errorf("%s: have %+v, %v", step, reply, err)
		}
	}
	if _, err := s.Complete(t.Context(), request("x")); err == nil || !strings.Contains(err.Error(), "unexpected call implementer/edit") {
		t.Errorf("have %v", err)
	}
}

// TestNoRecordingHoldsAToken looks at every recording of the repository.
func TestNoRecordingHoldsAToken(t *testing.T) {
	examples := filepath.Join(repositoryRoot(t), "examples")
	if _, err := os.Stat(examples); errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no examples folder")
	}
	err := filepath.WalkDir(examples, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".jsonl" {
			return err
		}
		data, err := os.ReadFile(path)
		for _, hit := range secret.Scan(data) {
			t.Errorf("%s:%d:%d: %s, %s", path, hit.Line, hit.Column, hit.Kind, hit.Encoding)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func repositoryRoot(t *testing.T) string {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	t.Fatal("no go.mod above this test")
	return ""
}

func FuzzReadTranscript(f *testing.F) {
	f.Add([]byte(recording))
	f.Add([]byte(`{"v":1,"digest":"d","reply":{"content":"x"},"ms":1}` + "\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := ReadTranscript("t", bytes.NewReader(data))
		if err != nil {
			return
		}
		if tr.Cut != len(data)-bytes.LastIndexByte(data, '\n')-1 {
			t.Fatalf("cut: have %d", tr.Cut)
		}
		NewReplayed(nil, tr)
		if r, err := NewRecorded("r", tr); err == nil {
			r.Complete(t.Context(), request("x"))
			_ = r.Unused()
		}
	})
}

package cycletest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seedbed-dev/seedbed/examples/tally"
)

// paid is a model endpoint that answers from the demo's recording and counts
// what it was asked, since each answer would cost money.
type paid struct {
	url string
	mu  sync.Mutex
	// asked are the steps that were asked for, in order.
	asked  []string
	gate   *gate
	killAt int // the n-th answer is never read: its job is killed
}

type recorded struct {
	Match struct {
		Role, Step string
		Contains   []string
	}
	Reply struct{ Content string }
}

// newTally is the demo's repository and issue, with a model over HTTP.
func newTally(t *testing.T) (*world, *paid) {
	t.Helper()
	scene := tally.Scenes()[0]
	files := map[string]string{}
	for name, data := range tally.Files() {
		files[name] = string(data)
	}
	w := newWorld(t, files, scene.Title)
	m := &paid{gate: w.gate}
	server := httptest.NewServer(m.handler(t, scene.Recording))
	t.Cleanup(server.Close)
	m.url = server.URL
	w.model = map[string]string{"INPUT_MODEL_URL": m.url + "/v1", "INPUT_MODEL": "recorded", "OPENAI_API_KEY": "no-key-at-all"}
	return w, m
}

func (m *paid) handler(t *testing.T, recording []byte) http.Handler {
	var replies []recorded
	given := map[int]bool{}
	lines := json.NewDecoder(strings.NewReader(string(recording)))
	for {
		var r recorded
		if err := lines.Decode(&r); err != nil {
			break
		}
		replies = append(replies, r)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var ask struct {
			Stream   bool
			Messages []struct{ Content json.RawMessage }
		}
		if err := json.Unmarshal(data, &ask); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var prompt strings.Builder
		for _, msg := range ask.Messages {
			var s string
			if json.Unmarshal(msg.Content, &s) != nil {
				s = string(msg.Content)
			}
			prompt.WriteString(s + "\n")
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		at := choose(replies, given, prompt.String())
		if at < 0 {
			t.Errorf("no reply for this prompt:\n%.2000s", prompt.String())
			http.Error(w, "no reply", http.StatusBadRequest)
			return
		}
		m.asked = append(m.asked, fmt.Sprintf("%d %s %s", at+1, replies[at].Match.Role, replies[at].Match.Step))
		kill := m.killAt != 0 && len(m.asked) == m.killAt
		if kill {
			m.gate.mu.Lock()
			job := m.gate.job
			m.gate.killed = true
			m.gate.mu.Unlock()
			syscall.Kill(-job.Process.Pid, syscall.SIGKILL)
			panic(http.ErrAbortHandler)
		}
		given[at] = true
		answer(w, replies[at].Reply.Content, ask.Stream)
	})
}

// choose takes the first reply of the recording that was not given yet and all
// of whose marks are in the prompt, else the last that was.
func choose(replies []recorded, given map[int]bool, prompt string) (at int) {
	at = -1
	for i, r := range replies {
		all := true
		for _, c := range r.Match.Contains {
			all = all && strings.Contains(prompt, c)
		}
		if all && !given[i] {
			return i
		}
		if all {
			at = i
		}
	}
	return at
}

func answer(w http.ResponseWriter, content string, stream bool) {
	usage := map[string]int{"prompt_tokens": 800, "completion_tokens": 120, "total_tokens": 920}
	if !stream {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"id": "1", "object": "chat.completion", "model": "recorded", "usage": usage,
			"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]string{"role": "assistant", "content": content}}}})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	event := func(v map[string]any) {
		v["id"], v["object"], v["model"] = "1", "chat.completion.chunk", "recorded"
		data, _ := json.Marshal(v)
		fmt.Fprintf(w, "data: %s\n\n", data)
	}
	event(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": map[string]string{"role": "assistant", "content": content}}}})
	event(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": map[string]string{}, "finish_reason": "stop"}}})
	event(map[string]any{"choices": []any{}, "usage": usage})
	fmt.Fprint(w, "data: [DONE]\n\n")
}

func (m *paid) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asked)
}

// I5: no reply is paid for twice. A cycle that is killed at a model's answer,
// at the claim, at the branch, at the merge and at the log, and run again, asks
// at most for what was lost.
func TestRepliesArePaidOnce(t *testing.T) {
	w, m := newTally(t)
	r := w.newRun()
	if job, err := r.jobs("accept"); err != nil || !w.merged() {
		t.Fatalf("%s: %v, asked %v\n%s", job, err, m.asked, w.talk.String())
	}
	r.end("success")
	want, free, requests := w.state(), m.count(), w.gate.seen()
	t.Logf("%d replies: %q", free, m.asked)

	for n := 1; n <= free; n++ {
		if !allFaults() && n != free {
			continue
		}
		t.Run(fmt.Sprintf("killed at reply %d", n), func(t *testing.T) {
			w, m := newTally(t)
			m.killAt = n
			r := w.newRun()
			job, err := r.jobs("accept")
			if err == nil || job != "build" {
				t.Fatalf("%s: %v, want the build to be killed\n%s", job, err, w.talk.String())
			}
			w.untilDone(r, job, true)
			if m.count() > free+1 {
				t.Errorf("%d replies were asked for, at most %d: %q", m.count(), free+1, m.asked)
			}
			if have := w.state(); have != want {
				t.Errorf("--- have\n%s\n--- want\n%s", have, want)
			}
		})
	}
	for i, q := range requests {
		if !strings.HasSuffix(q, "/merge") && !(allFaults() && mutation(q)) {
			continue
		}
		t.Run(fmt.Sprintf("killed after %s", strings.ReplaceAll(q, "/", ".")), func(t *testing.T) {
			w, m := newTally(t)
			w.gate.breakAt(i+1, true, syscall.SIGKILL)
			r := w.newRun()
			job, _ := r.jobs("accept")
			if !w.gate.hasKilled() {
				t.Log("that request was never sent: this cycle took fewer")
				return
			}
			w.untilDone(r, job, true)
			if m.count() != free {
				t.Errorf("%d replies were asked for, want %d: %q", m.count(), free, m.asked)
			}
		})
	}
}

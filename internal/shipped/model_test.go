package shipped

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// scripted is an OpenAI-compatible endpoint on loopback that gives the replies
// of a recording in their order. A request that lacks what its entry expects, or
// that comes after the last, is answered with an error and fails the test.
type scripted struct {
	t       *testing.T
	url     string
	mu      sync.Mutex
	entries []recordedReply
	next    int
}

type recordedReply struct {
	Match struct {
		Step     string   `json:"step"`
		Contains []string `json:"contains"`
	} `json:"match"`
	Reply struct {
		Content string `json:"content"`
		Usage   struct {
			Input  int `json:"input"`
			Output int `json:"output"`
		} `json:"usage"`
	} `json:"reply"`
}

func newScripted(t *testing.T, recording []byte) *scripted {
	t.Helper()
	m := &scripted{t: t}
	for _, line := range strings.Split(strings.TrimSpace(string(recording)), "\n") {
		var e recordedReply
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		m.entries = append(m.entries, e)
	}
	server := httptest.NewServer(m)
	m.url = server.URL + "/v1"
	t.Cleanup(func() {
		server.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.next != len(m.entries) {
			t.Errorf("%d of %d recorded replies were asked for", m.next, len(m.entries))
		}
	})
	return m
}

func (m *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Messages []struct {
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var prompt strings.Builder
	for _, msg := range in.Messages {
		var text string
		if json.Unmarshal(msg.Content, &text) != nil {
			text = string(msg.Content)
		}
		prompt.WriteString(text + "\n")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == len(m.entries) {
		m.t.Errorf("a request after the last reply: %.2000s", prompt.String())
		http.Error(w, `{"error":{"message":"no reply is left"}}`, http.StatusBadRequest)
		return
	}
	e := m.entries[m.next]
	for _, part := range e.Match.Contains {
		if !strings.Contains(prompt.String(), part) {
			m.t.Errorf("the request for %s lacks %q:\n%.4000s", e.Match.Step, part, prompt.String())
			http.Error(w, `{"error":{"message":"unexpected"}}`, http.StatusBadRequest)
			return
		}
	}
	m.next++
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"r%d","object":"chat.completion","model":"scripted","choices":[{"index":0,"finish_reason":"stop",`+
		`"message":{"role":"assistant","content":%s}}],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`,
		m.next, quoted(e.Reply.Content), e.Reply.Usage.Input, e.Reply.Usage.Output, e.Reply.Usage.Input+e.Reply.Usage.Output)
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // unreachable: a string
	}
	return string(b)
}

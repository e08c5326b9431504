package openai

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/llm"
)

// aimock starts the real @copilotkit/aimock on a free port and returns its base
// URL. The test is skipped, saying why, where the package is not to be had.
func aimock(t *testing.T, flags ...string) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("aimock needs node: ", err)
	}
	cli := filepath.Join(nodeModules(t), "@copilotkit", "aimock", "dist", "cli.js")
	if _, err := os.Stat(cli); err != nil {
		t.Skip("aimock is not installed (npm @copilotkit/aimock@1.43.0; SEEDBED_NODE_MODULES says where): ", err)
	}
	fixtures := filepath.Join("testdata", "aimock.json")
	cmd := exec.Command(node, append([]string{cli, "-p", "0", "-h", "127.0.0.1", "-f", fixtures, "--strict"}, flags...)...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return awaitAddress(t, out)
}

// awaitAddress reads the server's output until it tells where it listens, for
// a minute at most.
func awaitAddress(t *testing.T, out io.Reader) string {
	t.Helper()
	address := make(chan string, 1)
	go func() {
		defer close(address)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if _, url, ok := strings.Cut(lines.Text(), "listening on "); ok {
				address <- strings.TrimSpace(url)
			}
		}
	}()
	select {
	case url, ok := <-address:
		if !ok {
			t.Fatal("aimock ended before it listened")
		}
		return url + "/v1"
	case <-time.After(time.Minute):
		t.Fatal("aimock did not listen within a minute")
		return ""
	}
}

func nodeModules(t *testing.T) string {
	if dir := os.Getenv("SEEDBED_NODE_MODULES"); dir != "" {
		return dir
	}
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", ".cache", "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAimock(t *testing.T) {
	c, clock := newTestClient(t, aimock(t), nil)

	t.Run("tools", func(t *testing.T) {
		req := hello()
		req.Tools = weatherTool()
		req.Messages[0].Content = "weather in Oslo?"
		reply, err := c.Complete(t.Context(), req)
		if err != nil || len(reply.ToolCalls) != 1 || reply.Finish != llm.FinishTools || !reply.Usage.Known {
			t.Fatalf("have %+v, %v", reply, err)
		}
		call := reply.ToolCalls[0]
		var arguments struct {
			Location string `json:"location"`
		}
		if err := llm.DecodeExact([]byte(call.Arguments), &arguments); err != nil || arguments.Location != "Oslo" || call.ID == "" {
			t.Fatalf("have %+v, %v", call, err)
		}
		req.Messages = append(req.Messages,
			llm.Message{Role: llm.Assistant, ToolCalls: reply.ToolCalls},
			llm.Message{Role: llm.ToolRole, ToolCallID: call.ID, Name: call.Name, Content: `{"sky":"snow"}`})
		reply, err = c.Complete(t.Context(), req)
		if err != nil || reply.Content != "Snow in Oslo, and it is going to stay for a while." || reply.Finish != llm.FinishStop {
			t.Fatalf("have %+v, %v", reply, err)
		}
	})

	t.Run("schema", func(t *testing.T) {
		req := hello()
		req.Messages[0].Content = "verdict please"
		req.Schema = &llm.Schema{Name: "verdict", JSON: json.RawMessage(
			`{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}`)}
		ledger := budget.New("task", budget.Limits{budget.Tokens: 10_000})
		var verdict struct {
			OK bool `json:"ok"`
		}
		answer, err := llm.Ask(t.Context(), &llm.Metered{Inner: c, Ledgers: []*budget.Ledger{ledger}}, req, &verdict, nil)
		if err != nil || !verdict.OK || answer.Repaired {
			t.Fatalf("have %+v, %+v, %v", verdict, answer, err)
		}
		if have := ledger.Used(budget.Tokens); have != answer.Reply.Usage.Total() || have == 0 {
			t.Errorf("charged %d, used %+v", have, answer.Reply.Usage)
		}
	})

	t.Run("a reply that does not fit the schema", func(t *testing.T) {
		req := hello()
		req.Messages[0].Content = "verdict please"
		req.Schema = &llm.Schema{Name: "other", JSON: json.RawMessage(`{"type":"object"}`)}
		var other struct {
			Score int `json:"score"`
		}
		_, err := llm.Ask(t.Context(), c, req, &other, nil)
		var u *llm.Unusable
		if !errors.As(err, &u) || !strings.Contains(err.Error(), `reply does not match other: $: unknown key "ok"`) {
			t.Fatalf("have %v", err)
		}
	})

	if len(clock.waits) != 0 {
		t.Errorf("waits: have %v", clock.waits)
	}
}

func TestAimockWithFaults(t *testing.T) {
	for flag, tt := range map[string]struct {
		kind  llm.Kind
		waits int
	}{
		"--chaos-drop":       {llm.Outage, 4},
		"--chaos-disconnect": {llm.Outage, 4},
		"--chaos-ratelimit":  {llm.Outage, 4},
		"--chaos-malformed":  {llm.BadReply, 0},
	} {
		t.Run(strings.TrimPrefix(flag, "--"), func(t *testing.T) {
			c, clock := newTestClient(t, aimock(t, flag, "1"), func(o *Options) { o.HTTPClient = &http.Client{} })
			req := hello()
			req.Messages[0].Content = "verdict please"
			_, err := c.Complete(t.Context(), req)
			checkError(t, err, tt.kind, "")
			if len(clock.waits) != tt.waits {
				t.Errorf("waits: have %v, want %d", clock.waits, tt.waits)
			}
		})
	}
}

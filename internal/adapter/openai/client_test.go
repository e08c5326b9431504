package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/llm"
)

// endpoint is a server that answers the n-th request with the n-th step and
// fails the test when there are more.
type endpoint struct {
	*httptest.Server
	t     *testing.T
	steps []http.HandlerFunc

	mu     sync.Mutex
	bodies []map[string]any
}

func newEndpoint(t *testing.T, steps ...http.HandlerFunc) *endpoint {
	e := &endpoint{t: t, steps: steps}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		e.t.Errorf("request body: %v", err)
	}
	e.mu.Lock()
	n := len(e.bodies)
	e.bodies = append(e.bodies, body)
	e.mu.Unlock()
	if r.URL.Path != "/v1/chat/completions" {
		e.t.Errorf("path: have %s", r.URL.Path)
	}
	if n >= len(e.steps) {
		e.t.Errorf("request %d came, %d were expected", n+1, len(e.steps))
		w.WriteHeader(http.StatusTeapot)
		return
	}
	e.steps[n](w, r)
}

func (e *endpoint) requests() []map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bodies
}

// clock is a clock that only sleeping moves.
type clock struct {
	at    time.Time
	waits []string
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.waits = append(c.waits, d.String())
	c.at = c.at.Add(d)
	return ctx.Err()
}

// testKey is made of parts so that no scanner takes this file for a leak.
var testKey = "sk-" + "proj-" + strings.Repeat("Zq7", 14)

func newTestClient(t *testing.T, base string, change func(*Options)) (*Client, *clock) {
	t.Helper()
	clock := newClock()
	o := Options{
		BaseURL: base, Key: testKey, Model: "small", HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Now: clock.now, Sleep: clock.sleep, Rand: func() float64 { return 0.5 },
	}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, clock
}

func hello() llm.Request {
	return llm.Request{Role: "implementer", Step: "edit", MaxOutputTokens: 100, Messages: []llm.Message{{Role: llm.User, Content: "hello"}}}
}

const usageEvent = `{"model":"m-1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}`

// streamed answers with events; the last argument decides whether [DONE] is sent.
func streamed(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			fmt.Fprintf(w, "data: %s\n\n", e)
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	}
}

func said(text string) string {
	return fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":%q}}]}`, text)
}

const stopEvent = `{"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`

func good() http.HandlerFunc { return streamed(said("Hel"), said("lo."), stopEvent, usageEvent) }

// status answers with a status, a body and headers given as pairs.
func status(code int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// cut sends bytes and breaks the connection.
func cut(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			fmt.Fprintf(w, "data: %s\n\n", e)
		}
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestAReplyIsPutTogetherFromItsStream(t *testing.T) {
	for name, step := range map[string]http.HandlerFunc{
		"stream": good(),
		"comments and null errors": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			fmt.Fprintf(w, ": queued\n\n: queued\r\n\r\nevent: x\ndata: {\"error\":null,%s\r\n\r\n", said("Hello.")[1:])
			fmt.Fprintf(w, "data:%s\n\ndata:%s\n\ndata: [DONE]", stopEvent, usageEvent)
		},
		"no stream at all": status(200, `{
			"model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],
			"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}`, "Content-Type", "application/json"),
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, step)
			c, _ := newTestClient(t, e.URL+"/v1", nil)
			have, err := c.Complete(t.Context(), hello())
			want := llm.Reply{Content: "Hello.", Finish: "stop", Model: "m-1", Usage: llm.Usage{Input: 7, Output: 3, Known: true}}
			if err != nil || !reflect.DeepEqual(have, want) {
				t.Fatalf("have %+v, %v\nwant %+v", have, err, want)
			}
			body := e.requests()[0]
			if body["stream"] != true || body["model"] != "small" || body["max_tokens"] != 100.0 ||
				!reflect.DeepEqual(body["stream_options"], map[string]any{"include_usage": true}) {
				t.Errorf("request: have %v", body)
			}
		})
	}
}

const rateLimited = `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`

// TestFaults is the table of what endpoints do wrong: each with the requests it
// costs, the pauses between them, and what the caller learns.
func TestFaults(t *testing.T) {
	busy := status(429, rateLimited)
	for _, tt := range []struct {
		name  string
		steps []http.HandlerFunc
		waits []string
		kind  llm.Kind // empty: a good reply in the end
		says  string
	}{
		{"429 without Retry-After", []http.HandlerFunc{busy, busy, good()}, []string{"750ms", "1.5s"}, "", ""},
		{"429 for ever", []http.HandlerFunc{busy, busy, busy, busy, busy}, []string{"750ms", "1.5s", "3s", "6s"},
			llm.Outage, "model not available (HTTP 429): slow down; gave up after 5 attempts"},
		{"429 with seconds", []http.HandlerFunc{status(429, rateLimited, "Retry-After", "7"), good()}, []string{"7s"}, "", ""},
		{"429 with milliseconds", []http.HandlerFunc{status(429, rateLimited, "Retry-After-Ms", "250"), good()}, []string{"250ms"}, "", ""},
		{"429 with a date", []http.HandlerFunc{status(429, rateLimited, "Retry-After", "Sun, 01 Mar 2026 12:00:40 GMT"), good()}, []string{"40s"}, "", ""},
		{"429 with a date gone by", []http.HandlerFunc{status(429, rateLimited, "Retry-After", "Sun, 01 Mar 2020 12:00:40 GMT"), good()}, []string{"750ms"}, "", ""},
		{"429 with nonsense", []http.HandlerFunc{status(429, rateLimited, "Retry-After", "-5 soon"), good()}, []string{"750ms"}, "", ""},
		{"429 for an hour", []http.HandlerFunc{status(429, rateLimited, "Retry-After", "3600")}, nil,
			llm.Outage, "gave up after 1 attempt"},
		{"429 for longer than numbers reach", []http.HandlerFunc{status(429, rateLimited, "Retry-After", "1e300")}, nil, llm.Outage, ""},
		{"500, 502, 503, 529", []http.HandlerFunc{status(500, "oops"), status(502, "<html>"), status(503, ""), status(529, ""), good()},
			[]string{"750ms", "1.5s", "3s", "6s"}, "", ""},
		{"cut before the end", []http.HandlerFunc{cut(said("Hel")), good()}, []string{"750ms"}, "", ""},
		{"ended without a reason", []http.HandlerFunc{streamed(said("Hel")), good()}, []string{"750ms"}, "", ""},
		{"cut every time", []http.HandlerFunc{cut(), cut(said("a")), cut(said("a")), cut(said("a")), cut(said("a"))},
			[]string{"750ms", "1.5s", "3s", "6s"}, llm.Outage, "the reply was cut; gave up after 5 attempts"},
		{"busy inside the stream", []http.HandlerFunc{streamed(said("a"), `{"error":{"message":"overloaded","code":503}}`), good()}, []string{"750ms"}, "", ""},
		{"quota", []http.HandlerFunc{status(429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`, "Retry-After", "3")},
			nil, llm.Quota, "You exceeded your current quota"},
		{"no credit", []http.HandlerFunc{status(402, `{"error":"Insufficient credits"}`)}, nil, llm.Quota, "Insufficient credits"},
		{"an error that calls itself good", []http.HandlerFunc{status(200, `{"error":{"message":"no such model","code":404}}`, "Content-Type", "application/json")},
			nil, llm.Unknown, "(HTTP 404): error in the stream: no such model"},
		{"quota inside the stream", []http.HandlerFunc{streamed(`{"error":{"code":"insufficient_quota","message":"no"}}`)}, nil, llm.Quota, ""},
		{"wrong key", []http.HandlerFunc{status(401, `{"error":{"message":"Incorrect API key provided: `+testKey+`","code":"invalid_api_key"}}`)},
			nil, llm.Auth, "Incorrect API key provided: [redacted:model_key]"},
		{"forbidden", []http.HandlerFunc{status(403, `{"detail":"not for you"}`)}, nil, llm.Auth, "not for you"},
		{"context by code", []http.HandlerFunc{status(400, `{"error":{"message":"too long","code":"context_length_exceeded"}}`)}, nil, llm.Context, "too long"},
		{"context by words", []http.HandlerFunc{status(400, `{"object":"error","message":"This model's maximum context length is 4096 tokens","code":400}`)}, nil, llm.Context, ""},
		{"context by status", []http.HandlerFunc{status(413, ``)}, nil, llm.Context, ""},
		{"refused before", []http.HandlerFunc{status(400, `{"error":{"message":"filtered","code":"content_filter"}}`)}, nil, llm.Refusal, ""},
		{"refused after", []http.HandlerFunc{streamed(`{"choices":[{"index":0,"delta":{"refusal":"I cannot"}}]}`, stopEvent)}, nil, llm.Refusal, "declined"},
		{"filtered after", []http.HandlerFunc{streamed(said("a"), `{"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}`)}, nil, llm.Refusal, "content filter"},
		{"no such model", []http.HandlerFunc{status(404, `{"error":{"message":"The model small does not exist","code":"model_not_found"}}`)}, nil, llm.Unknown, "does not exist"},
		{"redirect", []http.HandlerFunc{status(307, ``, "Location", "http://198.51.100.1/steal")}, nil, llm.Unknown, "temporary redirect"},
		{"a web page", []http.HandlerFunc{status(200, `<!doctype html>`, "Content-Type", "text/html")}, nil, llm.BadReply, "HTML page"},
		{"an event that is not JSON", []http.HandlerFunc{streamed(said("a"), `{"choices":[`)}, nil, llm.BadReply, "not JSON"},
		{"nothing", []http.HandlerFunc{streamed()}, nil, llm.BadReply, "no reply"},
		{"a body that is too large", []http.HandlerFunc{huge}, nil, llm.BadReply, "larger than 8 MiB"},
		{"a huge error", []http.HandlerFunc{status(400, strings.Repeat("x", 1<<20))}, nil, llm.Unknown, "xxx..."},
		{"control characters in an error", []http.HandlerFunc{status(400, `{"error":{"message":"a\u001b[31mb\n::set-output::c\u202e"}}`)}, nil, llm.Unknown, "a [31mb ::set-output::c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, tt.steps...)
			c, clock := newTestClient(t, strings.Replace(e.URL, "http://", "http://user:hidden-word@", 1)+"/v1?api-version=query-word", nil)
			_, err := c.Complete(t.Context(), hello())
			if have := len(e.requests()); have != len(tt.steps) {
				t.Errorf("requests: have %d, want %d", have, len(tt.steps))
			}
			if !reflect.DeepEqual(clock.waits, tt.waits) {
				t.Errorf("waits: have %v, want %v", clock.waits, tt.waits)
			}
			checkError(t, err, tt.kind, tt.says)
		})
	}
}

func checkError(t *testing.T, err error, kind llm.Kind, says string) {
	t.Helper()
	if kind == "" {
		if err != nil {
			t.Fatalf("have error %v", err)
		}
		return
	}
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Next() == "" {
		t.Fatalf("have %v, want kind %s", err, kind)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("error: have %q, want it to say %q", err, says)
	}
	for _, hidden := range []string{testKey, "hidden-word", "query-word", "Bearer", "\n", "\x1b"} {
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("error shows %q: %v", hidden, err)
		}
	}
	if len(err.Error()) > 500 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}

func huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	event := "data: " + said(strings.Repeat("word ", 20_000)) + "\n\n"
	for range 10 << 20 / len(event) {
		if _, err := io.WriteString(w, event); err != nil {
			return
		}
	}
}

func TestUsageIsKnownOnlyWhenItMakesSense(t *testing.T) {
	for event, known := range map[string]bool{
		usageEvent:                    true,
		`{"choices":[],"usage":null}`: false,
		`{"choices":[],"usage":{"prompt_tokens":-7,"completion_tokens":3}}`:     false,
		`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":-3}}`:     false,
		`{"choices":[],"usage":{"prompt_tokens":"many","completion_tokens":3}}`: false,
		`{"choices":[],"usage":{"prompt_tokens":7}}`:                            false,
		`{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}`:      false,
		`{"choices":[],"usage":{"prompt_tokens":1e30,"completion_tokens":3}}`:   false,
		`{"choices":[]}`: false,
	} {
		e := newEndpoint(t, streamed(said("Hello."), stopEvent, event))
		c, _ := newTestClient(t, e.URL+"/v1", nil)
		reply, err := c.Complete(t.Context(), hello())
		if err != nil || reply.Content != "Hello." || reply.Usage.Known != known {
			t.Errorf("%s: have %+v, %v, want known %v", event, reply, err, known)
		}
	}
}

func TestProseIsPassedOnForTheCallerToJudge(t *testing.T) {
	e := newEndpoint(t, streamed(said("I think {not json"), stopEvent))
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	reply, err := c.Complete(t.Context(), hello())
	if err != nil || reply.Content != "I think {not json" {
		t.Fatalf("have %+v, %v", reply, err)
	}
}

// transport is an endpoint without a network, so that its time can be faked.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// dripping is a body that sends each part after a pause and then goes on as end
// says.
type dripping struct {
	ctx   context.Context
	parts []string
	pause time.Duration
	hang  bool
}

func (d *dripping) Read(p []byte) (int, error) {
	if len(d.parts) == 0 && !d.hang {
		return 0, io.EOF
	}
	pause := d.pause
	if len(d.parts) == 0 {
		pause = 1000 * time.Hour
	}
	if err := sleep(d.ctx, pause); err != nil {
		return 0, err
	}
	n := copy(p, d.parts[0])
	d.parts = d.parts[1:]
	return n, nil
}

func (d *dripping) Close() error { return nil }

func drip(pause time.Duration, hang bool, parts ...string) transport {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: r,
			Body: &dripping{ctx: r.Context(), parts: parts, pause: pause, hang: hang},
		}, nil
	}
}

func TestSilenceEndsAnAttemptAndSlownessDoesNot(t *testing.T) {
	event := func(s string) string { return "data: " + s + "\n\n" }
	slow := drip(59*time.Second, false, event(said("Hel")), ": still here\n\n", event(said("lo.")), event(stopEvent), event(usageEvent))
	silent := drip(time.Second, true, event(said("Hel")))
	deaf := transport(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	comments := drip(30*time.Second, true, repeated(": still here\n\n", 100)...)
	for _, tt := range []struct {
		name  string
		rt    transport
		kind  llm.Kind
		says  string
		after time.Duration
	}{
		{"slow", slow, "", "", 5 * 59 * time.Second},
		{"silent in the middle", silent, llm.Outage, "silent for 1m0s; gave up after 2 attempts", 2*61*time.Second + 750*time.Millisecond},
		{"silent from the start", deaf, llm.Outage, "silent for 1m0s; gave up after 2 attempts", 2*time.Minute + 750*time.Millisecond},
		{"alive for ever", comments, llm.Outage, "no reply within the total time of 15m0s", 15 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(Options{BaseURL: "http://127.0.0.1/v1", Model: "m", MaxAttempts: 2,
					HTTPClient: &http.Client{Transport: tt.rt}, Rand: func() float64 { return 0.5 }})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				_, err = c.Complete(t.Context(), hello())
				if have := time.Since(start); have != tt.after {
					t.Errorf("time: have %v, want %v", have, tt.after)
				}
				checkError(t, err, tt.kind, tt.says)
			})
		})
	}
}

func repeated(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

func TestTheTotalTimeIncludesPauses(t *testing.T) {
	busy := status(429, rateLimited, "Retry-After", "50")
	e := newEndpoint(t, busy, busy, busy)
	c, clock := newTestClient(t, e.URL+"/v1", func(o *Options) { o.MaxTotal = 2 * time.Minute; o.MaxAttempts = 99 })
	_, err := c.Complete(t.Context(), hello())
	checkError(t, err, llm.Outage, "gave up after 3 attempts")
	if have := strings.Join(clock.waits, " "); have != "50s 50s" {
		t.Errorf("waits: have %s", have)
	}
}

func TestTheCallersEndIsNotAnOutage(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := newEndpoint(t, func(http.ResponseWriter, *http.Request) { cancel(); panic(http.ErrAbortHandler) })
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	_, err := c.Complete(ctx, hello())
	var typed *llm.Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &typed) {
		t.Fatalf("have %v", err)
	}
}

func TestAnEndpointThatIsNotThere(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	address := strings.Replace(gone.URL, "http://", "http://user:hidden-word@", 1) + "/v1?k=query-word"
	c, clock := newTestClient(t, address, nil)
	_, err := c.Complete(t.Context(), hello())
	checkError(t, err, llm.Outage, "connection refused")
	var e *llm.Error
	if errors.As(err, &e); !e.Unspent || len(clock.waits) != 4 {
		t.Errorf("unspent %v, waits %v", e.Unspent, clock.waits)
	}
}

func TestWithoutAKey(t *testing.T) {
	for address, kind := range map[string]llm.Kind{
		"":                          llm.Auth,
		"https://models.example/v1": llm.Auth,
		"http://10.0.0.7:1/v1":      llm.Auth,
	} {
		c, _ := newTestClient(t, address, func(o *Options) { o.Key = " \n" })
		_, err := c.Complete(t.Context(), hello())
		checkError(t, err, kind, KeyVariable)
	}
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if h := r.Header.Get("Authorization"); h != "" {
			t.Errorf("Authorization: have %q", h)
		}
		good()(w, r)
	})
	c, _ := newTestClient(t, e.URL+"/v1", func(o *Options) { o.Key = "" })
	if _, err := c.Complete(t.Context(), hello()); err != nil {
		t.Errorf("loopback: %v", err)
	}
}

func TestOnlyOptionsDecideWhereAPromptGoes(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "environment-key")
	t.Setenv("OPENAI_ORG_ID", "environment-org")
	t.Setenv("OPENAI_BASE_URL", "http://192.0.2.1/")
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+testKey || r.Header.Get("OpenAI-Organization") != "" {
			t.Errorf("headers: have %v", r.Header)
		}
		good()(w, r)
	})
	c, _ := newTestClient(t, e.URL+"/v1/", nil)
	if _, err := c.Complete(t.Context(), hello()); err != nil {
		t.Fatal(err)
	}
}

func TestNewRefusesAddressesWithoutShowingThem(t *testing.T) {
	for _, address := range []string{"models.example/v1", "ftp://a:hidden-word@models.example", "http://", "http://a:hidden-word@[::1", "\x00hidden-word"} {
		if _, err := New(Options{BaseURL: address}); err == nil || strings.Contains(err.Error(), "hidden-word") {
			t.Errorf("%q: have %v", address, err)
		}
	}
}

func TestALostAttemptIsPaidFor(t *testing.T) {
	e := newEndpoint(t, cut(said("Hel")), status(429, rateLimited), good())
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	req := hello()
	worst := int64(llm.EstimateTokens(req) + req.MaxOutputTokens)
	ledger := budget.New("task", budget.Limits{budget.Tokens: 2 * worst, budget.Calls: 2})
	m := &llm.Metered{Inner: c, Ledgers: []*budget.Ledger{ledger}}
	if _, err := m.Complete(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if have, want := ledger.Used(budget.Tokens), worst+10; have != want {
		t.Errorf("tokens: have %d, want %d", have, want)
	}
	if have := ledger.Used(budget.Calls); have != 2 {
		t.Errorf("calls: have %d, want 2", have)
	}
	e.steps = append(e.steps, cut(said("Hel")))
	if _, err := m.Complete(t.Context(), req); !llm.OverBudget(err) {
		t.Errorf("have %v, want the budget", err)
	}
}

// TestManyCallsAtOnce lets calls race while the endpoint's skills are learnt.
func TestManyCallsAtOnce(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if body["response_format"] != nil || body["stream_options"] != nil {
			status(400, `{"error":"stream_options and response_format json_schema json_object are not supported"}`)(w, r)
			return
		}
		good()(w, r)
	}))
	t.Cleanup(server.Close)
	c, _ := newTestClient(t, server.URL+"/v1", nil)
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			if reply, err := c.Complete(t.Context(), asking()); err != nil || reply.Content != "Hello." {
				t.Errorf("have %+v, %v", reply, err)
			}
		})
	}
	callers.Wait()
}

func FuzzRead(f *testing.F) {
	for _, events := range [][]string{{said("a"), stopEvent, usageEvent}, {`{"error":{"message":"x","code":500}}`}, {`{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}`}} {
		f.Add([]byte("data: " + strings.Join(events, "\n\ndata: ") + "\n\ndata: [DONE]\n\n"))
	}
	f.Add([]byte(": comment\r\n\r\nevent: x\r\ndata:{}\r\n"))
	c, err := New(Options{Key: testKey, BaseURL: "http://localhost"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		reply, fail := c.read(t.Context(), strings.NewReader(string(body)))
		if fail == nil && reply.Finish == "" {
			t.Fatal("a reply without an end was taken for whole")
		}
		if fail != nil && (fail.err.Kind == "" || strings.ContainsAny(fail.err.Error(), "\n\x1b")) {
			t.Fatalf("have %q", fail.err)
		}
		if reply.Usage.Known && (reply.Usage.Input < 0 || reply.Usage.Output < 0) {
			t.Fatalf("have %+v", reply.Usage)
		}
	})
}

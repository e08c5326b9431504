package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

const testToken = "ghp_SECRETSECRETSECRET"

// clock is a clock that only moves when someone waits for it.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	c.now = c.now.Add(d)
	return ctx.Err()
}

func (c *clock) slept() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Duration(nil), c.waits...)
}

// scripted answers requests in turn; the last answer repeats.
type scripted struct {
	*httptest.Server
	mu      sync.Mutex
	answers []http.HandlerFunc
	seen    []string
	headers []http.Header
}

func script(t *testing.T, answers ...http.HandlerFunc) *scripted {
	t.Helper()
	s := &scripted{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		next := s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
		s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI())
		s.headers = append(s.headers, r.Header.Clone())
		s.mu.Unlock()
		next(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// say answers with a status, headers as "Name: value" and a body.
func say(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// cutAfter promises more of a body than it sends.
func cutAfter(status int, part string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(status)
		io.WriteString(w, part)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// hangUp reads the request and closes the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// stall begins an answer and never ends it.
func stall(status int, part string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then does the server notice that the client left
		w.WriteHeader(status)
		io.WriteString(w, part)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func clientOf(t *testing.T, url string, c *clock, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{
		BaseURL: url, Token: testToken, Owner: "acme", Repo: "site", UserAgent: "seedbed-test",
		Sleep: c.Sleep, Now: c.Now, Rand: func() float64 { return 0.5 },
	}
	for _, f := range change {
		f(&o)
	}
	client, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const issue12 = `{"number":12,"title":"t","state":"open"}`

func readIssue(c *Client) error { _, err := c.Issue(context.Background(), 12); return err }
func comment12(c *Client) error {
	_, err := c.CreateComment(context.Background(), 12, "hello")
	return err
}

// What GitHub answers, what a caller may branch on, what a person reads, how
// often it was sent.
func TestRefusals(t *testing.T) {
	const validation = `{"message":"Validation Failed","errors":[{"resource":"Label","code":"already_exists","field":"name"}]}`
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		call   func(*Client) error
		kind   error
		want   string
		sent   int
	}{
		{"401", say(401, `{"message":"Bad credentials"}`), readIssue, forge.ErrUnauthorized,
			`reading issue #12: credentials not accepted (401): Bad credentials`, 1},
		{"403 names what is missing", say(403, `{"message":"Resource not accessible by integration"}`, "X-Accepted-GitHub-Permissions: issues=write; pull_requests=write,contents=read"), comment12, forge.ErrForbidden,
			`commenting on #12: not permitted (403): Resource not accessible by integration; the token needs issues: write or pull_requests: write and contents: read`, 1},
		{"403 for single sign-on", say(403, `{"message":"Resource protected by organization SAML enforcement."}`, "X-GitHub-SSO: required; url=https://github.com/orgs/x/sso?authorization_request=SECRET"), readIssue, forge.ErrForbidden,
			`reading issue #12: not permitted (403): Resource protected by organization SAML enforcement.; the token needs authorization for the organization's single sign-on (SSO)`, 1},
		{"404", say(404, `{"message":"Not Found"}`), readIssue, forge.ErrNotFound, `reading issue #12: not found (404): Not Found`, 1},
		{"410", say(410, `{"message":"This issue was deleted"}`), readIssue, forge.ErrNotFound, `reading issue #12: not found (410): This issue was deleted`, 1},
		{"409", say(409, `{"message":"Head branch was modified. Review and try the merge again."}`), mergePull, forge.ErrConflict,
			`merging #13: changed meanwhile (409): Head branch was modified. Review and try the merge again.`, 1},
		{"405 not mergeable", say(405, `{"message":"Pull Request is not mergeable"}`), mergePull, forge.ErrConflict, `merging #13: changed meanwhile (405): Pull Request is not mergeable`, 1},
		{"405 by a rule", say(405, `{"message":"Squash merges are not allowed on this repository."}`), mergePull, forge.ErrInvalid, `merging #13: refused as invalid (405): Squash merges are not allowed on this repository.`, 1},
		{"422 exists, by code", say(422, validation), comment12, forge.ErrExists, `commenting on #12: already exists (422): Validation Failed; name already_exists`, 1},
		{"422 exists, by words", say(422, `{"message":"Reference already exists"}`), lease, forge.ErrExists, `creating "refs/seedbed/leases/12": already exists (422): Reference already exists`, 1},
		{"422 not a fast forward", say(422, `{"message":"Update is not a fast forward"}`), moveRef, forge.ErrConflict, `moving "refs/heads/x": changed meanwhile (422): Update is not a fast forward`, 1},
		{"422 no such ref", say(422, `{"message":"Reference does not exist"}`), moveRef, forge.ErrNotFound, `moving "refs/heads/x": not found (422): Reference does not exist`, 1},
		{"422 file is there", say(422, `{"message":"Invalid request.\n\n\"sha\" wasn't supplied."}`), putFile, forge.ErrConflict, `writing "a.md" to "main": changed meanwhile (422): Invalid request.  "sha" wasn't supplied.`, 1},
		{"422 else, errors as words", say(422, `{"message":"Validation Failed","errors":["body is too long"]}`), comment12, forge.ErrInvalid, `commenting on #12: refused as invalid (422): Validation Failed; body is too long`, 1},
		{"5xx read is repeated", say(502, `<html>bad gateway</html>`), readIssue, forge.ErrUnavailable, `reading issue #12: service unavailable (502)`, 5},
		{"5xx mutation is not", say(502, `{"message":"Server Error"}`), comment12, forge.ErrUnclear, `commenting on #12: answer lost after sending (502): Server Error`, 1},
		{"hung up read", hangUp, readIssue, forge.ErrUnavailable, `reading issue #12: service unavailable: EOF`, 5},
		{"hung up mutation", hangUp, comment12, forge.ErrUnclear, `commenting on #12: answer lost after sending: EOF`, 1},
		{"cut read", cutAfter(200, `{"number":12,`), readIssue, forge.ErrUnavailable, `reading issue #12: service unavailable (200): unexpected EOF`, 5},
		{"cut mutation", cutAfter(201, `{"id":5`), comment12, forge.ErrUnclear, `commenting on #12: answer lost after sending (201): unexpected EOF`, 1},
		{"a proxy's page", say(200, `<html>log in</html>`, "Content-Type: text/html"), readIssue, forge.ErrUnavailable, `reading issue #12: service unavailable (200): answer is not JSON but 19 bytes of "application/json"`, 5},
		{"a proxy's page for a mutation", say(200, `<html>log in</html>`), comment12, forge.ErrUnclear, `commenting on #12: answer lost after sending (200): answer is not JSON but 19 bytes of "application/json"`, 1},
		{"wrong type", say(200, `{"number":"12"}`), readIssue, forge.ErrUnavailable, `reading issue #12: service unavailable: the answer's "number" is a string`, 1},
		{"wrong type after a mutation", say(201, `{"id":"5"}`), comment12, forge.ErrUnclear, `commenting on #12: answer lost after sending: the answer's "id" is a string`, 1},
		{"too deep", say(200, strings.Repeat("[", 1<<20)), readIssue, forge.ErrUnavailable, `reading issue #12: service unavailable (200): answer is not JSON but 1048576 bytes of "application/json"`, 5},
		{"empty object", say(200, `{}`), readIssue, forge.ErrUnavailable, `reading issue #12: service unavailable: the answer has no such number`, 1},
		{"another issue", say(200, `{"number":13}`), readIssue, forge.ErrUnavailable, `reading issue #12: service unavailable: the answer has no such number`, 1},
		{"empty answer to a mutation", say(201, ``), comment12, forge.ErrUnclear, `commenting on #12: answer lost after sending: the answer has no id`, 1},
		{"renamed repository", say(301, `{"message":"Moved Permanently","url":"https://evil.example/x"}`, "Location: https://evil.example/x"), readIssue, forge.ErrConflict,
			`reading issue #12: changed meanwhile (301): the address has moved; was the repository renamed or transferred?`, 1},
		{"words are cleaned and cut", say(404, `{"message":"a\u001b[31m\nb `+testToken+` `+strings.Repeat("x", 5000)+`"}`), readIssue, forge.ErrNotFound,
			`reading issue #12: not found (404): a [31m b [token] ` + strings.Repeat("x", 300-17) + ` (truncated)`, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, now := script(t, tc.answer), newClock()
			err := tc.call(clientOf(t, s.URL, now))
			var e *forge.Error
			if !errors.As(err, &e) || !errors.Is(err, tc.kind) {
				t.Fatalf("have %v, want a *forge.Error of kind %v", err, tc.kind)
			}
			if err.Error() != tc.want {
				t.Errorf("have %s\nwant %s", err, tc.want)
			}
			if have := len(s.requests()); have != tc.sent {
				t.Errorf("sent %d times, want %d", have, tc.sent)
			}
		})
	}
}

func mergePull(c *Client) error {
	_, err := c.Merge(context.Background(), 13, strings.Repeat("a", 40), "squash", "", "")
	return err
}
func lease(c *Client) error {
	return c.CreateRef(context.Background(), "refs/seedbed/leases/12", strings.Repeat("a", 40))
}
func moveRef(c *Client) error {
	return c.UpdateRef(context.Background(), "refs/heads/x", strings.Repeat("a", 40))
}
func putFile(c *Client) error {
	_, _, err := c.PutFile(context.Background(), "a.md", "main", "m", []byte("x"), "")
	return err
}

// Rate limits are waited for as GitHub says, reads and mutations alike since a
// limited request was not done; what takes longer than the maximum is an error.
func TestRateLimits(t *testing.T) {
	start := newClock().Now()
	reset := func(d time.Duration) string { return fmt.Sprintf("X-RateLimit-Reset: %d", start.Add(d).Unix()) }
	const secondary = `{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}`
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		want   []time.Duration
		after  time.Duration // RetryAfter of the error, when it is one
	}{
		{"429 with Retry-After", say(429, `{}`, "Retry-After: 7"), []time.Duration{7 * time.Second}, 0},
		{"429 with a date", say(429, `{}`, "Retry-After: "+start.Add(9*time.Second).Format(http.TimeFormat)), []time.Duration{9 * time.Second}, 0},
		{"429 without", say(429, `{}`), []time.Duration{time.Minute}, 0},
		{"429 with nonsense", say(429, `{}`, "Retry-After: soon"), []time.Duration{time.Minute}, 0},
		{"429 with a negative time", say(429, `{}`, "Retry-After: -5"), []time.Duration{time.Minute}, 0},
		{"primary, 403", say(403, `{"message":"API rate limit exceeded"}`, "X-RateLimit-Remaining: 0", reset(30*time.Second)), []time.Duration{31 * time.Second}, 0},
		{"primary, reset is past", say(403, `{"message":"API rate limit exceeded"}`, "X-RateLimit-Remaining: 0", reset(-time.Hour)), []time.Duration{time.Second}, 0},
		{"secondary, 403 with Retry-After", say(403, secondary, "Retry-After: 3"), []time.Duration{3 * time.Second}, 0},
		{"secondary, 403 by words", say(403, secondary), []time.Duration{time.Minute}, 0},
		{"too quickly, 422", say(422, `{"message":"Validation Failed","errors":[{"message":"was submitted too quickly"}]}`), []time.Duration{time.Minute}, 0},
		{"too long a Retry-After", say(429, `{}`, "Retry-After: 3600"), nil, time.Hour},
		{"too far a reset", say(403, `{}`, "X-RateLimit-Remaining: 0", reset(time.Hour)), nil, time.Hour + time.Second},
		{"a time beyond all", say(429, `{}`, "Retry-After: 2147483647"), nil, 2147483647 * time.Second},
	} {
		for _, call := range []struct {
			name string
			do   func(*Client) error
			ok   http.HandlerFunc
		}{{"read", readIssue, say(200, issue12)}, {"mutation", comment12, say(201, `{"id":5}`)}} {
			t.Run(tc.name+"/"+call.name, func(t *testing.T) {
				now := newClock()
				err := call.do(clientOf(t, script(t, tc.answer, call.ok).URL, now))
				var e *forge.Error
				switch {
				case tc.want != nil && err != nil:
					t.Errorf("have %v, want it to wait and go on", err)
				case tc.want == nil && (!errors.As(err, &e) || !errors.Is(err, forge.ErrRateLimited) || e.RetryAfter != tc.after):
					t.Errorf("have %v, want rate limited for %s", err, tc.after)
				}
				if have := now.slept(); fmt.Sprint(have) != fmt.Sprint(tc.want) {
					t.Errorf("waited %v, want %v", have, tc.want)
				}
			})
		}
	}
}

// The waits of one call add up to the maximum at most.
func TestRateLimitAgainAndAgain(t *testing.T) {
	now := newClock()
	s := script(t, say(429, `{}`, "Retry-After: 50"))
	err := readIssue(clientOf(t, s.URL, now))
	if !errors.Is(err, forge.ErrRateLimited) {
		t.Errorf("have %v, want rate limited", err)
	}
	if have := now.slept(); len(have) != 2 {
		t.Errorf("waited %v, want 50 s twice of the 120 allowed", have)
	}
}

// go-github would refuse later calls by itself after an answer that says no
// calls remain; that is left to GitHub, whose clock it is.
func TestLastRemainingCallBlocksNothing(t *testing.T) {
	s := script(t, say(200, issue12, "X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 4102444800"))
	c := clientOf(t, s.URL, newClock())
	for range 2 {
		if err := readIssue(c); err != nil {
			t.Fatal(err)
		}
	}
	if have := len(s.requests()); have != 2 {
		t.Errorf("sent %d requests, want 2", have)
	}
}

func TestReadIsRepeatedWithJitter(t *testing.T) {
	now := newClock()
	s := script(t, hangUp, say(503, `{}`), cutAfter(200, "{"), say(200, issue12))
	c := clientOf(t, s.URL, now)
	if err := readIssue(c); err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{187500 * time.Microsecond, 375 * time.Millisecond, 750 * time.Millisecond}
	if have := now.slept(); fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("waited %v, want %v", have, want)
	}
	if r, m := c.Calls(); r != 4 || m != 0 {
		t.Errorf("counted %d reads, %d mutations; want 4, 0", r, m)
	}
}

func TestUnavailableSaysWhen(t *testing.T) {
	now := newClock()
	if err := readIssue(clientOf(t, script(t, say(503, `{}`, "Retry-After: 11"), say(200, issue12)).URL, now)); err != nil {
		t.Fatal(err)
	}
	if have := now.slept(); len(have) != 1 || have[0] != 11*time.Second {
		t.Errorf("waited %v, want 11s", have)
	}
}

// A GraphQL query is a read although it is a POST; a mutation is none.
func TestGraphQLRetries(t *testing.T) {
	now := newClock()
	s := script(t, hangUp, say(200, `{"data":{"repository":{"issueOrPullRequest":{"lastEditedAt":null,"timelineItems":{"pageInfo":{},"nodes":[]}}}}}`), hangUp)
	c := clientOf(t, s.URL, now)
	if _, err := c.Edits(context.Background(), 12); err != nil {
		t.Error(err)
	}
	if err := c.ResolveThread(context.Background(), "T_1"); !errors.Is(err, forge.ErrUnclear) {
		t.Errorf("have %v, want unclear", err)
	}
	if r, m := c.Calls(); r != 2 || m != 1 {
		t.Errorf("counted %d reads, %d mutations; want 2, 1", r, m)
	}
}

func TestGraphQLErrors(t *testing.T) {
	for _, tc := range []struct {
		body        string
		query, mute error
	}{
		{`{"data":{"repository":null},"errors":[{"type":"NOT_FOUND","message":"Could not resolve"}]}`, forge.ErrNotFound, forge.ErrNotFound},
		{`{"data":null,"errors":[{"type":"FORBIDDEN","message":"Resource not accessible by integration"}]}`, forge.ErrForbidden, forge.ErrForbidden},
		{`{"data":null,"errors":[{"type":"UNPROCESSABLE","message":"no"}]}`, forge.ErrInvalid, forge.ErrInvalid},
		{`{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}`, forge.ErrRateLimited, forge.ErrRateLimited},
		{`{"errors":[{"message":"Something went wrong while executing your query"}]}`, forge.ErrUnavailable, forge.ErrUnclear},
		{`{}`, forge.ErrUnavailable, forge.ErrUnclear},
		{`{"data":null}`, forge.ErrUnavailable, forge.ErrUnclear},
		{`[]`, forge.ErrUnavailable, forge.ErrUnclear},
	} {
		c := clientOf(t, script(t, say(200, tc.body)).URL, newClock())
		if _, err := c.Edits(context.Background(), 12); !errors.Is(err, tc.query) {
			t.Errorf("%s: query: have %v, want %v", tc.body, err, tc.query)
		}
		if err := c.ResolveThread(context.Background(), "T_1"); !errors.Is(err, tc.mute) {
			t.Errorf("%s: mutation: have %v, want %v", tc.body, err, tc.mute)
		}
	}
}

// Nobody listens: nothing was sent, so even a mutation may be tried again.
func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, call := range []func(*Client) error{readIssue, comment12} {
		now := newClock()
		err := call(clientOf(t, "http://"+l.Addr().String(), now))
		if !errors.Is(err, forge.ErrUnavailable) || errors.Is(err, forge.ErrUnclear) || len(now.slept()) != 4 {
			t.Errorf("have %v after %d waits; want unavailable after 4", err, len(now.slept()))
		}
	}
}

func TestSlowBody(t *testing.T) {
	short := func(o *Options) { o.Timeout, o.MaxAttempts = 50*time.Millisecond, 2 }
	s := script(t, stall(200, `{"number":`))
	err := readIssue(clientOf(t, s.URL, newClock(), short))
	if want := "reading issue #12: service unavailable (200): no whole answer within 50ms"; err == nil || err.Error() != want {
		t.Errorf("read: have %v\nwant %s", err, want)
	}
	if have := len(s.requests()); have != 2 {
		t.Errorf("read: sent %d times, want 2", have)
	}
	s = script(t, stall(201, `{"id":`))
	if err := comment12(clientOf(t, s.URL, newClock(), short)); !errors.Is(err, forge.ErrUnclear) || len(s.requests()) != 1 {
		t.Errorf("mutation: have %v, sent %d times; want unclear, once", err, len(s.requests()))
	}
}

func TestGiantBody(t *testing.T) {
	giant := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"body":"`)
		chunk := strings.Repeat("x", 1<<20)
		for range 64 {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}
	s := script(t, giant)
	err := readIssue(clientOf(t, s.URL, newClock()))
	if want := "reading issue #12: service unavailable (200): answer is larger than 16 MiB"; err == nil || err.Error() != want {
		t.Errorf("have %v\nwant %s", err, want)
	}
	if have := len(s.requests()); have != 1 {
		t.Errorf("sent %d times, want 1: it will not shrink", have)
	}
}

func TestContextEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		call func(context.Context, *Client) error
		kind error
	}{
		{"read", func(ctx context.Context, c *Client) error { _, err := c.Issue(ctx, 12); return err }, forge.ErrUnavailable},
		{"mutation", func(ctx context.Context, c *Client) error { _, err := c.CreateComment(ctx, 12, "x"); return err }, forge.ErrUnclear},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			s := script(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				cancel()
				<-r.Context().Done()
			})
			err := tc.call(ctx, clientOf(t, s.URL, newClock()))
			var e *forge.Error
			if !errors.As(err, &e) || !errors.Is(err, tc.kind) || !errors.Is(err, context.Canceled) {
				t.Errorf("have %v, want %v and canceled", err, tc.kind)
			}
			if have := len(s.requests()); have != 1 {
				t.Errorf("sent %d times, want 1", have)
			}
		})
	}
}

// Mutations go out one at a time and each at its turn of the pace, on a clock
// that only waiting moves: n mutations take at least n-1 seconds.
func TestPacing(t *testing.T) {
	now := newClock()
	var running, most int
	var mu sync.Mutex
	var sent []time.Time
	s := script(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		running++
		most = max(most, running)
		sent = append(sent, now.Now())
		mu.Unlock()
		say(201, `{"id":5}`)(w, r)
		mu.Lock()
		running--
		mu.Unlock()
	})
	var last time.Time
	pace := func(ctx context.Context) error { // as cmd does it
		if wait := time.Second - now.Now().Sub(last); wait > 0 {
			if err := now.Sleep(ctx, wait); err != nil {
				return err
			}
		}
		last = now.Now()
		return nil
	}
	c := clientOf(t, s.URL, now, func(o *Options) { o.Pace = pace })
	var wg sync.WaitGroup
	for range 5 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := comment12(c); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d mutations at once, want 1", most)
	}
	for i := 1; i < len(sent); i++ {
		if gap := sent[i].Sub(sent[i-1]); gap < time.Second {
			t.Errorf("mutation %d came %s after the one before, want 1s", i, gap)
		}
	}
	before := now.Now()
	s.answers = []http.HandlerFunc{say(200, issue12)}
	if err := readIssue(c); err != nil || !now.Now().Equal(before) {
		t.Errorf("a read was paced: %v, %s", err, now.Now().Sub(before))
	}
	if _, m := c.Calls(); m != 5 {
		t.Errorf("counted %d mutations, want 5", m)
	}
}

func TestPaceCanStop(t *testing.T) {
	s := script(t, say(201, `{"id":5}`))
	c := clientOf(t, s.URL, newClock(), func(o *Options) { o.Pace = func(context.Context) error { return context.Canceled } })
	if err := comment12(c); !errors.Is(err, context.Canceled) || len(s.requests()) != 0 {
		t.Errorf("have %v, %d sent; want canceled and nothing sent", err, len(s.requests()))
	}
}

func TestETags(t *testing.T) {
	body := func(title string) string { return fmt.Sprintf(`{"number":12,"title":%q}`, title) }
	s := script(t, say(200, body("one"), `ETag: W/"1"`), say(304, "", `ETag: W/"1"`), say(200, body("two"), `ETag: W/"2"`), say(304, ""))
	c := clientOf(t, s.URL, newClock())
	for i, want := range []string{"one", "one", "two", "two"} {
		have, err := c.Issue(context.Background(), 12)
		if err != nil || have.Title != want {
			t.Errorf("read %d: have %q, %v; want %q", i+1, have.Title, err, want)
		}
	}
	for i, want := range []string{"", `W/"1"`, `W/"1"`, `W/"2"`} {
		if have := s.headers[i].Get("If-None-Match"); have != want {
			t.Errorf("request %d: If-None-Match %q, want %q", i+1, have, want)
		}
	}
}

// A list read from the cache still has its pages.
func TestETagsOfPages(t *testing.T) {
	var s *scripted
	page := func(w http.ResponseWriter, r *http.Request) {
		n := r.URL.Query().Get("page")
		w.Header().Set("ETag", `"p`+n+`"`)
		if n == "" {
			w.Header().Set("Link", fmt.Sprintf(`<%s/repositories/1/labels?page=2>; rel="next"`, s.URL))
		}
		if r.Header.Get("If-None-Match") != "" {
			w.Header().Del("Link")
			w.WriteHeader(304)
			return
		}
		fmt.Fprintf(w, `[{"name":"page%s"}]`, n)
	}
	s = script(t, page)
	c := clientOf(t, s.URL, newClock())
	for range 2 {
		have, err := c.Labels(context.Background())
		if err != nil || strings.Join(have, " ") != "page page2" {
			t.Errorf("have %q, %v; want both pages", have, err)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache()
	put := func(n, size int) {
		req := httptest.NewRequest("GET", fmt.Sprintf("/x/%d", n), nil)
		c.keep(req, &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"x"`}}}, make([]byte, size))
	}
	for n := range 3 * cacheEntries {
		put(n, 10)
	}
	if len(c.byKey) != cacheEntries || c.order.Len() != cacheEntries || c.bytes != 10*cacheEntries {
		t.Errorf("have %d entries, %d bytes", len(c.byKey), c.bytes)
	}
	for n := range 10 {
		put(n, cacheBytes/5)
	}
	if c.bytes > cacheBytes {
		t.Errorf("have %d bytes, want at most %d", c.bytes, cacheBytes)
	}
	put(1, cacheBytes)
	if c.bytes > cacheBytes {
		t.Errorf("one answer took the whole cache")
	}
}

func TestPagination(t *testing.T) {
	var s *scripted
	link := func(query string) string {
		return fmt.Sprintf("Link: <%s/x?%s>; rel=\"next\", <%s/x?page=9>; rel=\"last\"", s.URL, query, s.URL)
	}
	s = script(t)
	s.answers = []http.HandlerFunc{
		say(200, `[{"name":"a"}]`, link("per_page=100&page=2")),
		say(200, `[{"name":"b"}]`, link("after=CURSOR%3D%3D&per_page=100")),
		say(200, `[{"name":"c"}]`),
	}
	have, err := clientOf(t, s.URL, newClock()).Labels(context.Background())
	if err != nil || strings.Join(have, "") != "abc" {
		t.Errorf("have %q, %v; want a b c", have, err)
	}
	want := "GET /repos/acme/site/labels?per_page=100 GET /repos/acme/site/labels?per_page=100&page=2 GET /repos/acme/site/labels?after=CURSOR%3D%3D&per_page=100"
	if have := strings.Join(s.requests(), " "); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
}

// The next page stands at our own address whatever the link says: the token
// goes nowhere else.
func TestForeignNextLink(t *testing.T) {
	foreign := script(t, say(200, `[{"name":"stolen"}]`))
	s := script(t, say(200, `[{"name":"a"}]`, fmt.Sprintf(`Link: <%s/steal?page=2>; rel="next"`, foreign.URL)), say(200, `[]`))
	if _, err := clientOf(t, s.URL, newClock()).Labels(context.Background()); err != nil {
		t.Fatal(err)
	}
	if have := len(foreign.requests()); have != 0 {
		t.Errorf("%d requests went to the foreign address", have)
	}
}

func TestEndlessLists(t *testing.T) {
	n := 0
	endless := script(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		say(200, `[{"name":"x"}]`, fmt.Sprintf(`Link: <http://x/?page=%d>; rel="next"`, n+1))(w, r)
	})
	_, err := clientOf(t, endless.URL, newClock()).Labels(context.Background())
	if want := "listing labels: service unavailable: the list has more than 100 pages of 100 and was not read to its end"; err == nil || err.Error() != want {
		t.Errorf("have %v\nwant %s", err, want)
	}
	circle := script(t, say(200, `[{"name":"x"}]`, `Link: <http://x/?page=2>; rel="next"`))
	_, err = clientOf(t, circle.URL, newClock()).Labels(context.Background())
	if err == nil || !strings.Contains(err.Error(), "read before") || len(circle.requests()) != 2 {
		t.Errorf("circle: have %v after %d requests; want an error after 2", err, len(circle.requests()))
	}
}

// A list that breaks on its second page is an error, not a short list.
func TestListBreaks(t *testing.T) {
	s := script(t, say(200, `[{"name":"a"}]`, `Link: <http://x/?page=2>; rel="next"`), say(404, `{}`))
	if have, err := clientOf(t, s.URL, newClock()).Labels(context.Background()); err == nil || have != nil {
		t.Errorf("have %q, %v; want an error", have, err)
	}
}

// Errors hold neither the token nor an address with its query.
func TestErrorsKeepSecrets(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		say(422, fmt.Sprintf(`{"message":%q}`, r.Header.Get("Authorization")+" "+r.URL.Path))(w, r)
	}
	for _, answer := range []http.HandlerFunc{echo, hangUp, say(302, "", "Location: /x?token="+testToken), cutAfter(200, testToken)} {
		c := clientOf(t, script(t, answer).URL, newClock(), func(o *Options) { o.MaxAttempts = 1 })
		_, listErr := c.PullsByHead(context.Background(), "secret-branch")
		for _, err := range []error{listErr, comment12(c), readIssue(c)} {
			if err == nil || strings.Contains(err.Error(), testToken) || strings.Contains(err.Error(), "per_page") || strings.Contains(err.Error(), "http://") {
				t.Errorf("have %v", err)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Options
		want string
	}{
		{"plain http", Options{BaseURL: "http://api.github.com", Owner: "a", Repo: "b"}, "base URL: http://api.github.com is neither https nor on loopback"},
		{"looks like loopback", Options{BaseURL: "http://127.0.0.1.evil.example", Owner: "a", Repo: "b"}, "base URL: http://127.0.0.1.evil.example is neither https nor on loopback"},
		{"no URL", Options{Owner: "a", Repo: "b"}, "base URL: want https://HOST/PATH without user, query or fragment"},
		{"user in URL", Options{BaseURL: "https://" + testToken + "@x", Owner: "a", Repo: "b"}, "base URL: want https://HOST/PATH without user, query or fragment"},
		{"GraphQL elsewhere in plain", Options{BaseURL: "https://x", GraphQLURL: "http://y/graphql", Owner: "a", Repo: "b"}, "GraphQL URL: http://y is neither https nor on loopback"},
		{"no repository", Options{BaseURL: "https://x"}, `repository "/": want OWNER/NAME`},
		{"owner climbs", Options{BaseURL: "https://x", Owner: "..", Repo: "b"}, `repository "../b": want OWNER/NAME`},
		{"token with a line end", Options{BaseURL: "https://x", Owner: "a", Repo: "b", Token: "gh\nX: y"}, "token holds characters that no token has"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := New(tc.o); err == nil || err.Error() != tc.want {
				t.Errorf("have %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestGraphQLAddress(t *testing.T) {
	for base, want := range map[string]string{
		"https://api.github.com":        "https://api.github.com/graphql",
		"https://ghe.example/api/v3/":   "https://ghe.example/api/graphql",
		"http://127.0.0.1:4100":         "http://127.0.0.1:4100/graphql",
		"http://[::1]:4100/some/prefix": "http://[::1]:4100/some/prefix/graphql",
	} {
		c, err := New(Options{BaseURL: base, Owner: "a", Repo: "b", Token: " t\n"})
		if err != nil || c.graphql != want {
			t.Errorf("%s: have %v, %v; want %s", base, c, err, want)
		}
	}
}

// Names from outside never become another address.
func TestNamesThatCannotBeAsked(t *testing.T) {
	ctx, sha := context.Background(), strings.Repeat("a", 40)
	s := script(t, say(200, `{}`))
	c := clientOf(t, s.URL, newClock())
	for name, call := range map[string]func() error{
		"login climbs":       func() error { _, err := c.Permission(ctx, "../../user"); return err },
		"login with query":   func() error { _, err := c.Permission(ctx, "a?b"); return err },
		"label dots":         func() error { return c.RemoveLabel(ctx, 1, "..") },
		"label empty":        func() error { return c.RemoveLabel(ctx, 1, "") },
		"label too long":     func() error { return c.EnsureLabel(ctx, strings.Repeat("x", 51), "", "") },
		"short ref":          func() error { _, err := c.Ref(ctx, "main"); return err },
		"ref climbs":         func() error { return c.DeleteRef(ctx, "refs/heads/../../x") },
		"ref ends in slash":  func() error { return c.CreateRef(ctx, "refs/heads/", sha) },
		"prefix is no ref":   func() error { _, err := c.RefsUnder(ctx, "heads/x"); return err },
		"branch as commit":   func() error { _, err := c.Commit(ctx, "main"); return err },
		"checks of a branch": func() error { _, err := c.Checks(ctx, "main"); return err },
		"blob climbs":        func() error { _, err := c.Blob(ctx, "../x"); return err },
		"file climbs":        func() error { _, err := c.File(ctx, "../x", ""); return err },
		"workflow climbs":    func() error { return c.Dispatch(ctx, "../x.yml", "main", nil) },
		"merge of any head":  func() error { _, err := c.Merge(ctx, 1, "", "", "", ""); return err },
		"payload is no JSON": func() error { _, err := c.CreateDeployment(ctx, forge.Deployment{Ref: "x", Payload: "{"}); return err },
	} {
		if err := call(); !errors.Is(err, forge.ErrInvalid) {
			t.Errorf("%s: have %v, want refused as invalid", name, err)
		}
	}
	if have := s.requests(); len(have) != 0 {
		t.Errorf("sent %q, want nothing", have)
	}
}

package llm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/budget"
)

func request(text string) Request {
	return Request{Role: "implementer", Step: "edit", MaxOutputTokens: 50, Messages: []Message{{Role: User, Content: text}}}
}

func TestTheDigestIsOfTheMeaning(t *testing.T) {
	hot := 0.5
	full := Request{
		Role: "r", Step: "s", Messages: []Message{{Role: System, Content: "a"}, {Role: User, Content: "b"}},
		Tools:  []Tool{{Name: "t", Description: "d", Parameters: json.RawMessage(`{"a": 1, "b": [2]}`)}},
		Schema: &Schema{Name: "x", JSON: json.RawMessage(`{"type":"object","required":["a"]}`)}, MaxOutputTokens: 9, Temperature: &hot, Model: "m",
	}
	same := full
	same.Tools = []Tool{{Name: "t", Description: "d", Parameters: json.RawMessage("{\"b\":[2],\n\"a\":1}")}}
	same.Schema = &Schema{Name: "x", JSON: json.RawMessage(`{"required":["a"],"type":"object"}`)}
	if Digest(full) != Digest(same) {
		t.Error("spacing and order of keys changed the digest")
	}
	if have, want := Digest(request("hello")), "6851c87812acb8a50fa8c2ab475ada573edcd93abcb7862a534534b40d51da37"; have != want {
		t.Errorf("digests of stored transcripts no longer match: have %s, want %s", have, want)
	}
	seen := map[string]string{Digest(full): "full"}
	for name, change := range map[string]func(*Request){
		"role":        func(r *Request) { r.Role = "q" },
		"step":        func(r *Request) { r.Step = "q" },
		"messages":    func(r *Request) { r.Messages = r.Messages[:1] },
		"split":       func(r *Request) { r.Messages = []Message{{Role: System, Content: "ab"}, {Role: User}} },
		"tool":        func(r *Request) { r.Tools = nil },
		"bad schema":  func(r *Request) { r.Schema = &Schema{Name: "x", JSON: json.RawMessage(`{`)} },
		"bad schema2": func(r *Request) { r.Schema = &Schema{Name: "x", JSON: json.RawMessage(`{{`)} },
		"schema":      func(r *Request) { r.Schema = nil },
		"output":      func(r *Request) { r.MaxOutputTokens = 10 },
		"temperature": func(r *Request) { r.Temperature = nil },
		"model":       func(r *Request) { r.Model = "n" },
	} {
		r := full
		change(&r)
		if other, ok := seen[Digest(r)]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[Digest(r)] = name
	}
}

func TestEstimateTokens(t *testing.T) {
	if have, want := EstimateTokens(request(strings.Repeat("x", 3500))), 1002+tokensPerMessage; have != want {
		t.Errorf("have %d, want %d", have, want)
	}
	if have := EstimateTokens(Request{}); have != 0 {
		t.Errorf("have %d", have)
	}
	r := request("x")
	before := EstimateTokens(r)
	r.Schema = &Schema{Name: "s", JSON: json.RawMessage(`{"type":"object"}`)}
	r.Tools = weather()
	if EstimateTokens(r) <= before+2*tokensPerMessage {
		t.Error("schema and tools cost nothing")
	}
}

func weather() []Tool { return []Tool{{Name: "w", Parameters: json.RawMessage(`{"type":"object"}`)}} }

func TestEveryKindSaysWhatToDoNext(t *testing.T) {
	seen := map[string]Kind{}
	for _, kind := range []Kind{Quota, Auth, Context, Refusal, Outage, BadReply, Unknown} {
		e := &Error{Kind: kind, Status: 418, Message: "short and stout"}
		if !strings.HasSuffix(e.Next(), ".") || seen[e.Next()] != "" {
			t.Errorf("%s: next step %q", kind, e.Next())
		}
		seen[e.Next()] = kind
		if KindOf(fmt.Errorf("planning: %w", e)) != kind {
			t.Errorf("%s is lost when wrapped", kind)
		}
		if !strings.Contains(e.Error(), "(HTTP 418): short and stout") {
			t.Errorf("have %q", e)
		}
	}
	if KindOf(errors.New("x")) != Unknown {
		t.Error("a stranger has a kind")
	}
}

// answers is a Completer that gives a fixed answer.
type answers func(Request) (Reply, error)

func (a answers) Complete(_ context.Context, r Request) (Reply, error) { return a(r) }

func TestWhatACallIsCharged(t *testing.T) {
	req := request("hello")
	worst := int64(EstimateTokens(req) + 50)
	reply := func(u Usage) answers {
		return func(Request) (Reply, error) { return Reply{Content: "x", Usage: u}, nil }
	}
	fail := func(e error) answers { return func(Request) (Reply, error) { return Reply{}, e } }
	for _, tt := range []struct {
		name  string
		inner answers
		want  int64
	}{
		{"known", reply(Usage{5, 6, true}), 11},
		{"more than reserved", reply(Usage{5000, 6, true}), 5006},
		{"unknown", reply(Usage{5, 6, false}), worst},
		{"negative input", reply(Usage{-5, 6, true}), worst},
		{"negative output", reply(Usage{5, -1, true}), worst},
		{"zero", reply(Usage{0, 0, true}), worst},
		{"from a transcript", func(Request) (Reply, error) { return Reply{Usage: Usage{5, 6, true}, Cached: true}, nil }, 0},
		{"turned away", fail(&Error{Kind: Auth, Unspent: true}), 0},
		{"cut", fail(fmt.Errorf("x: %w", &Error{Kind: Outage})), worst},
		{"cancelled", fail(context.Canceled), worst},
	} {
		t.Run(tt.name, func(t *testing.T) {
			task, cycle := budget.New("task", budget.Limits{budget.Tokens: worst}), budget.New("cycle", nil)
			m := &Metered{Inner: tt.inner, Ledgers: []*budget.Ledger{task, cycle}}
			m.Complete(t.Context(), req)
			for _, l := range []*budget.Ledger{task, cycle} {
				if have := l.Used(budget.Tokens); have != tt.want || l.Used(budget.Calls) != 1 || l.Reserved(budget.Tokens) != 0 {
					t.Errorf("%s: have %d tokens, %d calls, %d reserved, want %d tokens", l.Name(), have, l.Used(budget.Calls), l.Reserved(budget.Tokens), tt.want)
				}
			}
		})
	}
}

func TestACallThatDoesNotFitIsNotMade(t *testing.T) {
	req := request("hello")
	worst := int64(EstimateTokens(req) + 50)
	for _, limits := range []budget.Limits{{budget.Tokens: worst - 1}, {budget.Calls: 0}} {
		task, cycle := budget.New("task", nil), budget.New("cycle", limits)
		m := &Metered{Inner: answers(func(Request) (Reply, error) { t.Error("called"); return Reply{}, nil }), Ledgers: []*budget.Ledger{task, cycle}}
		_, err := m.Complete(t.Context(), req)
		var e *budget.Exceeded
		if !OverBudget(err) || !errors.As(err, &e) || e.Ledger != "cycle" || task.Used(budget.Tokens)+task.Reserved(budget.Tokens) != 0 {
			t.Errorf("have %v", err)
		}
	}
}

func TestARequestWithoutOutputLimitGetsOne(t *testing.T) {
	for _, tt := range []struct{ own, meter, want int }{{0, 0, DefaultMaxOutput}, {0, 7, 7}, {9, 7, 9}, {-1, 0, DefaultMaxOutput}} {
		have := 0
		m := &Metered{MaxOutput: tt.meter, Inner: answers(func(r Request) (Reply, error) { have = r.MaxOutputTokens; return Reply{}, nil })}
		req := request("x")
		req.MaxOutputTokens = tt.own
		m.Complete(t.Context(), req)
		if have != tt.want {
			t.Errorf("%+v: have %d", tt, have)
		}
	}
}

func TestAnotherAttemptIsReservedAnew(t *testing.T) {
	req := request("hello")
	worst := int64(EstimateTokens(req) + 50)
	ledger := budget.New("task", budget.Limits{budget.Tokens: 2*worst + 10})
	m := &Metered{Ledgers: []*budget.Ledger{ledger}}
	var third error
	m.Inner = again(func(ctx context.Context) (Reply, error) {
		if err := Again(ctx); err != nil {
			return Reply{}, err
		}
		third = Again(ctx)
		return Reply{}, third
	})
	_, err := m.Complete(t.Context(), req)
	if !OverBudget(err) || ledger.Used(budget.Tokens) != 2*worst || ledger.Reserved(budget.Tokens) != 0 || ledger.Used(budget.Calls) != 2 {
		t.Errorf("have %v, used %d, reserved %d, calls %d", err, ledger.Used(budget.Tokens), ledger.Reserved(budget.Tokens), ledger.Used(budget.Calls))
	}
	if err := Again(t.Context()); err != nil {
		t.Errorf("without a meter: %v", err)
	}
}

func TestAProcessThatDiesDuringACallHasBeenCharged(t *testing.T) {
	req := request("hello")
	worst := int64(EstimateTokens(req) + 50)
	ledger := budget.New("task", nil)
	var stored []byte
	m := &Metered{Ledgers: []*budget.Ledger{ledger}, Save: func() (err error) { stored, err = ledger.Save(); return err }}
	charged := func() int64 {
		l, err := budget.Load("task", nil, stored)
		if err != nil {
			t.Fatal(err)
		}
		return l.Used(budget.Tokens)
	}
	m.Inner = answers(func(Request) (Reply, error) {
		if have := charged(); have != worst {
			t.Errorf("during the call: have %d, want %d", have, worst)
		}
		return Reply{Usage: Usage{5, 6, true}}, nil
	})
	if _, err := m.Complete(t.Context(), req); err != nil || charged() != 11 {
		t.Errorf("after the call: have %d, %v", charged(), err)
	}
	m.Save = func() error { return errors.New("disk full") }
	m.Inner = answers(func(Request) (Reply, error) { t.Error("called"); return Reply{}, nil })
	if _, err := m.Complete(t.Context(), req); err == nil || !strings.Contains(err.Error(), "disk full") || ledger.Used(budget.Tokens) != 11 || ledger.Reserved(budget.Tokens) != 0 {
		t.Errorf("have %v, used %d", err, ledger.Used(budget.Tokens))
	}
}

type again func(context.Context) (Reply, error)

func (a again) Complete(ctx context.Context, _ Request) (Reply, error) { return a(ctx) }

// TestCallsAtOnceNeverOvershoot lets many calls race for the last of a budget,
// each using at most what it reserved.
func TestCallsAtOnceNeverOvershoot(t *testing.T) {
	const limit = 5000
	ledger := budget.New("task", budget.Limits{budget.Tokens: limit})
	var mu sync.Mutex
	var used int64
	inner := answers(func(r Request) (Reply, error) {
		n := rand.IntN(EstimateTokens(r)+r.MaxOutputTokens) + 1
		mu.Lock()
		used += int64(n)
		mu.Unlock()
		if now := ledger.Used(budget.Tokens) + ledger.Reserved(budget.Tokens); now > limit+200 {
			t.Errorf("used and reserved: %d", now) // two reads apart, hence the slack of one call
		}
		return Reply{Usage: Usage{Input: n, Known: true}}, nil
	})
	m := &Metered{Inner: inner, Ledgers: []*budget.Ledger{ledger}}
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			for range 5 {
				m.Complete(t.Context(), request("hello"))
			}
		})
	}
	callers.Wait()
	if ledger.Used(budget.Tokens) != used || used > limit {
		t.Errorf("charged %d, used %d, limit %d", ledger.Used(budget.Tokens), used, limit)
	}
}

// script answers the n-th call with the n-th text and keeps the requests.
type script struct {
	texts []string
	asked []Request
}

func (s *script) Complete(_ context.Context, r Request) (Reply, error) {
	s.asked = append(s.asked, r)
	if len(s.asked) > len(s.texts) {
		return Reply{}, errors.New("called once too often")
	}
	return Reply{Content: s.texts[len(s.asked)-1], Finish: FinishStop}, nil
}

type verdict struct {
	OK bool `json:"ok"`
}

func asking() Request {
	req := request("ok?")
	req.Schema = &Schema{Name: "verdict", JSON: json.RawMessage(`{"type":"object"}`)}
	return req
}

func TestAskRepairsOnce(t *testing.T) {
	s := &script{texts: []string{"{\"OK\":true}", "```json\n{\"ok\":true}\n```"}}
	var have verdict
	answer, err := Ask(t.Context(), s, asking(), &have, nil)
	if err != nil || !have.OK || !answer.Repaired || len(s.asked) != 2 {
		t.Fatalf("have %+v, %+v, %v", have, answer, err)
	}
	repair := s.asked[1].Messages
	if len(repair) != 3 || repair[1].Role != Assistant || repair[1].Content != `{"OK":true}` || !strings.Contains(repair[2].Content, `unknown key "OK"; known: ok`) {
		t.Errorf("have %+v", repair)
	}
	if !reflect.DeepEqual(s.asked[0], asking()) {
		t.Error("the first request was changed")
	}
}

func TestAskGivesUpAfterOneRepair(t *testing.T) {
	s := &script{texts: []string{"prose", `{"ok":`}}
	have := verdict{OK: true}
	_, err := Ask(t.Context(), s, asking(), &have, nil)
	var u *Unusable
	want := "implementer/edit: unusable reply after one repair: reply does not match verdict: $.ok: the JSON is cut: it ends in the middle"
	if !errors.As(err, &u) || err.Error() != want || u.Next() == "" || u.First == nil {
		t.Fatalf("have %v\nwant %s", err, want)
	}
	if !have.OK {
		t.Error("a failed reply changed the target")
	}
}

func TestAskLetsTheCallerLook(t *testing.T) {
	s := &script{texts: []string{`{"ok":false}`, `{"ok":true}`}}
	var have verdict
	_, err := Ask(t.Context(), s, asking(), &have, func() error {
		if !have.OK {
			return errors.New("ok must be true")
		}
		return nil
	})
	if err != nil || !strings.Contains(s.asked[1].Messages[2].Content, "ok must be true") {
		t.Fatalf("have %v", err)
	}
}

func TestNothingIsRepairedWhenThereIsNothingToRepair(t *testing.T) {
	for name, tt := range map[string]struct {
		inner answers
		want  Kind
	}{
		"empty":    {func(Request) (Reply, error) { return Reply{Content: " \n"}, nil }, BadReply},
		"withheld": {func(Request) (Reply, error) { return Reply{Content: "{", Finish: FinishFilter}, nil }, Refusal},
		"refused":  {func(Request) (Reply, error) { return Reply{}, &Error{Kind: Refusal} }, Refusal},
		"outage":   {func(Request) (Reply, error) { return Reply{}, &Error{Kind: Outage} }, Outage},
	} {
		calls := 0
		counted := answers(func(r Request) (Reply, error) { calls++; return tt.inner(r) })
		var have verdict
		_, err := Ask(t.Context(), counted, asking(), &have, nil)
		if KindOf(err) != tt.want || calls != 1 {
			t.Errorf("%s: have %v after %d calls", name, err, calls)
		}
	}
}

func TestAskTextAndLongReplies(t *testing.T) {
	s := &script{texts: []string{strings.Repeat("é", maxEcho), "fine"}}
	_, err := AskText(t.Context(), s, request("x"), func(text string) error {
		if text != "fine" {
			return errors.New("not fine")
		}
		return nil
	})
	if err != nil || len(s.asked[1].Messages[1].Content) > maxEcho+10 {
		t.Errorf("have %v, echo of %d bytes", err, len(s.asked[1].Messages[1].Content))
	}
}

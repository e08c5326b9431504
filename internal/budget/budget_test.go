package budget

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/quick"
)

func reserve(t *testing.T, l *Ledger, kind Kind, worst int64) Reservation {
	t.Helper()
	r, err := l.Reserve(kind, worst)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAReservationThatDoesNotFitSaysTheNumbers(t *testing.T) {
	l := New("task", Limits{Tokens: 100})
	if err := l.Settle(reserve(t, l, Tokens, 40), 30); err != nil {
		t.Fatal(err)
	}
	reserve(t, l, Tokens, 50)
	_, err := l.Reserve(Tokens, 21)
	want := &Exceeded{Ledger: "task", Kind: Tokens, Limit: 100, Used: 30, Reserved: 50, Wanted: 21}
	var have *Exceeded
	if !errors.As(err, &have) || *have != *want {
		t.Fatalf("have %v, want %v", err, want)
	}
	if have, want := err.Error(), "task budget for tokens exceeded: limit 100, used 30, reserved 50, wanted 21 more"; have != want {
		t.Errorf("have %q\nwant %q", have, want)
	}
	reserve(t, l, Tokens, 20) // the last of it
}

func TestLimits(t *testing.T) {
	l := New("cycle", Limits{Calls: 0, Commands: -3})
	for _, kind := range []Kind{Calls, Commands} {
		if _, err := l.Reserve(kind, 1); err == nil {
			t.Errorf("%s: nothing may be spent", kind)
		}
		reserve(t, l, kind, 0)
	}
	if left, limited := l.Left(Minutes); limited || left != math.MaxInt64 {
		t.Errorf("have %d, %v", left, limited)
	}
	reserve(t, l, Minutes, math.MaxInt64)
	reserve(t, l, Minutes, math.MaxInt64) // sums stay at the largest number
	if have := l.Reserved(Minutes); have != math.MaxInt64 {
		t.Errorf("have %d", have)
	}
	if _, err := l.Reserve(Minutes, -1); !errors.Is(err, ErrNegative) {
		t.Errorf("have %v", err)
	}
}

func TestWhatIsCharged(t *testing.T) {
	for _, tt := range []struct {
		name    string
		used    int64
		charged int64
		overrun bool
	}{
		{"less", 3, 3, false},
		{"nothing", 0, 0, false},
		{"all", 10, 10, false},
		{"unknown", Unknown, 10, false},
		{"negative", -500, 10, false},
		{"more", 12, 12, true},
		{"absurd", math.MaxInt64, math.MaxInt64, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := New("task", Limits{Tokens: 11})
			err := l.Settle(reserve(t, l, Tokens, 10), tt.used)
			var overrun *Overrun
			if errors.As(err, &overrun) != tt.overrun || !tt.overrun && err != nil {
				t.Errorf("have %v", err)
			}
			if l.Used(Tokens) != tt.charged || l.Reserved(Tokens) != 0 {
				t.Errorf("have used %d, reserved %d, want used %d", l.Used(Tokens), l.Reserved(Tokens), tt.charged)
			}
			if tt.overrun {
				if _, err := l.Reserve(Tokens, 1); err == nil {
					t.Error("an overdrawn ledger gave more")
				}
			}
		})
	}
}

func TestAReservationIsSettledOnce(t *testing.T) {
	l, other := New("task", nil), New("cycle", nil)
	r := reserve(t, l, Tokens, 10)
	forged := r
	forged.Worst = 1
	for _, tt := range []struct {
		ledger *Ledger
		r      Reservation
	}{{l, Reservation{}}, {l, forged}, {other, r}} {
		if err := tt.ledger.Settle(tt.r, 1); !errors.Is(err, ErrNotOpen) {
			t.Errorf("%+v: have %v", tt.r, err)
		}
	}
	if err := l.Settle(r, 4); err != nil {
		t.Fatal(err)
	}
	if err := l.Settle(r, 4); !errors.Is(err, ErrNotOpen) || l.Used(Tokens) != 4 {
		t.Errorf("have %v, used %d", err, l.Used(Tokens))
	}
}

func TestReserveAllIsAllOrNothing(t *testing.T) {
	task, cycle := New("task", Limits{Tokens: 100, Calls: 9}), New("cycle", Limits{Tokens: 50})
	_, err := ReserveAll(Claim{task, Calls, 1}, Claim{task, Tokens, 60}, Claim{cycle, Tokens, 60})
	var e *Exceeded
	if !errors.As(err, &e) || e.Ledger != "cycle" || task.Reserved(Tokens) != 0 || task.Reserved(Calls) != 0 || task.Used(Calls) != 0 {
		t.Fatalf("have %v; task holds %d tokens", err, task.Reserved(Tokens))
	}
	hold, err := ReserveAll(Claim{task, Calls, 1}, Claim{task, Tokens, 40}, Claim{cycle, Tokens, 40})
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Settle(map[Kind]int64{Tokens: 7, Calls: Unknown}); err != nil {
		t.Fatal(err)
	}
	if task.Used(Tokens) != 7 || cycle.Used(Tokens) != 7 || task.Used(Calls) != 1 || task.Reserved(Tokens)+cycle.Reserved(Tokens) != 0 {
		t.Errorf("have %d, %d, %d", task.Used(Tokens), cycle.Used(Tokens), task.Used(Calls))
	}
	if err := hold.Settle(nil); err != nil {
		t.Errorf("settling again: %v", err)
	}
}

// TestALimitIsNeverOvershot spends from many goroutines at once, with watchers
// looking on: used and reserved together stay within the limit at every moment,
// and in the end what was charged is what was used.
func TestALimitIsNeverOvershot(t *testing.T) {
	property := func(seed uint64, rawLimit uint16) bool {
		limit := int64(rawLimit)
		l := New("task", Limits{Tokens: limit})
		var charged atomic.Int64
		var spenders, watchers sync.WaitGroup
		stop := make(chan struct{})
		broken := atomic.Bool{}
		watchers.Go(func() {
			for {
				left, _ := l.Left(Tokens)
				if left < 0 || l.Used(Tokens) > limit {
					broken.Store(true)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		for n := range 8 {
			spenders.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(n)))
				for range 50 {
					worst := r.Int64N(limit/20 + 10)
					held, err := l.Reserve(Tokens, worst)
					if err != nil {
						continue
					}
					used := r.Int64N(worst+2) - 1 // -1 is unknown
					if used < 0 {
						charged.Add(worst)
					} else {
						charged.Add(min(used, worst))
					}
					if l.Settle(held, min(used, worst)) != nil {
						broken.Store(true)
					}
				}
			})
		}
		spenders.Wait()
		close(stop)
		watchers.Wait()
		return !broken.Load() && l.Used(Tokens) == charged.Load() && l.Used(Tokens) <= limit && l.Reserved(Tokens) == 0
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 40}); err != nil {
		t.Error(err)
	}
}

func TestALaterProcessGoesOnCounting(t *testing.T) {
	l := New("task", Limits{Tokens: 100})
	if err := l.Settle(reserve(t, l, Tokens, 30), 25); err != nil {
		t.Fatal(err)
	}
	reserve(t, l, Tokens, 40) // this process dies with it open
	data, err := l.Save()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"name":"task","used":{"tokens":25},"reserved":{"tokens":40}}` + "\n"
	if string(data) != want {
		t.Errorf("have %swant %s", data, want)
	}
	next, err := Load("task", Limits{Tokens: 70}, data)
	if err != nil {
		t.Fatal(err)
	}
	if have := next.Used(Tokens); have != 65 {
		t.Errorf("used: have %d, want 65", have)
	}
	if left, _ := next.Left(Tokens); left != 5 {
		t.Errorf("left: have %d, want 5", left)
	}
	again, err := next.Save()
	if err != nil || string(again) != `{"version":1,"name":"task","used":{"tokens":65}}`+"\n" {
		t.Errorf("have %s, %v", again, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for data, says := range map[string]string{
		``:                                       "EOF",
		`{"version":1,"name":"t`:                 "unexpected EOF",
		`{"version":2,"name":"task","used":{}}`:  "version 2",
		`{"version":1,"name":"cycle","used":{}}`: `numbers of "cycle"`,
		`{"version":1,"name":"task","used":{"tokens":-1}}`:                    "negative",
		`{"version":1,"name":"task","used":{"tokens":1e99}}`:                  "cannot unmarshal",
		`{"version":1,"name":"task","used":{"tokens":1.5}}`:                   "cannot unmarshal",
		`{"version":1,"name":"task","limits":{"tokens":9}}`:                   "unknown field",
		`{"version":1,"name":"task","used":{"tokens":9},"used":{"tokens":1}}`: "not as it was saved",
		`{"version":1,"name":"task","Used":{"tokens":9}}`:                     "not as it was saved",
		`{"version":1,"name":"task","used":{}} {}`:                            "data after",
		`{"version":1,"name":"task"}` + strings.Repeat(" ", maxSnapshot):      "at most",
	} {
		if _, err := Load("task", nil, []byte(data)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: have %v, want %q", data, err, says)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"version":1,"name":"task","used":{"tokens":25},"reserved":{"tokens":40}}`))
	f.Add([]byte(`{"version":1,"name":"task","used":{"tokens":9223372036854775807},"reserved":{"tokens":9223372036854775807}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Load("task", Limits{Tokens: 10}, data)
		if err != nil {
			return
		}
		for _, kind := range l.Kinds() {
			if left, limited := l.Left(kind); l.Used(kind) < 0 || left < 0 || limited && left > 10 {
				t.Fatalf("%s: used %d, left %d", kind, l.Used(kind), left)
			}
		}
		saved, err := l.Save()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load("task", nil, saved)
		if err != nil || again.Used(Tokens) != l.Used(Tokens) {
			t.Fatalf("have %v after %s", err, saved)
		}
	})
}

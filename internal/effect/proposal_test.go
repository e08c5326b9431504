package effect

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// A proposal that is written and read is the same, for every kind.
func TestProposalRoundTrip(t *testing.T) {
	want := Proposal{Version: Version}
	for _, p := range payloads(t, "text") {
		want.Effects = append(want.Effects, New(Govern, "key", "reason", p))
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var have Proposal
	if err := json.Unmarshal(data, &have); err != nil {
		t.Fatal(err)
	}
	for i := range want.Effects {
		if h, w := compact(t, have.Effects[i]), compact(t, want.Effects[i]); h != w || reflect.TypeOf(have.Effects[i].Payload) != reflect.TypeOf(want.Effects[i].Payload) {
			t.Errorf("have %s\nwant %s", h, w)
		}
	}
}

func compact(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The stored form is a contract between jobs: what may be in it is fixed.
func TestStoredForm(t *testing.T) {
	want := `{"kind":"labels.set","stage":"plan","key":"labels-1-working","payload":{"issue":1,"add":["seed:working"]}}`
	if have := compact(t, New(Plan, "labels-1-working", "", SetLabels{Issue: 1, Add: []string{"seed:working"}})); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
}

// A proposal that is not understood whole is not understood.
func TestProposalIsStrict(t *testing.T) {
	for in, want := range map[string]string{
		`{"kind":"repo.delete","stage":"plan","key":"k","payload":{}}`:                       `effect "repo.delete" is not known`,
		`{"kind":"issue.close","stage":"plan","key":"k","payload":{"issue":1,"force":true}}`: `unknown field "force"`,
		`{"kind":"issue.close","stage":"plan","key":"k","payload":{"issue":1},"after":"x"}`:  `unknown field "after"`,
		`{"kind":"issue.close","stage":"plan","key":"k","payload":{"issue":"1"}}`:            `cannot unmarshal string`,
		`{"kind":"issue.close","stage":"plan","key":"k","payload":null}`:                     `payload of issue.close: none`,
		`{"kind":"issue.close","stage":"plan","key":"k"}`:                                    `payload of issue.close: none`,
		`{"kind":"issue.close","stage":"plan","key":"k","payload":[]}`:                       `cannot unmarshal array`,
		`{"kind":"issue.close","stage":"plan","key":"k","payload":{"issue":1e99}}`:           `cannot unmarshal number`,
		`{"kind":7}`: `cannot unmarshal number`,
		`"x"`:        `cannot unmarshal string`,
	} {
		var e Effect
		if err := json.Unmarshal([]byte(in), &e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: have %v, want %s", in, err, want)
		}
	}
}

// FuzzEffect: whatever reads as an effect is of a kind with its own payload,
// and is the same after it was written and read again.
func FuzzEffect(f *testing.F) {
	for _, r := range kinds {
		f.Add([]byte(`{"kind":"` + string(r.kind) + `","stage":"govern","key":"k","payload":{}}`))
	}
	f.Add([]byte(`{"kind":"comment.put","Kind":"pull.merge","payload":{"issue":1,"body":"@a"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Effect
		if json.Unmarshal(data, &e) != nil {
			return
		}
		if e.Payload.kind() != e.Kind {
			t.Fatalf("kind %s carries %T", e.Kind, e.Payload)
		}
		_ = e.String()
		first := compact(t, e)
		var again Effect
		if err := json.Unmarshal([]byte(first), &again); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second := compact(t, again); second != first {
			t.Fatalf("have %s\nwant %s", second, first)
		}
	})
}

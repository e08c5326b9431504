package llm

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

type base struct {
	ID   string `json:"id"`
	Note string `json:"note"`
}

type plan struct {
	base2
	Title  string          `json:"title"`
	Steps  []step          `json:"steps"`
	Count  int8            `json:"count"`
	Big    uint64          `json:"big"`
	Ratio  float64         `json:"ratio"`
	OK     bool            `json:"ok"`
	Maybe  *int            `json:"maybe"`
	Labels map[string]bool `json:"labels"`
	Pair   [2]int          `json:"pair"`
	Raw    json.RawMessage `json:"raw"`
	Any    any             `json:"any"`
	At     time.Time       `json:"at"`
	Bytes  []byte          `json:"bytes"`
	Quoted int             `json:"quoted,string"`
	Number json.Number     `json:"number"`
	Secret string          `json:"-"`
}

type base2 = Embedded

// Embedded is embedded in plan; its note is hidden by nothing.
type Embedded base

type step struct {
	Path string `json:"path"`
	Line int    `json:"line"`
}

func TestDecodeExactAcceptsWhatFits(t *testing.T) {
	three := 3
	want := plan{
		base2: Embedded{ID: "x", Note: "n"}, Title: "t \u00e9 <", Steps: []step{{"a.go", 1}, {"b.go", 2}}, Count: -128, Big: math.MaxUint64,
		Ratio: 1.5e-3, OK: true, Maybe: &three, Labels: map[string]bool{"A": true, "a": false}, Pair: [2]int{1, 2},
		Raw: json.RawMessage(`{"x":[1]}`), Any: map[string]any{"y": 1.0}, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Bytes: []byte("hi"), Quoted: 5, Number: "7",
	}
	text := `{"id":"x","note":"n","title":"t \u00e9 <","steps":[{"path":"a.go","line":1},{"path":"b.go","line":2}],"count":-128,
		"big":18446744073709551615,"ratio":1.5e-3,"ok":true,"maybe":3,"labels":{"A":true,"a":false},"pair":[1,2],"raw":{"x":[1]},"any":{"y":1},
		"at":"2026-01-02T03:04:05Z","bytes":"aGk=","quoted":"5","number":7}`
	for _, around := range []string{"%s", " \n%s\n ", "```json\n%s\n```", "Sure, here it is:\n\n```JSON\n%s\n```\nAnything else?", "```\n%s\n```",
		"[Note] 1 step:\n```json\n%s\n```", "- run\n```\nmake\n```\nthen\n```json\n%s\n```",
		"First some Go:\n```go\nx := 1\n```\nand now\n```json\n%s\n```"} {
		var have plan
		if err := DecodeExact([]byte(strings.Replace(around, "%s", text, 1)), &have); err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%q: have %+v, %v\nwant %+v", around, have, err, want)
		}
	}
	for _, text := range []string{`null`, `[1,"a",{"b":null}]`, `"plain"`, `-0.5`, `true`} {
		var have any
		if err := DecodeExact([]byte(text), &have); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDecodeExactRefuses(t *testing.T) {
	deep := strings.Repeat(`[`, 1_000_000)
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", " \n", "$: empty"},
		{"prose", "I cannot do that.", "$: not JSON at byte"},
		{"prose with an unmarked word", "x ```go\ny\n``` z", "$: no JSON: prose and no block marked json"},
		{"two blocks", "```json\n{}\n```\nor\n```json\n{}\n```", "$: 2 JSON blocks, exactly one is expected"},
		{"cut block", "```json\n{\"title\":\"a", "$.title: the JSON is cut: it ends in the middle"},
		{"cut in a string", `{"title":"a`, "$.title: the JSON is cut: it ends in the middle"},
		{"cut in an array", `{"steps":[{"path":"a"},`, "$.steps[1]: the JSON is cut: it ends in the middle"},
		{"cut after a key", `{"steps"`, "$.steps: the JSON is cut: it ends in the middle"},
		{"cut after the first brace", `{`, "$: the JSON is cut: it ends in the middle"},
		{"trailing comma", `{"title":"a",}`, "$: not JSON at byte"},
		{"trailing data", `{"title":"a"} {"title":"b"}`, "$: something follows the JSON value"},
		{"trailing prose", `{"title":"a"} I hope this helps`, "$: something follows the JSON value"},
		{"folded case", `{"Title":"a"}`, `$: unknown key "Title"; known: any, at, big,`},
		{"field name instead of tag", `{"steps":[{"Path":"a"}]}`, `$.steps[0]: unknown key "Path"; known: line, path`},
		{"unknown key", `{"steps":[{"path":"a"},{"path":"b","lines":3}]}`, `$.steps[1]: unknown key "lines"; known: line, path`},
		{"field without JSON", `{"Secret":"x"}`, `$: unknown key "Secret"`},
		{"key twice", `{"title":"a","title":"b"}`, `$: key "title" twice`},
		{"key twice by escape", `{"title":"a","t\u0069tle":"b"}`, `$: key "title" twice`},
		{"key twice in a map", `{"labels":{"x":true,"x":false}}`, `$.labels: key "x" twice`},
		{"key twice in raw JSON", `{"raw":{"a":[{"b":1,"b":2}]}}`, `$.raw.a[0]: key "b" twice`},
		{"null for a string", `{"title":null}`, "$.title: null where a string is expected"},
		{"null for an object", `{"steps":[null]}`, "$.steps[0]: null where an object is expected"},
		{"string for a number", `{"count":"1"}`, "$.count: a string where a whole number is expected"},
		{"number for a string", `{"title":1}`, "$.title: a number where a string is expected"},
		{"object for an array", `{"steps":{}}`, "$.steps: an object where an array is expected"},
		{"array for an object", `[]`, "$: an array where an object is expected"},
		{"string for an object", `{"steps":["a"]}`, "$.steps[0]: a string where an object is expected"},
		{"boolean for a string", `{"title":true}`, "$.title: a boolean where a string is expected"},
		{"fraction for a whole number", `{"count":1.5}`, "$.count: number 1.5 where a whole number is expected"},
		{"out of range", `{"count":128}`, "$.count: number 128 is out of range for int8"},
		{"negative for unsigned", `{"big":-1}`, "$.big: number -1 where a whole number is expected"},
		{"huge exponent", `{"any":1e999999999}`, "$.any: number 1e999999999 is out of range"},
		{"huge float", `{"ratio":1e400}`, "$.ratio: number 1e400 is out of range"},
		{"many digits", `{"any":` + strings.Repeat("9", 100_000) + `}`, "$.any: a number of 100000 characters"},
		{"array too long", `{"pair":[1,2,3]}`, "$.pair: 3 elements where 2 are expected"},
		{"array too short", `{"pair":[1]}`, "$.pair: 1 elements where 2 are expected"},
		{"depth of a million", deep, "$: an array where an object is expected"},
		{"depth of a million anywhere", `{"any":` + deep, "$.any" + strings.Repeat("[0]", 63)[:180]},
		{"depth of half a million objects", strings.Repeat(`{"any":`, 500_000), "$.any.any"},
		{"not UTF-8", "{\"title\":\"\xff\"}", "$: not valid UTF-8"},
		{"byte order mark", "\ufeff{}", "$: not JSON at byte"},
		{"comment", `{/* x */}`, "$: not JSON at byte"},
		{"not a number", `{"ratio":NaN}`, "$.ratio: not JSON at byte"},
		{"bad time", `{"at":"yesterday"}`, "$: parsing time"},
		{"bad base64", `{"bytes":"*"}`, "$: illegal base64"},
		{"key made to break lines", "{\"a\\n::error::b\":1}", `$: unknown key "a\n::error::b"`},
		{"too large", strings.Repeat(" ", MaxReply+1), "$: 4194305 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var target plan
			err := DecodeExact([]byte(tt.text), &target)
			var misfit *Misfit
			if !errors.As(err, &misfit) || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("have %v\nwant %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
				t.Errorf("error of %d bytes: %q", len(err.Error()), err)
			}
		})
	}
	for _, target := range []any{nil, plan{}, (*plan)(nil)} {
		if err := DecodeExact([]byte(`{}`), target); err == nil {
			t.Errorf("%T was taken for a target", target)
		}
	}
}

// FuzzDecodeExact holds DecodeExact against the standard decoder: what it
// accepts, that accepts with the same result, and nothing is lost on the way.
func FuzzDecodeExact(f *testing.F) {
	for _, text := range []string{`{"title":"a","steps":[{"path":"b","line":1}],"ratio":1e3}`, "```json\n{}\n```", `{"any":{"a":[1,null]}}`, `{"Title":1}`, `{"labels":{"\ud800":true}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var have, want plan
		if DecodeExact(data, &have) != nil {
			return
		}
		text, err := unfence(data)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(strings.NewReader(string(text)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(have, want) {
			t.Fatalf("standard decoder: %v\nhave %+v\nwant %+v", err, have, want)
		}
		again, err := json.Marshal(have)
		if err != nil {
			t.Fatal(err)
		}
		var twice plan
		if err := json.Unmarshal(again, &twice); err != nil {
			t.Fatal(err)
		}
	})
}

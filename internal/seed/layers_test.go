package seed

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPick(t *testing.T) {
	s := mustParse(t, smallest+"model: {name: from-seed, stall_timeout: 90s}\n")
	for _, c := range []struct {
		key, flag, env string
		want           string
		bad            string
	}{
		{key: "model.name", want: "model.name: from-seed (seed.yaml:4)"},
		{key: "model.name", env: "from-env", want: "model.name: from-env (environment)"},
		{key: "model.name", flag: "from-flag", env: "from-env", want: "model.name: from-flag (flag)"},
		{key: "model.name", flag: "123", want: "model.name: 123 (flag)"},
		{key: "model.base_url", want: "model.base_url:  (default)"},
		{key: "model.base_url", env: "http://localhost:1/v1", want: "model.base_url: http://localhost:1/v1 (environment)"},
		{key: "model.base_url", env: "localhost", bad: `reading model.base_url from the environment: found "localhost", want an http or https address`},
		{key: "model.context_tokens", want: "model.context_tokens: auto (default)"},
		{key: "model.context_tokens", flag: "8192", want: "model.context_tokens: 8192 (flag)"},
		{key: "model.context_tokens", flag: "8k", bad: `reading model.context_tokens from the flag: found "8k", want a whole number from 1024 to 100000000 or auto`},
		{key: "model.stall_timeout", want: "model.stall_timeout: 1m30s (seed.yaml:4)"},
		{key: "model.stall_timeout", flag: "2m", want: "model.stall_timeout: 2m (flag)"},
		{key: "model.temperature", env: "9", bad: `reading model.temperature from the environment: found "9", want a number from 0 to 2 or unset`},
		{key: "budgets.change.max_files", want: "budgets.change.max_files: 20 (default)"},
		{key: "budgets.change.max_files", flag: "99", bad: "budgets.change.max_files comes from seed.yaml alone, not from the flag"},
		{key: "sandbox", env: "none", bad: "sandbox comes from seed.yaml alone, not from the environment"},
	} {
		have, err := Pick(c.flag, c.env, s.Setting(c.key))
		switch {
		case c.bad != "" && (err == nil || err.Error() != c.bad):
			t.Errorf("%+v: have error %v, want %s", c, err, c.bad)
		case c.bad == "" && (err != nil || have.String() != c.want):
			t.Errorf("%+v: have %s, %v, want %s", c, have, err, c.want)
		}
	}
}

// Only settings of the model may be replaced from outside; whatever limits or
// permits is out of reach.
func TestOverridableKeys(t *testing.T) {
	for _, key := range Overridable() {
		if !slices.Contains(Keys(), key) || key[:len("model.")] != "model." {
			t.Errorf("%s may be replaced from outside", key)
		}
	}
}

func TestModelFor(t *testing.T) {
	s := mustParse(t, smallest+`model:
  name: general
  fallback: [spare]
  stall_timeout: 10s
  price_per_million: {input: 1, output: 2}
  roles:
    reviewer: {name: critic, temperature: 0, fallback: []}
domains:
  - {id: web, paths: [web], model: {name: webby, context_tokens: 2048, price_per_million: {output: off}}}
`)
	general := s.Model
	general.Roles = Roles{}
	reviewer := general
	reviewer.Name, reviewer.Temperature, reviewer.Fallback = "critic", Number{Set: true}, []string{}
	web := reviewer
	web.Name, web.ContextTokens, web.PricePerMillion.Output = "webby", Limit{N: 2048, Set: true}, Number{Off: true, Set: true}
	for _, c := range []struct {
		role, domain string
		want         Model
	}{{"implementer", "", general}, {"reviewer", "", reviewer}, {"reviewer", "web", web}, {"nobody", "nowhere", general}} {
		if diff := cmp.Diff(c.want, s.ModelFor(c.role, c.domain)); diff != "" {
			t.Errorf("%s in %q (-want +have):\n%s", c.role, c.domain, diff)
		}
	}
}

// Effective is sorted with indices as numbers.
func TestEffectiveOrder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"a[9].x", "a[10].x", -1}, {"a", "a.b", -1}, {"b", "a.b", 1}, {"a.b", "a.b", 0}} {
		if have := comparePaths(c.a, c.b); have != c.want {
			t.Errorf("%s and %s: have %d, want %d", c.a, c.b, have, c.want)
		}
	}
}

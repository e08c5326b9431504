package seed

import (
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Layer is where a value came from.
type Layer string

// The layers, the first that says something wins.
const (
	// LayerFlag is a flag on the command line.
	LayerFlag Layer = "flag"
	// LayerEnvironment is an environment variable or an action's input.
	LayerEnvironment Layer = "environment"
	// LayerSeed is seed.yaml at the base commit.
	LayerSeed Layer = "seed"
	// LayerDefault is the built-in value.
	LayerDefault Layer = "default"
)

// Overridable lists the keys that a flag or the environment may replace. None
// of them limits or permits anything: those are read from seed.yaml alone, so
// that nobody who starts a run can widen what its owner allowed.
func Overridable() []string {
	return []string{"model.base_url", "model.context_tokens", "model.name", "model.stall_timeout", "model.temperature"}
}

// Choice is a value and the layer that won.
type Choice struct {
	// Key of the value.
	Key string `json:"key"`
	// Value as text; empty when no layer says anything.
	Value string `json:"value"`
	// Layer that won.
	Layer Layer `json:"layer"`
	// Place of the key when the seed won.
	Place Place `json:"place"`
}

// String is "model.name: gpt-x (flag)" or "model.name: gpt-x (seed.yaml:7)".
func (c Choice) String() string {
	from := string(c.Layer)
	if c.Layer == LayerSeed {
		from = c.Place.String()
	}
	return fmt.Sprintf("%s: %s (%s)", c.Key, c.Value, from)
}

// Pick chooses between a flag, an environment variable and a setting of the
// seed, in this order; empty texts say nothing. A value from outside has to
// pass the same checks as one in the file. It is an error to offer one for a
// key that is not Overridable.
func Pick(flag, env string, s Setting) (Choice, error) {
	for _, from := range []struct {
		value string
		layer Layer
	}{{flag, LayerFlag}, {env, LayerEnvironment}} {
		if from.value == "" {
			continue
		}
		if !contains(Overridable(), s.Path) {
			return Choice{}, fmt.Errorf("%s comes from seed.yaml alone, not from the %s", s.Path, from.layer)
		}
		if err := checkOne(s.Path, from.value); err != nil {
			return Choice{}, fmt.Errorf("reading %s from the %s: %w", s.Path, from.layer, err)
		}
		return Choice{Key: s.Path, Value: from.value, Layer: from.layer}, nil
	}
	if s.Place.Line > 0 && s.Value != "" {
		return Choice{Key: s.Path, Value: s.Value, Layer: LayerSeed, Place: s.Place}, nil
	}
	return Choice{Key: s.Path, Value: s.Value, Layer: LayerDefault}, nil
}

// Setting is the value in force of one key. A key that says nothing has an
// empty Value.
func (s *Seed) Setting(path string) Setting {
	out := Setting{Path: path, Place: s.At(path)}
	s.walk(func(l leaf) {
		if l.path == path {
			out.Value = l.String()
		}
	})
	return out
}

// checkOne reads one text by the rule of a key.
func checkOne(path, value string) error {
	t := reflect.TypeFor[Seed]()
	var f field
	for _, name := range strings.Split(path, ".") {
		for _, f = range fields(t) {
			if f.rule.key == name {
				break
			}
		}
		t = f.typ
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
	if t.Kind() == reflect.String {
		n.Tag = "!!str"
	}
	d := newDecoder("", &Seed{places: map[string]Place{}, blank: map[string]bool{}, scalars: map[string]string{}})
	d.value(n, reflect.New(t).Elem(), f.rule, "")
	if len(d.errs) == 0 {
		return nil
	}
	return fmt.Errorf("found %s, want %s", d.errs[0].Found, d.errs[0].Want)
}

// ModelFor gives the settings of the model for a role (architect, implementer,
// reviewer, tester) in a domain: the domain's override the role's, the role's
// override the general ones. An unknown role or domain overrides nothing.
func (s *Seed) ModelFor(role, domain string) Model {
	m := s.Model
	m.Roles = Roles{}
	roles := map[string]ModelOverride{"architect": s.Model.Roles.Architect, "implementer": s.Model.Roles.Implementer,
		"reviewer": s.Model.Roles.Reviewer, "tester": s.Model.Roles.Tester}
	roles[role].apply(&m)
	for _, d := range s.Domains {
		if d.ID == domain {
			d.Model.apply(&m)
		}
	}
	return m
}

func (o ModelOverride) apply(m *Model) {
	replace(&m.BaseURL, o.BaseURL, o.BaseURL != "")
	replace(&m.Name, o.Name, o.Name != "")
	replace(&m.Fallback, o.Fallback, o.Fallback != nil)
	replace(&m.ContextTokens, o.ContextTokens, o.ContextTokens.Set)
	replace(&m.MaxOutputTokens, o.MaxOutputTokens, o.MaxOutputTokens.Set)
	replace(&m.StallTimeout, o.StallTimeout, o.StallTimeout != 0)
	replace(&m.Temperature, o.Temperature, o.Temperature.Set)
	replace(&m.PricePerMillion.Input, o.PricePerMillion.Input, o.PricePerMillion.Input.Set)
	replace(&m.PricePerMillion.Output, o.PricePerMillion.Output, o.PricePerMillion.Output.Set)
}

func replace[T any](target *T, value T, said bool) {
	if said {
		*target = value
	}
}

package seed

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one value in force.
type Setting struct {
	// Path of the key with dots, with the index of list entries.
	Path string `json:"path"`
	// Value as the file would write it: 3d, off, [a, b], text without quotes.
	Value string `json:"value"`
	// Place of the key; zero when the default stands.
	Place Place `json:"place"`
}

// String is "budgets.change.max_files: 20 (default)".
func (s Setting) String() string { return s.Path + ": " + s.Value + " (" + s.Place.String() + ")" }

// Effective lists every value in force with defaults filled in, sorted by path
// with list entries in their order. Texts and lists that are neither written
// nor have a default are left out.
func (s *Seed) Effective() []Setting {
	var out []Setting
	s.walk(func(l leaf) {
		value := l.String()
		if value == "" || value == "[]" {
			if l.place.Line == 0 {
				return
			}
		}
		out = append(out, Setting{Path: l.path, Value: value, Place: l.place})
	})
	slices.SortStableFunc(out, func(a, b Setting) int { return comparePaths(a.Path, b.Path) })
	return out
}

// leaf is one value of a Seed with the rule it was read by.
type leaf struct {
	path  string
	place Place
	rule  rule
	value reflect.Value
	list  bool
}

// walk visits every value of a Seed that is not a mapping or a list of
// mappings.
func (s *Seed) walk(visit func(leaf)) {
	w := walker{seed: s, visit: visit}
	w.structure(reflect.ValueOf(s).Elem(), "")
}

type walker struct {
	seed  *Seed
	visit func(leaf)
}

func (w walker) structure(v reflect.Value, path string) {
	for _, f := range fields(v.Type()) {
		at := path
		if f.rule.key != "-" {
			at = join(path, f.rule.key)
		} else if v.Field(f.index).IsZero() {
			continue
		}
		w.value(v.Field(f.index), f.rule, at)
	}
}

func (w walker) value(v reflect.Value, r rule, path string) {
	t := v.Type()
	switch {
	case t == limitType || t == numberType:
		w.leaf(v, r, path, false)
	case t.Kind() == reflect.Struct:
		w.structure(v, path)
	case t.Kind() == reflect.Pointer:
		if !v.IsNil() {
			w.value(v.Elem(), r, path)
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			w.value(v.Index(i), r, path+"["+strconv.Itoa(i)+"]")
		}
	case t.Kind() == reflect.Map:
		for _, key := range sortedKeys(v) {
			w.value(v.MapIndex(reflect.ValueOf(key)), r, join(path, key))
		}
	default:
		w.leaf(v, r, path, t.Kind() == reflect.Slice)
	}
}

func (w walker) leaf(v reflect.Value, r rule, path string, list bool) {
	w.visit(leaf{path: path, place: w.seed.At(path), rule: r, value: v, list: list})
}

func sortedKeys(v reflect.Value) []string {
	var keys []string
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	return keys
}

// texts gives the texts of a text or a list of texts.
func (l leaf) texts() []string {
	switch v := l.value.Interface().(type) {
	case string:
		return []string{v}
	case []string:
		return v
	}
	return nil
}

// String writes the value as the file would. An override that says nothing is
// empty.
func (l leaf) String() string {
	switch v := l.value.Interface().(type) {
	case Limit:
		return l.limit(v)
	case Number:
		return l.number(v)
	case time.Duration:
		if v == 0 && !l.rule.hasDef && l.place.Line == 0 {
			return ""
		}
		return formatDuration(v)
	case []string:
		return "[" + strings.Join(v, ", ") + "]"
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	panic("seed: no writer for " + l.value.Type().String())
}

func (l leaf) limit(v Limit) string {
	switch {
	case !v.Set && !l.rule.hasDef:
		return ""
	case v.Off:
		return "off"
	case v.Auto:
		return "auto"
	}
	return strconv.FormatInt(v.N, 10)
}

func (l leaf) number(v Number) string {
	switch {
	case !v.Set && !l.rule.hasDef:
		return ""
	case v.Off:
		return l.rule.words[0]
	}
	return strconv.FormatFloat(v.Value, 'f', -1, 64)
}

// comparePaths orders dotted paths by part, with indices as numbers, so that
// [10] comes after [9].
func comparePaths(a, b string) int {
	split := func(r rune) bool { return r == '.' || r == '[' || r == ']' }
	return slices.CompareFunc(strings.FieldsFunc(a, split), strings.FieldsFunc(b, split), func(x, y string) int {
		i, errX := strconv.Atoi(x)
		j, errY := strconv.Atoi(y)
		if errX == nil && errY == nil {
			return cmp.Compare(i, j)
		}
		return cmp.Compare(x, y)
	})
}

func sortByPlace[T any](list []T, place func(T) Place) {
	slices.SortStableFunc(list, func(a, b T) int {
		p, q := place(a), place(b)
		return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
	})
}

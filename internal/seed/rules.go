package seed

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// rule is the seed tag of one field, read.
type rule struct {
	key      string // name in the file; "-" for fields only filled by a bare text
	required bool
	scalar   bool
	plain    bool
	unique   bool
	oneOf    bool
	min, max string // as written in the tag; empty means none
	def      string
	hasDef   bool
	words    []string
	enum     []string
	form     string
	length   int
	items    int
	minItems int
}

const (
	defaultLength = 4000
	defaultItems  = 200
)

// ruleOf reads a field's tags. The tags are our own, so a wrong one is a fault
// of the program, found by the first test.
func ruleOf(f reflect.StructField) rule {
	r := rule{key: f.Tag.Get("yaml"), length: defaultLength, items: defaultItems}
	for _, option := range strings.Split(f.Tag.Get("seed"), ";") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "":
		case "required":
			r.required = true
		case "scalar":
			r.scalar = true
		case "plain":
			r.plain = true
		case "unique":
			r.unique = true
		case "oneof":
			r.oneOf = true
		case "min":
			r.min = value
		case "max":
			r.max = value
		case "default":
			r.def, r.hasDef = value, true
		case "words":
			r.words = strings.Split(value, "|")
		case "enum":
			r.enum = strings.Split(value, "|")
		case "form":
			r.form = value
		case "len":
			r.length = mustInt(value)
		case "items":
			r.items = mustInt(value)
		case "min_items":
			r.minItems = mustInt(value)
		default:
			panic(fmt.Sprintf("seed: field %s: unknown option %q", f.Name, name))
		}
	}
	return r
}

func mustInt(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("seed: tag: " + err.Error())
	}
	return n
}

// bounds gives min and max as numbers; absent ones are open.
func (r rule) bounds() (low, high float64, bounded bool) {
	if r.min == "" || r.max == "" {
		return 0, 0, false
	}
	low, errLow := strconv.ParseFloat(r.min, 64)
	high, errHigh := strconv.ParseFloat(r.max, 64)
	if errLow != nil || errHigh != nil {
		panic("seed: tag: bounds " + r.min + " " + r.max)
	}
	return low, high, true
}

// spans gives min and max as durations.
func (r rule) spans() (low, high time.Duration) {
	low, errLow := parseDuration(r.min)
	high, errHigh := parseDuration(r.max)
	if errLow != nil || errHigh != nil {
		panic("seed: tag: bounds " + r.min + " " + r.max)
	}
	return low, high
}

// orWords adds the allowed words to a description: "a number or off".
func (r rule) orWords(want string) string {
	for _, w := range r.words {
		want += " or " + w
	}
	return want
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	limitType    = reflect.TypeFor[Limit]()
	numberType   = reflect.TypeFor[Number]()
)

// fields lists the fields of a struct that the file can fill.
func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.IsExported() {
			out = append(out, field{index: i, typ: f.Type, name: f.Name, rule: ruleOf(f)})
		}
	}
	return out
}

type field struct {
	index int
	typ   reflect.Type
	name  string
	rule  rule
}

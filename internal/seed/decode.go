package seed

import (
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// decoder fills a Seed from nodes and gathers every problem on the way.
type decoder struct {
	file  string
	errs  Errors
	seed  *Seed
	forms map[string]form
	cache map[reflect.Type][]field
	homes map[string]string // where a key name is known, for keys put at the wrong place
}

func newDecoder(file string, s *Seed) *decoder {
	return &decoder{file: file, seed: s, forms: forms(), cache: map[reflect.Type][]field{}}
}

func (d *decoder) fields(t reflect.Type) []field {
	if fs, ok := d.cache[t]; ok {
		return fs
	}
	fs := fields(t)
	d.cache[t] = fs
	return fs
}

func (d *decoder) document(root *yaml.Node) {
	v := reflect.ValueOf(d.seed).Elem()
	d.defaults(v)
	d.structure(resolve(root), v, "")
}

func (d *decoder) add(n *yaml.Node, e Error) {
	e.File, e.Line, e.Column = d.file, n.Line, n.Column
	d.errs = append(d.errs, e)
}

// wrong reports a value that is not what the rule allows.
func (d *decoder) wrong(n *yaml.Node, path, want string) {
	d.add(n, Error{Path: path, Found: found(n), Want: want})
}

// resolve follows an alias to what it stands for; checkShape has made sure that
// this ends.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// value fills v from n by the rule r. The place of errors is the node at which
// the value is written.
func (d *decoder) value(n *yaml.Node, v reflect.Value, r rule, path string) {
	n = resolve(n)
	if n.Style&yaml.TaggedStyle != 0 {
		d.add(n, Error{Path: path, Found: "the tag " + short(n.Tag), Want: "a value without a tag"})
		return
	}
	if isNull(n) {
		d.add(n, Error{Path: path, Found: "null", Want: d.want(v.Type(), r), Hint: "take the key away and its default applies"})
		return
	}
	if isBlank(n) {
		d.seed.blank[path] = true
	}
	if n.Kind == yaml.ScalarNode {
		d.seed.scalars[path] = n.Value
	}
	switch v.Type() {
	case durationType:
		d.duration(n, v, r, path)
		return
	case limitType:
		d.limit(n, v, r, path)
		return
	case numberType:
		d.number(n, v, r, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structOrScalar(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.defaults(v.Elem())
		d.value(n, v.Elem(), r, path)
	case reflect.Slice:
		d.list(n, v, r, path)
	case reflect.Map:
		d.mapping(n, v, r, path)
	case reflect.String:
		d.text(n, v, r, path)
	case reflect.Bool:
		d.boolean(n, v, path)
	case reflect.Int:
		if i, ok := d.whole(n, r, path); ok {
			v.SetInt(i)
		}
	case reflect.Float64:
		if f, ok := d.decimal(n, r, path); ok {
			v.SetFloat(f)
		}
	default:
		panic("seed: no reader for " + v.Type().String())
	}
}

func isBlank(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode {
		return n.Value == "" || n.Value == "off"
	}
	return len(n.Content) == 0
}

// structOrScalar reads a mapping, or the bare text that stands for one of its
// fields.
func (d *decoder) structOrScalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.ScalarNode {
		for _, f := range d.fields(v.Type()) {
			if !f.rule.scalar {
				continue
			}
			if n.ShortTag() != "!!str" {
				d.wrong(n, path, d.want(v.Type(), rule{}))
				return
			}
			at := path
			if f.rule.key != "-" {
				at = join(path, f.rule.key)
				d.seed.places[at] = Place{n.Line, n.Column}
			}
			d.value(n, v.Field(f.index), f.rule, at)
			return
		}
	}
	d.structure(n, v, path)
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, d.want(v.Type(), rule{}))
		return
	}
	known := map[string]field{}
	var names, oneOf []string
	for _, f := range d.fields(v.Type()) {
		if f.rule.key != "-" {
			known[f.rule.key] = f
			names = append(names, f.rule.key)
		}
		if f.rule.oneOf {
			oneOf = append(oneOf, f.rule.key)
		}
	}
	seen := d.keys(n, func(key, value *yaml.Node) {
		f, ok := known[key.Value]
		switch at := join(path, key.Value); {
		case ok:
			d.seed.places[at] = Place{key.Line, key.Column}
			d.value(value, v.Field(f.index), f.rule, at)
		case !strings.HasPrefix(key.Value, "x-"):
			d.unknown(key, at, names)
		}
	})
	for _, name := range names {
		if known[name].rule.required && !seen[name] {
			d.add(n, Error{Path: path, Found: fmt.Sprintf("the key %q is missing", name)})
		}
	}
	if len(oneOf) > 0 && countSeen(seen, oneOf) != 1 {
		d.add(n, Error{Path: path, Found: fmt.Sprintf("%d signals", countSeen(seen, oneOf)), Want: "exactly one of " + strings.Join(oneOf, ", ")})
	}
}

func countSeen(seen map[string]bool, names []string) int {
	n := 0
	for _, name := range names {
		if seen[name] {
			n++
		}
	}
	return n
}

// keys calls do for each pair of a mapping whose key is a text seen for the
// first time, and reports the others.
func (d *decoder) keys(n *yaml.Node, do func(key, value *yaml.Node)) map[string]bool {
	seen, lines := map[string]bool{}, map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		switch {
		case key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0:
			d.add(n.Content[i], Error{Found: found(key) + " as a key", Want: "a plain name"})
		case key.ShortTag() == "!!merge":
			d.add(key, Error{Found: "the merge key <<", Want: "the keys written out"})
		case seen[key.Value]:
			d.add(n.Content[i], Error{Found: fmt.Sprintf("key %q already at line %d", short(key.Value), lines[key.Value])})
		default:
			seen[key.Value], lines[key.Value] = true, n.Content[i].Line
			at := *key // an alias used as a key stands where it is used
			at.Line, at.Column = n.Content[i].Line, n.Content[i].Column
			do(&at, n.Content[i+1])
		}
	}
	return seen
}

// unknown names the nearest key of the same mapping, or the full path of a key
// that only exists elsewhere.
func (d *decoder) unknown(key *yaml.Node, at string, names []string) {
	if len(d.errs) > maxErrors { // nobody reads that far, and looking for neighbours takes time
		d.add(key, Error{Path: shortPath(at), Found: "unknown key"})
		return
	}
	near := nearest(key.Value, names)
	if near == "" || distance(key.Value, near) > 2 {
		if d.homes == nil {
			d.homes = homes()
		}
		if home, ok := d.homes[key.Value]; ok {
			near = home
		}
	}
	e := Error{Path: shortPath(at), Found: "unknown key", Nearest: near}
	if near == "" {
		e.Found += ", known are " + strings.Join(names, ", ")
	}
	d.add(key, e)
}

// homes maps each key name to the first place where it is known, of places that
// can be written down without an index or a name of the owner's.
func homes() map[string]string {
	out := map[string]string{}
	for _, k := range Keys() {
		name := k[strings.LastIndexByte(k, '.')+1:]
		if _, known := out[name]; !known && !strings.ContainsAny(k, "[*") {
			out[name] = k
		}
	}
	return out
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, r rule, path string) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, path, d.want(v.Type(), r))
		return
	}
	if len(n.Content) > r.items || len(n.Content) < r.minItems {
		d.add(n, Error{Path: path, Found: fmt.Sprintf("%d entries", len(n.Content)), Want: fmt.Sprintf("%d to %d entries", r.minItems, r.items)})
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	r.required = true // an entry that says nothing is a slip
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.seed.places[at] = Place{item.Line, item.Column}
		d.defaults(out.Index(i))
		d.value(item, out.Index(i), r, at)
	}
	v.Set(out)
	if r.unique {
		d.unique(n, out, path)
	}
}

// unique reports entries whose id an earlier entry has.
func (d *decoder) unique(n *yaml.Node, items reflect.Value, path string) {
	lines := map[string]int{}
	for i, item := range n.Content {
		id := items.Index(i).FieldByName("ID").String()
		if line, twice := lines[id]; twice && id != "" {
			d.add(item, Error{Path: fmt.Sprintf("%s[%d]", path, i), Found: fmt.Sprintf("id %q already at line %d", short(id), line)})
			continue
		}
		lines[id] = item.Line
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, r rule, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, d.want(v.Type(), r))
		return
	}
	if len(n.Content)/2 > r.items {
		d.add(n, Error{Path: path, Found: fmt.Sprintf("%d entries", len(n.Content)/2), Want: fmt.Sprintf("at most %d entries", r.items)})
		return
	}
	out := reflect.MakeMap(v.Type())
	name := d.forms["id"]
	d.keys(n, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		if strings.HasPrefix(key.Value, "x-") {
			return
		}
		if !name.ok(key.Value) {
			d.add(key, Error{Path: shortPath(path), Found: fmt.Sprintf("the name %q", short(key.Value)), Want: name.want})
			return
		}
		d.seed.places[at] = Place{key.Line, key.Column}
		item := reflect.New(v.Type().Elem()).Elem()
		d.defaults(item)
		d.value(value, item, r, at)
		out.SetMapIndex(reflect.ValueOf(key.Value), item)
	})
	v.Set(out)
}

func (d *decoder) text(n *yaml.Node, v reflect.Value, r rule, path string) {
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode || tag != "!!str" && tag != "!!timestamp" && !r.plain {
		d.wrong(n, path, d.want(v.Type(), r))
		return
	}
	s := n.Value
	switch count := utf8.RuneCountInString(s); {
	case r.required && strings.TrimSpace(s) == "":
		d.add(n, Error{Path: path, Found: `""`, Want: d.want(v.Type(), r)})
		return
	case count > r.length:
		d.add(n, Error{Path: path, Found: fmt.Sprintf("%d characters", count), Want: fmt.Sprintf("at most %d", r.length)})
		return
	case r.enum != nil && !contains(r.enum, s):
		d.add(n, Error{Path: path, Found: found(n), Want: d.want(v.Type(), r), Nearest: nearest(s, r.enum)})
		return
	case r.form != "" && s != "" && !d.forms[r.form].ok(s):
		d.wrong(n, path, d.want(v.Type(), r))
		return
	}
	v.SetString(s)
}

func (d *decoder) boolean(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		d.wrong(n, path, d.want(v.Type(), rule{}))
		return
	}
	v.SetBool(strings.EqualFold(n.Value, "true"))
}

var (
	wholeForm   = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)
	decimalForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$`)
)

// whole reads a number written plainly in base ten. YAML's other ways to write
// one (0x10, 010, 1e9, 1_000, 1:30) are refused, because readers disagree about
// what they mean.
func (d *decoder) whole(n *yaml.Node, r rule, path string) (int64, bool) {
	low, high, bounded := r.bounds()
	if n.Kind == yaml.ScalarNode && unquoted(n) && wholeForm.MatchString(n.Value) {
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if err == nil && (!bounded || float64(i) >= low && float64(i) <= high) {
			return i, true
		}
	}
	d.wrong(n, path, d.want(reflect.TypeFor[int](), r))
	return 0, false
}

func (d *decoder) decimal(n *yaml.Node, r rule, path string) (float64, bool) {
	low, high, bounded := r.bounds()
	if n.Kind == yaml.ScalarNode && unquoted(n) && decimalForm.MatchString(n.Value) {
		f, err := strconv.ParseFloat(n.Value, 64)
		if err == nil && (!bounded || f >= low && f <= high) {
			return f, true
		}
	}
	d.wrong(n, path, d.want(reflect.TypeFor[float64](), r))
	return 0, false
}

func (d *decoder) limit(n *yaml.Node, v reflect.Value, r rule, path string) {
	if w, ok := word(n, r); ok {
		v.Set(reflect.ValueOf(Limit{Off: w == "off", Auto: w == "auto", Set: true}))
		return
	}
	if i, ok := d.whole(n, r, path); ok {
		v.Set(reflect.ValueOf(Limit{N: i, Set: true}))
	}
}

func (d *decoder) number(n *yaml.Node, v reflect.Value, r rule, path string) {
	if _, ok := word(n, r); ok {
		v.Set(reflect.ValueOf(Number{Off: true, Set: true}))
		return
	}
	if f, ok := d.decimal(n, r, path); ok {
		v.Set(reflect.ValueOf(Number{Value: f, Set: true}))
	}
}

// word reads off, auto or unset where the rule has it.
func word(n *yaml.Node, r rule) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	return n.Value, contains(r.words, n.Value)
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value, r rule, path string) {
	low, high := r.spans()
	if n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!str" || n.Value == "0") {
		t, err := parseDuration(n.Value)
		if err == nil && t >= low && t <= high {
			v.SetInt(int64(t))
			return
		}
	}
	d.wrong(n, path, d.want(durationType, r))
}

func unquoted(n *yaml.Node) bool {
	return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// found prints a node for an error.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "null"
	}
	quoted := ""
	if !unquoted(n) && decimalForm.MatchString(n.Value) {
		quoted = " in quotes"
	}
	return strconv.Quote(short(n.Value)) + quoted
}

// want says what a type and its rule allow.
func (d *decoder) want(t reflect.Type, r rule) string {
	switch t {
	case durationType:
		return fmt.Sprintf("a duration from %s to %s, such as 3d, 72h or 10m", r.min, r.max)
	case limitType:
		return d.want(reflect.TypeFor[int](), r)
	case numberType:
		return d.want(reflect.TypeFor[float64](), r)
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		if r.min == r.max && r.min != "" {
			return r.min
		}
		return r.orWords(fmt.Sprintf("a whole number from %s to %s", r.min, r.max))
	case reflect.Float64:
		if r.min == "0" && r.max == "1" {
			return r.orWords("a fraction from 0 to 1") + ", such as 0.75"
		}
		return r.orWords(fmt.Sprintf("a number from %s to %s", r.min, r.max))
	case reflect.Slice:
		return "a list"
	case reflect.Pointer:
		return d.want(t.Elem(), r)
	case reflect.Struct, reflect.Map:
		return d.wantMapping(t)
	}
	switch {
	case r.enum != nil:
		return "one of " + strings.Join(r.enum, ", ")
	case r.form != "":
		return d.forms[r.form].want
	case r.plain:
		return "text, a number or true or false"
	case r.required:
		return "text that is not empty"
	}
	return "text"
}

func (d *decoder) wantMapping(t reflect.Type) string {
	if t.Kind() == reflect.Map {
		return "a mapping of names"
	}
	var names []string
	text := ""
	for _, f := range d.fields(t) {
		if f.rule.key != "-" {
			names = append(names, f.rule.key)
		}
		if f.rule.scalar {
			text = "text or "
		}
	}
	if len(names) > 8 {
		return text + "a mapping"
	}
	return text + "a mapping with " + strings.Join(names, ", ")
}

// defaults sets what the tags of a struct's fields say, all the way down.
// Entries of lists and mappings get theirs when they are read.
func (d *decoder) defaults(v reflect.Value) {
	if v.Kind() != reflect.Struct || v.Type() == limitType || v.Type() == numberType {
		return
	}
	for _, f := range d.fields(v.Type()) {
		target := v.Field(f.index)
		if !f.rule.hasDef {
			d.defaults(target)
			continue
		}
		setDefault(target, f.rule)
	}
}

func setDefault(v reflect.Value, r rule) {
	switch v.Type() {
	case durationType:
		t, err := parseDuration(r.def)
		must(err)
		v.SetInt(int64(t))
		return
	case limitType:
		l := Limit{Off: r.def == "off", Auto: r.def == "auto"}
		if l.On() {
			l.N = int64(mustInt(r.def))
		}
		v.Set(reflect.ValueOf(l))
		return
	case numberType:
		v.Set(reflect.ValueOf(Number{Off: true})) // off and unset are the only defaults in use
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(r.def)
	case reflect.Bool:
		v.SetBool(r.def == "true")
	case reflect.Int:
		v.SetInt(int64(mustInt(r.def)))
	case reflect.Float64:
		f, err := strconv.ParseFloat(r.def, 64)
		must(err)
		v.SetFloat(f)
	case reflect.Slice:
		v.Set(defaultList(v.Type(), r))
	}
}

// defaultList makes a list of texts, or of structs that a bare text can fill.
func defaultList(t reflect.Type, r rule) reflect.Value {
	parts := strings.Split(r.def, "|")
	out := reflect.MakeSlice(t, len(parts), len(parts))
	for i, part := range parts {
		item := out.Index(i)
		if item.Kind() == reflect.Struct {
			item = item.FieldByName("Name")
		}
		item.SetString(part)
	}
	return out
}

func must(err error) {
	if err != nil {
		panic("seed: tag: " + err.Error())
	}
}

// join adds a key to a dotted path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// shortPath keeps a path with a hostile key printable.
func shortPath(p string) string {
	p = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, p)
	return short(p)
}

// Keys lists every key of the file format in dotted form, sorted. [] stands for
// any entry of a list, * for any name of the owner's choice:
// domains[].paths, workers.*.command.
func Keys() []string {
	var out []string
	walkKeys(reflect.TypeFor[Seed](), "", func(path string, _ reflect.Type) { out = append(out, path) })
	sort.Strings(out)
	return out
}

// walkKeys visits every key with the type that has the field.
func walkKeys(t reflect.Type, path string, visit func(path string, owner reflect.Type)) {
	switch {
	case t.Kind() == reflect.Pointer:
		walkKeys(t.Elem(), path, visit)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		walkKeys(t.Elem(), path+"[]", visit)
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
		walkKeys(t.Elem(), path+".*", visit)
	case t.Kind() == reflect.Struct && t != limitType && t != numberType:
		for _, f := range fields(t) {
			if f.rule.key != "-" {
				at := join(path, f.rule.key)
				visit(at, t)
				walkKeys(f.typ, at, visit)
			}
		}
	}
}

package llm

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of what DecodeExact reads. They are far above any honest reply.
const (
	MaxReply  = 4 << 20 // bytes
	MaxDepth  = 64      // objects and arrays inside each other
	maxNumber = 40      // characters of a number
	maxExpo   = 308     // exponent of a number, as far as a float64 reaches
)

// Misfit says where a JSON text is not what was asked for. Path is "$" for the
// whole text, "$.steps[2].path" inside it.
type Misfit struct {
	Path    string
	Problem string
}

// Error is path and problem.
func (e *Misfit) Error() string { return e.Path + ": " + e.Problem }

// DecodeExact reads one JSON value from data into target, a non-nil pointer,
// and accepts nothing the standard decoder would quietly bend: keys match
// letter by letter, no key twice, no unknown key, no null for a plain value, no
// number out of range, no array of another length, nothing after the value,
// valid UTF-8, bounded size and depth. Types that decode themselves
// (json.Unmarshaler) see their own part of the text, already free of
// duplicate keys.
//
// The value may stand in one fenced block (three backticks, with or without
// "json"), with prose around the block; a marked block goes before unmarked
// ones, and two of the same sort are ambiguous and refused. Every error is a *Misfit, and target is then unspecified.
//
// encoding/json/v2 would do most of this, but Go 1.26 has it only behind
// GOEXPERIMENT, which users building from source would have to know; its
// stand-alone copy has no stable version yet, and value packages keep to the
// standard library. So the token stream of encoding/json is walked beside the
// target's type, and the standard decoder runs only on what passed.
func DecodeExact(data []byte, target any) error {
	return decodeExact(data, target, MaxReply)
}

func decodeExact(data []byte, target any, maxSize int) error {
	dst := reflect.ValueOf(target)
	if dst.Kind() != reflect.Pointer || dst.IsNil() {
		return &Misfit{"$", "the target is not a pointer"}
	}
	if len(data) > maxSize {
		return &Misfit{"$", fmt.Sprintf("%d bytes, at most %d are read", len(data), maxSize)}
	}
	if !utf8.Valid(data) {
		return &Misfit{"$", "not valid UTF-8"}
	}
	text, err := unfence(data)
	if err != nil {
		return err
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(text))}
	w.dec.UseNumber()
	if err := w.document(dst.Type().Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(text, target); err != nil {
		return standardMisfit(err)
	}
	return nil
}

// standardMisfit translates what only the standard decoder notices, such as an
// error of a type that decodes itself.
func standardMisfit(err error) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) && typed.Field != "" {
		return &Misfit{"$." + clip(typed.Field, maxPath), typed.Value + " where " + typed.Type.String() + " is expected"}
	}
	return &Misfit{"$", clip(err.Error(), maxProblem)}
}

const (
	fence      = "```"
	maxPath    = 200
	maxProblem = 300
)

// unfence returns the one JSON block of a text that is not itself JSON. A text
// that begins with a brace is taken as it is, since only then can an error say
// where it is wrong.
func unfence(data []byte) ([]byte, error) {
	text := bytes.TrimSpace(data)
	if len(text) == 0 {
		return nil, &Misfit{"$", "empty"}
	}
	if text[0] == '{' || !bytes.Contains(text, []byte(fence)) || json.Valid(text) {
		return text, nil
	}
	marked, unmarked := jsonBlocks(string(text))
	if len(marked) == 0 {
		marked = unmarked
	}
	switch len(marked) {
	case 0:
		return nil, &Misfit{"$", "no JSON: prose and no block marked json"}
	case 1:
		return []byte(marked[0]), nil
	default:
		return nil, &Misfit{"$", fmt.Sprintf("%d JSON blocks, exactly one is expected", len(marked))}
	}
}

// jsonBlocks collects fenced blocks that are marked json and those not marked
// at all. A block that is never closed runs to the end of the text: the reply
// was cut, and the decoder says so better than a missing fence would.
func jsonBlocks(text string) (marked, unmarked []string) {
	var block strings.Builder
	inside, mark := false, ""
	keep := func() {
		switch mark {
		case "json":
			marked = append(marked, block.String())
		case "":
			unmarked = append(unmarked, block.String())
		}
	}
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case !inside && strings.HasPrefix(trimmed, fence):
			mark = strings.ToLower(strings.TrimSpace(strings.TrimLeft(trimmed, "`")))
			inside = true
			block.Reset()
		case inside && trimmed == fence:
			keep()
			inside = false
		case inside:
			block.WriteString(line)
		}
	}
	if inside {
		keep()
	}
	return marked, unmarked
}

// walker reads tokens beside the type they are meant for. A nil type takes
// anything.
type walker struct {
	dec  *json.Decoder
	path []string
}

func (w *walker) document(t reflect.Type) error {
	if err := w.value(t); err != nil {
		return err
	}
	if _, err := w.dec.Token(); err != io.EOF {
		return &Misfit{"$", "something follows the JSON value"}
	}
	return nil
}

func (w *walker) misfit(format string, args ...any) error {
	path := "$" + strings.Join(w.path, "")
	return &Misfit{clip(path, maxPath), clip(fmt.Sprintf(format, args...), maxProblem)}
}

func (w *walker) token() (json.Token, error) {
	tok, err := w.dec.Token()
	switch {
	case err == nil:
		return tok, nil
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return nil, w.misfit("the JSON is cut: it ends in the middle")
	default:
		return nil, w.misfit("not JSON at byte %d: %v", w.dec.InputOffset(), err)
	}
}

func (w *walker) value(t reflect.Type) error {
	tok, err := w.token()
	if err != nil {
		return err
	}
	t, nullable := transparent(t)
	switch tok := tok.(type) {
	case json.Delim:
		if len(w.path) >= MaxDepth {
			return w.misfit("nested deeper than %d", MaxDepth)
		}
		if tok == '{' {
			return w.object(t)
		}
		return w.array(t)
	case json.Number:
		return w.number(string(tok), t)
	case nil:
		if t != nil && !nullable {
			return w.misfit("null where %s is expected", want(t))
		}
		return nil
	case bool:
		return w.plain("a boolean", t, reflect.Bool)
	default:
		if t != nil && isBytes(t) {
			return nil
		}
		return w.plain("a string", t, reflect.String)
	}
}

func (w *walker) plain(what string, t reflect.Type, kind reflect.Kind) error {
	if t != nil && t.Kind() != kind {
		return w.misfit("%s where %s is expected", what, want(t))
	}
	return nil
}

func (w *walker) object(t reflect.Type) error {
	var fields map[string]reflect.Type
	var elem reflect.Type
	if t != nil {
		switch t.Kind() {
		case reflect.Struct:
			fields = jsonFields(t)
		case reflect.Map:
			elem = t.Elem()
		default:
			return w.misfit("an object where %s is expected", want(t))
		}
	}
	seen := map[string]bool{}
	for w.dec.More() {
		tok, err := w.token()
		if err != nil {
			return err
		}
		key, ok := tok.(string)
		if !ok {
			return w.misfit("an object key is not a string") // unreachable: the decoder refuses it first
		}
		if seen[key] {
			return w.misfit("key %s twice", quoteKey(key))
		}
		seen[key] = true
		if fields != nil {
			if elem, ok = fields[key]; !ok {
				return w.misfit("unknown key %s; known: %s", quoteKey(key), known(fields))
			}
		}
		if err := w.inside("."+pathKey(key), elem); err != nil {
			return err
		}
	}
	_, err := w.token()
	return err
}

func (w *walker) array(t reflect.Type) error {
	var elem reflect.Type
	length := -1
	if t != nil {
		switch {
		case t.Kind() == reflect.Array:
			elem, length = t.Elem(), t.Len()
		case t.Kind() == reflect.Slice && !isBytes(t):
			elem = t.Elem()
		default:
			return w.misfit("an array where %s is expected", want(t))
		}
	}
	n := 0
	for ; w.dec.More(); n++ {
		if err := w.inside("["+strconv.Itoa(n)+"]", elem); err != nil {
			return err
		}
	}
	if _, err := w.token(); err != nil {
		return err
	}
	if length >= 0 && n != length {
		return w.misfit("%d elements where %d are expected", n, length)
	}
	return nil
}

func (w *walker) inside(step string, t reflect.Type) error {
	w.path = append(w.path, step)
	err := w.value(t)
	if err == nil {
		w.path = w.path[:len(w.path)-1]
	}
	return err
}

func (w *walker) number(text string, t reflect.Type) error {
	if len(text) > maxNumber {
		return w.misfit("a number of %d characters", len(text))
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if e, err := strconv.Atoi(text[i+1:]); err != nil || e > maxExpo || e < -maxExpo {
			return w.misfit("number %s is out of range", text)
		}
	}
	if t == nil {
		return nil
	}
	var err error
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		_, err = strconv.ParseInt(text, 10, t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		_, err = strconv.ParseUint(text, 10, t.Bits())
	case reflect.Float32, reflect.Float64:
		_, err = strconv.ParseFloat(text, t.Bits())
	default:
		return w.misfit("a number where %s is expected", want(t))
	}
	if errors.Is(err, strconv.ErrRange) {
		return w.misfit("number %s is out of range for %s", text, t.Kind())
	}
	if err != nil {
		return w.misfit("number %s where %s is expected", text, want(t))
	}
	return nil
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonNumber      = reflect.TypeFor[json.Number]()
)

// transparent looks through pointers. It returns nil for types whose text
// cannot be judged from outside, and whether null is a value of the type.
func transparent(t reflect.Type) (_ reflect.Type, nullable bool) {
	for t != nil {
		if t == jsonNumber || reflect.PointerTo(t).Implements(unmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
			return nil, true
		}
		switch t.Kind() {
		case reflect.Pointer:
			t, nullable = t.Elem(), true
		case reflect.Interface:
			return nil, true
		case reflect.Map, reflect.Slice:
			return t, true
		default:
			return t, nullable
		}
	}
	return nil, true
}

// jsonFields maps the exact JSON names of a struct to field types. A field
// nearer to the top hides one of the same name below it.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields, depth := map[string]reflect.Type{}, map[string]int{}
	for _, f := range reflect.VisibleFields(t) {
		tag, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" && rest == "" || !f.IsExported() || f.Anonymous && tag == "" {
			continue
		}
		name := f.Name
		if tag != "" {
			name = tag
		}
		if d, ok := depth[name]; ok && d <= len(f.Index) {
			continue
		}
		fields[name], depth[name] = f.Type, len(f.Index)
		if slices.Contains(strings.Split(rest, ","), "string") {
			fields[name] = reflect.TypeFor[any]() // a number in quotes: the standard decoder judges it
		}
	}
	return fields
}

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// want names a type in JSON's words.
func want(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		if isBytes(t) {
			return "a base64 string"
		}
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

func known(fields map[string]reflect.Type) string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func quoteKey(key string) string { return strconv.Quote(clip(key, 40)) }

// pathKey is a key as it stands in a path: quoted when it is no plain word.
func pathKey(key string) string {
	for _, r := range key {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return quoteKey(key)
		}
	}
	return clip(key, 40)
}

// clip cuts a text to at most n bytes and marks the cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

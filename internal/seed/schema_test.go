package seed

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write seed.schema.json and golden files anew")

const schemaFile = "../../seed.schema.json"

// seed.schema.json is made from the fields, their tags and their comments, so
// that a key cannot be described differently from how it is read. After a
// change: go test ./internal/seed -run TestSchemaFile -update
func TestSchemaFile(t *testing.T) {
	want := generateSchema(t)
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("seed.schema.json differs from the fields of Seed; run: go test ./internal/seed -run TestSchemaFile -update")
	}
}

// Every key of the schema is a field, every field a key, and each has a
// description that is a sentence. Read from the file as any other program
// would, not from the generator.
func TestSchemaKeysAreFields(t *testing.T) {
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	r := schemaReader{t: t, root: root}
	r.node(root, "")
	slices.Sort(r.keys)
	if have, want := r.keys, Keys(); !slices.Equal(have, want) {
		t.Errorf("keys of the schema\nhave %v\nwant %v", have, want)
	}
}

type schemaReader struct {
	t    *testing.T
	root map[string]any
	keys []string
}

func (r *schemaReader) node(n map[string]any, path string) {
	if ref, ok := n["$ref"].(string); ok {
		r.node(r.root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), path)
	}
	if all, ok := n["anyOf"].([]any); ok {
		for _, one := range all {
			r.node(one.(map[string]any), path)
		}
	}
	if items, ok := n["items"].(map[string]any); ok && hasKeys(items) {
		r.node(items, path+"[]")
	}
	if more, ok := n["additionalProperties"].(map[string]any); ok && hasKeys(more) {
		r.node(more, path+".*")
	}
	properties, ok := n["properties"].(map[string]any)
	if !ok {
		return
	}
	if n["additionalProperties"] != false {
		r.t.Errorf("%s: unknown keys are allowed", path)
	}
	for name, p := range properties {
		p := p.(map[string]any)
		at := join(path, name)
		r.keys = append(r.keys, at)
		if d, _ := p["description"].(string); len(d) < 10 || !strings.HasSuffix(d, ".") {
			r.t.Errorf("%s: description %q is no sentence", at, d)
		}
		r.node(p, at)
	}
}

// hasKeys tells a mapping with named keys, plain or among alternatives.
func hasKeys(n map[string]any) bool {
	_, ref := n["$ref"]
	_, anyOf := n["anyOf"]
	return ref || anyOf
}

// generateSchema writes the schema of the fields of Seed.
func generateSchema(t *testing.T) []byte {
	t.Helper()
	g := schemaWriter{docs: fieldDocs(t), forms: forms(), defs: map[string]any{}}
	root := g.object(reflect.TypeFor[Seed]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://github.com/seedbed-dev/seedbed/seed.schema.json"
	root["title"] = "seed.yaml"
	root["description"] = "The contract between a repository's owner and the agents that work in it, version 1. Made from internal/seed."
	root["$defs"] = g.defs
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type schemaWriter struct {
	docs  map[string]string
	forms map[string]form
	defs  map[string]any
}

type object = map[string]any

func (g schemaWriter) object(t reflect.Type) object {
	properties := object{}
	var required, oneOf []any
	for _, f := range fields(t) {
		if f.rule.key == "-" {
			continue
		}
		p := g.schema(f.typ, f.rule)
		p["description"] = g.describe(t, f)
		if v, ok := defaultValue(f); ok {
			p["default"] = v
		}
		properties[f.rule.key] = p
		if f.rule.required {
			required = append(required, f.rule.key)
		}
		if f.rule.oneOf {
			oneOf = append(oneOf, object{"required": []any{f.rule.key}})
		}
	}
	o := object{"type": "object", "properties": properties, "patternProperties": object{"^x-": true}, "additionalProperties": false}
	if required != nil {
		o["required"] = required
	}
	if oneOf != nil {
		o["oneOf"] = oneOf
	}
	return o
}

// describe turns "MaxFiles is the most ..." into "max_files is the most ...".
func (g schemaWriter) describe(t reflect.Type, f field) string {
	return strings.Replace(g.docs[t.Name()+"."+f.name], f.name, f.rule.key, 1)
}

func defaultValue(f field) (any, bool) {
	if !f.rule.hasDef {
		return nil, false
	}
	switch {
	case f.typ.Kind() == reflect.Slice:
		return strings.Split(f.rule.def, "|"), true
	case f.typ.Kind() == reflect.Bool:
		return f.rule.def == "true", true
	case f.typ.Kind() == reflect.Int, f.typ.Kind() == reflect.Float64:
		return json.Number(f.rule.def), true
	}
	return f.rule.def, true
}

func (g schemaWriter) schema(t reflect.Type, r rule) object {
	switch t {
	case durationType:
		return g.duration(r)
	case limitType:
		return orWords(bounded("integer", r), r)
	case numberType:
		return orWords(bounded("number", r), r)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.schema(t.Elem(), r)
	case reflect.Struct:
		return g.structOrText(t)
	case reflect.Slice:
		entry := r
		entry.required = true
		list := object{"type": "array", "items": g.schema(t.Elem(), entry), "maxItems": r.items}
		if r.minItems > 0 {
			list["minItems"] = r.minItems
		}
		return list
	case reflect.Map:
		return object{"type": "object", "maxProperties": r.items, "patternProperties": object{"^x-": true},
			"propertyNames": object{"pattern": g.forms["id"].pattern}, "additionalProperties": g.schema(t.Elem(), r)}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return bounded("integer", r)
	case reflect.Float64:
		return bounded("number", r)
	}
	return g.text(r)
}

func (g schemaWriter) structOrText(t reflect.Type) object {
	if _, ok := g.defs[t.Name()]; !ok {
		g.defs[t.Name()] = nil // keeps a cycle finite
		g.defs[t.Name()] = g.object(t)
	}
	ref := object{"$ref": "#/$defs/" + t.Name()}
	for _, f := range fields(t) {
		if f.rule.scalar {
			return object{"anyOf": []any{g.text(f.rule), ref}}
		}
	}
	return ref
}

func (g schemaWriter) text(r rule) object {
	o := object{"type": "string", "maxLength": r.length}
	pattern := g.forms[r.form].pattern
	switch {
	case r.plain:
		o["type"] = []any{"string", "number", "boolean"}
	case r.enum != nil:
		return object{"enum": r.enum}
	case pattern != "" && !r.required:
		o["pattern"] = "^$|" + pattern
	case pattern != "":
		o["pattern"] = pattern
	case r.required:
		o["pattern"] = `\S`
	}
	return o
}

func (g schemaWriter) duration(r rule) object {
	text := object{"type": "string", "pattern": durationPattern, "minLength": 1}
	if low, _ := r.spans(); low > 0 {
		return text
	}
	return object{"anyOf": []any{text, object{"const": 0}}}
}

func bounded(kind string, r rule) object {
	o := object{"type": kind}
	if r.min != "" {
		o["minimum"], o["maximum"] = json.Number(r.min), json.Number(r.max)
	}
	return o
}

func orWords(o object, r rule) object {
	if r.words == nil {
		return o
	}
	return object{"anyOf": []any{o, object{"enum": r.words}}}
}

// fieldDocs reads the comments of the fields from the source, as "Type.Field".
func fieldDocs(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "seed.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		body, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, f := range body.Fields.List {
			for _, name := range f.Names {
				docs[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
		return true
	})
	return docs
}

// Every exported field says what it is, in a sentence that begins with its
// name.
func TestFieldsAreDocumented(t *testing.T) {
	for name, doc := range fieldDocs(t) {
		field := name[strings.IndexByte(name, '.')+1:]
		if ast.IsExported(field) && !strings.HasPrefix(doc, field+" ") {
			t.Errorf("%s: comment %q does not begin with the field's name", name, doc)
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("seed.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("seed.schema.json") // validates against the meta-schema
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// toJSON gives the value a JSON Schema validator sees, by the YAML library's
// own reading of numbers and words.
func toJSON(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.DocumentNode:
		return toJSON(t, n.Content[0])
	case yaml.AliasNode:
		return toJSON(t, n.Alias)
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = toJSON(t, n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, toJSON(t, c))
		}
		return out
	}
	if n.ShortTag() == "!!timestamp" {
		return n.Value
	}
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	switch v := v.(type) {
	case int:
		return json.Number(strconv.Itoa(v))
	case float64:
		return v
	}
	return v
}

func schemaError(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatalf("the schema cannot be asked about %q: %v", text, err)
	}
	return schema.Validate(toJSON(t, &n))
}

// exampleSeeds are the seeds under examples/ that this package keeps.
func exampleSeeds(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../examples/*/seed.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("seeds under examples: %v, %v", files, err)
	}
	return files
}

func TestSchemaAcceptsExamples(t *testing.T) {
	schema := compileSchema(t)
	for _, file := range exampleSeeds(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schemaError(t, schema, string(data)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := schemaError(t, schema, "version: 1\nproject: {name: tally}\ncommands: {test: [\"go test ./...\"]}\n"); err != nil {
		t.Errorf("smallest seed: %v", err)
	}
}

// The parser and an independent validator agree, except where the schema is
// blind by nature: each such case is named with its reason.
func TestParserAgreesWithSchema(t *testing.T) {
	schema := compileSchema(t)
	for _, c := range agreementCases() {
		_, parseErr := Parse("seed.yaml", []byte(c.text))
		schemaErr := schemaError(t, schema, c.text)
		if have := parseErr == nil; have != c.good {
			t.Errorf("%q\nparser: have good %v, want %v (%v)", c.text, have, c.good, parseErr)
		}
		if have, want := schemaErr == nil, c.good || c.blind != ""; have != want {
			t.Errorf("%q\nschema: have good %v, want %v (blind: %q; %v)", c.text, have, want, c.blind, schemaErr)
		}
	}
}

type agreement struct {
	text  string
	good  bool
	blind string // why the schema cannot see what the parser refuses
}

func agreementCases() []agreement {
	const head = "version: 1\nproject: {name: tally}\n"
	var out []agreement
	for _, body := range []string{
		"", "mode: auto", "enforce: false", "phase: 0", "phase: 5", "x-any: [1, {a: ~}]", "workers: {x-free: 12}",
		"budgets: {change: {max_files: 0}}", "budgets: {change: {max_files: 1000000, max_deleted_ratio: 0.25}}",
		"budgets: {cycle: {usd: off}}", "budgets: {cycle: {usd: 2.5}}", "constraints: {repo: {max_files: off, max_total_lines: 0}}",
		"model: {context_tokens: auto, temperature: unset}", "model: {context_tokens: 8192, temperature: 0}", "model: {base_url: \"http://localhost:1/v1\"}",
		"model: {base_url: \"\", name: \"\"}", "model: {roles: {tester: {name: m}}}",
		"commands: {test: [a, {run: b, when: step}], setup: [{run: c, network: false}], lint: [d]}",
		"commands: {test: [{run: b, timeout: 1h30m, report: {format: gotest, path: \"\"}, coverage: {format: go, path: cover.out}}]}",
		"budgets: {attention: {pause_after: 0}}", "budgets: {attention: {pause_after: 3d12h}}", "deploy: {watch: {settle: 500ms}}",
		"growth: {sources: [todo, {command: \"ls\"}]}", "growth: {sources: []}", "task_types: [{id: a}, {id: b, keywords: [x]}]",
		"evaluation: {correctness: {invariants: [\"a\", {text: b, check: c}, {text: d}]}}",
		"automation_contract: {ai_access: {write_paths: [\"a/**\"], read_paths: []}}", "coding_standards: {tsconfig: {strict: true, target: ES2022, lib: 5}}",
		"deploy: {observe: [{http: {path: /}}, {command: ls}, {heroku_logs: {}}]}", "feature_flags: [{id: f, expires: 2031-01-02}]",
		"approvals: {merge: [ana, org/team]}", "quality_gates: {coverage: {global_minimum: 0.75}}", "log: {branch: seedbed/log}",
		"billing: {margin_percent: 12.5, currency: EUR}", "notify: {webhook_secret: PAGER}",
	} {
		out = append(out, agreement{text: head + body + "\n", good: true})
	}
	for _, body := range []string{
		"mode: atuo", "enforce: 1", "enforce: \"true\"", "enforce: yes", "phase: 6", "phase: -1", "phase: \"2\"", "unknown: 1",
		"budgets: {change: {max_files: off}}", "budgets: {change: {max_files: \"20\"}}", "budgets: {change: {max_files: 1000001}}",
		"budgets: {change: {max_files: -1}}", "budgets: {change: {max_files: 1.5}}", "budgets: {change: {max_files: ~}}", "budgets: {change: {max_files: no}}",
		"budgets: {change: {max_deleted_ratio: 50}}", "budgets: ~", "budgets: []", "budgets: {chnge: {}}",
		"model: {context_tokens: off}", "model: {temperature: off}", "model: {temperature: 3}", "model: {base_url: \"ftp://x\"}", "model: {roles: {tster: {}}}",
		"model: {base_url: \"http://user:pw@x/\"}", "commands: {test: go test}", "commands: {test: [{}]}", "commands: {test: [1]}", "commands: {test: [\"\"]}",
		"commands: {test: [{run: a, when: never}]}", "commands: {lint: [{run: a, when: step}]}", "commands: {test: [{run: a, timeout: 10}]}",
		"commands: {test: [{run: a, timeout: 10 minutes}]}", "commands: {test: [{run: a, timeout: \"\"}]}", "commands: {test: [{run: a, timeout: 0}]}",
		"growth: {sources: [tod]}", "growth: {sources: [{}]}", "growth: {sources: [{name: todo}]}", "task_types: [{keywords: [x]}]",
		"evaluation: {correctness: {invariants: [{check: c}]}}", "evaluation: {correctness: {invariants: [[a]]}}",
		"automation_contract: {ai_access: {write_paths: \"a/**\"}}", "automation_contract: {ai_access: {write_paths: [\"\"]}}", "automation_contract: {task_labels: {triggers: []}}",
		"automation_contract: {task_labels: {triggers: [\"a,b\"]}}", "coding_standards: {tsconfig: {strict: [a]}}",
		"deploy: {observe: [{}]}", "deploy: {observe: [{http: {path: /}, command: ls}]}", "deploy: {observe: [{http: {path: x}}]}",
		"feature_flags: [{id: f, expires: soon}]", "approvals: {merge: [\"@ana\"]}", "approvals: {required: {low: 1.5}}",
		"quality_gates: {coverage: {global_minimum: 75}}", "quality_gates: {coverage: {critical_paths: [{path: a}]}}", "quality_gates: {performance: {budgets: {a: -1}}}",
		"billing: {currency: euro}", "domains: [{id: a}]", "domains: [{id: a, paths: []}]", "domains: [{id: \"a b\", paths: [a]}]", "notify: {webhook_secret: \"a b\"}",
		"project2: {}", "log: {branch: \"-x\"}", "ethics: {policy: /etc/passwd}", "workers: {\"a b\": {}}", "constraints: {modules: {forbidden_imports: [{from: a}]}}",
	} {
		out = append(out, agreement{text: head + body + "\n"})
	}
	for _, whole := range []string{"[]", "a", "version: 1", "project: {name: a}", "version: 2\nproject: {name: a}", "version: \"1\"\nproject: {name: a}",
		"version: 1\nproject: {}", "version: 1\nproject: {name: \"\"}", "version: 1\nproject: tally", "version: 1\nproject: {name: 5}"} {
		out = append(out, agreement{text: whole})
	}
	for body, why := range map[string]string{
		"phase: 0x2":                                "JSON has one way to write a number",
		"phase: 02":                                 "JSON has one way to write a number",
		"budgets: {day: {tokens: 1e3}}":             "JSON has one way to write a number",
		"budgets: {day: {tokens: 1_000}}":           "JSON has one way to write a number",
		"budgets: {day: {tokens: 10.0}}":            "10.0 is an integer in JSON Schema",
		"phase: !!int 2":                            "JSON has no tags",
		"privacy: {retention: 91d}":                 "a pattern does not bound a duration",
		"commands: {test: [{run: a, timeout: 7h}]}": "a pattern does not bound a duration",
		"automation_contract: {ai_access: {read_paths: [\"a[\"]}}": "a pattern does not parse globs",
		"feature_flags: [{id: f, expires: 2031-02-30}]":            "a pattern does not know the calendar",
		"ethics: {policy: a/../b}":                                 "a pattern does not clean paths",
		"task_types: [{id: a}, {id: a, keywords: [b]}]":            "the schema does not compare entries",
		"task_types: [{id: a}, {id: b}]":                           "the schema does not compare entries",
		"task_types: [{id: a, worker: nobody}]":                    "the schema does not compare entries",
		"domains: [{id: a, paths: [a], consumes: [b]}]":            "the schema does not compare entries",
		"log: {branch: a..b}":                                      "a pattern does not know git's names",
		"deploy: {observe: [{http: {path: /, body: \"(\"}}]}":      "a pattern does not parse patterns",
	} {
		out = append(out, agreement{text: head + body + "\n", blind: why})
	}
	return out
}

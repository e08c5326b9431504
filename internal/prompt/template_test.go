package prompt

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"text/template"

	"github.com/google/go-cmp/cmp"
)

// What the standard library makes of a template is what page makes of it.
func TestPageAsTextTemplate(t *testing.T) {
	type inner struct{ Name string }
	type outer struct {
		inner
		List  []string
		Parts []inner
		Count int
		Note  Note
		Deep  struct{ Text string }
	}
	full := outer{inner: inner{"a\nb"}, List: []string{"x", "y\nz"}, Parts: []inner{{"p"}, {""}}, Count: 3, Note: Note{Where: "w"}}
	full.Deep.Text = "d"
	for _, text := range []string{
		"plain\n", "{{.Name}}|{{.Count}}|{{.Note}}", "a {{- .Name -}} b", "{{/* gone */ -}} x",
		"{{if .List}}yes{{end}}", "{{if .Name}}yes{{else}}no{{end}}", "{{if .Count}}n{{end}}", "{{if .Deep.Text}}d{{end}}",
		`{{if eq .Name "a\nb"}}1{{else if eq .Name ""}}2{{else}}3{{end}}`,
		"{{with .Deep.Text}}[{{.}}]{{else}}{{.Count}}{{end}}", "{{with .List}}{{lines .}}{{end}}", `{{join .List ", "}}`,
		"{{range .Parts}}<{{.Name}}>{{else}}none{{end}}", "{{range .List}}- {{.}}\n{{end}}", "{{indent .Name}}", `{{data "label" .Name}}`,
		`{{define "sub"}}({{.}}){{end}}{{template "sub" .Name}}`, `{{define "still"}}.{{end}}{{template "still"}}`,
	} {
		for _, dot := range []outer{full, {}} {
			quote := func(label, text string) string { return label + "=" + text }
			std := template.Must(template.New("t.tmpl").Funcs(template.FuncMap{"data": quote, "lines": lines, "join": strings.Join, "indent": indent}).Parse(text))
			var want strings.Builder
			if err := std.Execute(&want, dot); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			have := parsePage(fstest.MapFS{"t.tmpl": {Data: []byte(text)}}).write("t.tmpl", dot, quote)
			if diff := cmp.Diff(want.String(), have); diff != "" {
				t.Errorf("%s: -want +have\n%s", text, diff)
			}
		}
	}
}

func TestPageRefusesTheRest(t *testing.T) {
	for _, text := range []string{"{{.Name | indent}}", "{{$x := .Name}}{{$x}}", "{{.Missing}}", "{{1}}", "{{.String}}", `{{template "none"}}`,
		"{{unknown}}", "{{if}}{{end}}", "{{break}}", "{{.Name 1}}"} {
		t.Run(text, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("have text, want a panic")
				}
			}()
			parsePage(fstest.MapFS{"t.tmpl": {Data: []byte(text)}}).write("t.tmpl", struct{ Name string }{"n"}, nil)
		})
	}
}

// text/template in the program costs it a third more bytes: see page.
func TestNoTextTemplate(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); path == "text/template" || path == "html/template" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

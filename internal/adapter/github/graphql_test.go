package github

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/seedbed-dev/seedbed/internal/fakegithub"
)

var operations = []string{issueEdits, pullDraft, pullReady, resolveThread, enqueue}

// There are five operations, and the fake GitHub serves these and no others.
func TestFiveOperations(t *testing.T) {
	var have, want []string
	for _, text := range operations {
		doc, err := parser.ParseQuery(&ast.Source{Input: text})
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range doc.Operations {
			have = append(have, op.Name)
		}
	}
	for _, op := range fakegithub.Operations() {
		want = append(want, op.Name)
	}
	if !slices.Equal(have, want) {
		t.Errorf("have %q, the fake serves %q", have, want)
	}
}

// Each operation is valid under GitHub's published schema.
func TestOperationsFitSchema(t *testing.T) {
	modules := os.Getenv("SEEDBED_NODE_MODULES")
	if modules == "" {
		modules = "../../../.cache/node_modules"
	}
	text, err := os.ReadFile(filepath.Join(modules, "@octokit", "graphql-schema", "schema.graphql"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("not run: no @octokit/graphql-schema in %s; set SEEDBED_NODE_MODULES", modules)
	}
	if err != nil {
		t.Fatal(err)
	}
	schema := publishedSchema(t, string(text))
	for _, op := range operations {
		doc, err := parser.ParseQuery(&ast.Source{Input: op})
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range validator.ValidateWithRules(schema, doc, nil) {
			t.Errorf("%v\n%s", fault, op)
		}
	}
}

// publishedSchema loads GitHub's schema, in which one field is written twice
// (EnterpriseOwnerInfo.repositoryDeployKeySetting); the first one counts.
func publishedSchema(t *testing.T, text string) *ast.Schema {
	t.Helper()
	doc, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: "schema.graphql", Input: text})
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range doc.Definitions {
		var fields ast.FieldList
		for _, f := range def.Fields {
			if fields.ForName(f.Name) == nil {
				fields = append(fields, f)
			}
		}
		def.Fields = fields
	}
	schema, err := validator.ValidateSchemaDocument(doc)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Package tally is the example that `seedbed demo` runs on: a small Go project
// with an honest bug, two issues about it, and recorded replies of a model.
//
// The project lies beside this file as people read it, in _project: the go
// command passes over folders whose name begins with an underscore, so its
// packages are no part of this module. Only its go.mod is kept under another
// name, go.mod.txt, since a folder that is a module of its own cannot be
// embedded.
//
// The replies were written by hand, in the format of a transcript. No model was
// asked.
package tally

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed all:_project
var project embed.FS

//go:embed scene1.jsonl
var scene1 []byte

//go:embed scene2.jsonl
var scene2 []byte

// Name is the project's name.
const Name = "tally"

// Files gives the project's files by their path, go.mod under its own name.
// All are plain files, mode 100644.
func Files() map[string][]byte {
	files := map[string][]byte{}
	err := fs.WalkDir(project, "_project", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := project.ReadFile(path)
		name := strings.TrimPrefix(path, "_project/")
		if name == "go.mod.txt" {
			name = "go.mod"
		}
		files[name] = data
		return err
	})
	if err != nil {
		panic(err) // unreachable: the files are in the binary
	}
	return files
}

// Scene is one run of the demo: an issue, and what the model says to each
// question that comes up while it is worked on.
type Scene struct {
	Title, Body string
	Recording   []byte // JSON lines, see llm.NewRecorded
}

// Scenes are the two of the demo, in order: a bug that gets fixed and merged,
// and a wish at which the model oversteps and is refused.
func Scenes() []Scene {
	return []Scene{
		{Title: "Empty input counts as one word", Recording: scene1,
			Body: "`printf '' | go run .` says 1 word. There is nothing in it, so I expected 0.\n"},
		{Title: "Make CI faster", Recording: scene2,
			Body: "Every push waits for `go test ./...`. It feels as if the report tests take the longest.\n"},
	}
}

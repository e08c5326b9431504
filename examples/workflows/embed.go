// Package workflows holds the workflows that a repository copies to use
// Seedbed, as files of this program: seedbed init writes exactly these bytes,
// and tests run exactly these bytes.
package workflows

import (
	"embed"
	"strings"
)

// A pattern that names the files by their ending would not compile while there
// are none.
//
//go:embed *
var files embed.FS

// Files gives each workflow by its base name, such as quickstart.yml.
func Files() map[string][]byte {
	all := map[string][]byte{}
	entries, _ := files.ReadDir(".") // unreachable: the embedded root can always be read
	for _, e := range entries {
		if data, err := files.ReadFile(e.Name()); err == nil && strings.HasSuffix(e.Name(), ".yml") {
			all[e.Name()] = data
		}
	}
	return all
}

// Package workflows holds the workflows that a repository copies to use
// Seedbed, as files of this program: seedbed init writes exactly these bytes,
// and tests run exactly these bytes.
package workflows

import "embed"

//go:embed *.yml
var files embed.FS

// Files gives each workflow by its base name, such as quickstart.yml.
func Files() map[string][]byte {
	all := map[string][]byte{}
	entries, _ := files.ReadDir(".") // unreachable: the embedded root can always be read
	for _, e := range entries {
		if data, err := files.ReadFile(e.Name()); err == nil {
			all[e.Name()] = data
		}
	}
	return all
}

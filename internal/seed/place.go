package seed

import "fmt"

// Place is where in seed.yaml a key stands. The zero Place means that the file
// does not name the key and its default applies.
type Place struct {
	// Line counts from 1; 0 means the default.
	Line int `json:"line"`
	// Column counts characters from 1.
	Column int `json:"column"`
}

// String is seed.yaml:10, or default for the zero Place.
func (p Place) String() string {
	if p.Line == 0 {
		return "default"
	}
	return fmt.Sprintf("seed.yaml:%d", p.Line)
}

// At is the place of a key by its dotted path, such as
// automation_contract.ai_access.write_paths[0]. For a key of a mapping it is
// the key itself, for an entry of a list the entry. A key that the file does
// not name, or that does not exist, has the zero Place.
func (s *Seed) At(path string) Place { return s.places[path] }

// Digest is the SHA-256 of the file's bytes in lower-case hexadecimal: the
// policy digest that verdicts are bound to.
func (s *Seed) Digest() string { return s.digest }

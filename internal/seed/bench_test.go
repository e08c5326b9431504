package seed

import "testing"

func BenchmarkParse(b *testing.B) {
	data := []byte(smallest)
	for b.Loop() {
		if _, err := Parse("seed.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

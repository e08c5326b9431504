package sandbox

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	MaybeChild()
	if name := os.Getenv("SANDBOX_PROBE"); name != "" {
		os.Exit(runProbe(name, os.Args[1:]))
	}
	os.Exit(m.Run())
}

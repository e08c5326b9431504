package setup

import (
	"os"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
)

// TestMain lets the test binary become a child of the sandbox, as main does.
func TestMain(m *testing.M) {
	sandbox.MaybeChild()
	os.Exit(m.Run())
}

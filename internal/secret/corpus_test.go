package secret

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goSource is 1.8 MB of real code: package net/http of the standard library.
func goSource(tb testing.TB) []byte {
	tb.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		tb.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "src", "net", "http", "*.go"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("%d files, %v", len(files), err)
	}
	var b bytes.Buffer
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		b.Write(data)
	}
	return b.Bytes()
}

func TestOrdinarySourceHoldsNoSecret(t *testing.T) {
	if hits := Scan(goSource(t)); len(hits) > 0 {
		t.Errorf("have %+v", hits)
	}
}

// TestOurOwnSourceHoldsNoSecret keeps a scan of this repository clean: this
// package and its neighbours talk about tokens all the time.
func TestOurOwnSourceHoldsNoSecret(t *testing.T) {
	for _, pattern := range []string{"*.go", "../llm/*.go", "../adapter/openai/*.go", "../budget/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, hit := range Scan(data) {
				t.Errorf("%s:%d:%d: %s, %s", f, hit.Line, hit.Column, hit.Kind, hit.Encoding)
			}
		}
	}
}

func BenchmarkScan(b *testing.B) {
	text := goSource(b)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Scan(text)
	}
}

func BenchmarkRedact(b *testing.B) {
	text := goSource(b)
	r := NewRedactor(Known{"model_key", testKey()}, Known{"app_key", strings.Repeat("Ab3/x9Q", 200)})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Redact(text)
	}
}

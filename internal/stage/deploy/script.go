package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/seed"
)

// Scripts runs one line of the seed. A script that ran and failed is a Ran; an
// error means that it could not be started or was cut off. Implementation:
// Shell; in tests the same.
type Scripts interface {
	Run(ctx context.Context, s Script) (Ran, error)
}

// Script is a line for /bin/sh -c with its whole environment.
type Script struct {
	Line    string
	Dir     string
	Env     []string
	Timeout time.Duration
}

// Ran is what came of a script. Stdout and Stderr are capped, the end of each
// is kept.
type Ran struct {
	Exit           int
	Stdout, Stderr []byte
	TimedOut       bool
}

// scriptTime bounds each script.
const scriptTime = 15 * time.Minute

// order is one script to be run.
type order struct {
	environment, verb, line string
	release                 string // which one; empty for a new one
}

// answer is what a script says on the last line of its stdout: a JSON object.
// Further fields are for others.
type answer struct {
	Release string `json:"release"`
	URL     string `json:"url"`
}

// scriptError is a script that did not do what it is for.
type scriptError struct{ message string }

// Error is what it did.
func (e *scriptError) Error() string { return e.message }

func scriptAtFault(err error) bool {
	var e *scriptError
	return errors.As(err, &e)
}

// script runs an order in a fresh checkout of the commit that was judged.
func (d *deployer) script(ctx context.Context, o order) (answer, error) {
	if !d.released.Covers(d.in.SHA) {
		return answer{}, errors.New("deploy: no release was judged") // unreachable: judge comes first
	}
	dir, err := d.workTree(ctx)
	if err != nil {
		return answer{}, err
	}
	ran, err := d.Scripts.Run(ctx, Script{Line: o.line, Dir: dir, Env: d.environ(o), Timeout: scriptTime})
	if err != nil {
		return answer{}, fmt.Errorf("running deploy.%s.%s: %w", o.environment, o.verb, err)
	}
	said, why := understand(ran, o.release)
	if why != "" {
		message := fmt.Sprintf("deploy.%s.%s `%s` %s", o.environment, o.verb, o.line, why)
		d.redact(&message)
		return answer{}, &scriptError{message}
	}
	if url := d.target(o.environment).URL; url != "" {
		said.URL = url
	}
	return said, nil
}

// workTree makes the checkout when it is first needed. Staging and production
// share it: what a build leaves there may be used, and the judged commit is the
// same.
func (d *deployer) workTree(ctx context.Context) (string, error) {
	if d.checkout != "" {
		return filepath.Join(d.checkout, "tree"), nil
	}
	dir, err := os.MkdirTemp(d.Scratch, "deploy-")
	if err != nil {
		return "", fmt.Errorf("making a folder for the checkout: %w", err)
	}
	d.checkout = dir
	tree := filepath.Join(dir, "tree")
	if err := d.Repo.Checkout(ctx, d.in.SHA, tree); err != nil {
		return "", err
	}
	return tree, nil
}

func (d *deployer) close() {
	if d.checkout != "" {
		_ = os.RemoveAll(d.checkout) // scratch; the system's cleaning is the fallback
	}
}

func (d *deployer) target(environment string) seed.Target {
	if environment == Staging {
		return d.seed.Deploy.Staging
	}
	return d.seed.Deploy.Production
}

// passedOn are the variables of ours that scripts get, besides those that begin
// with DEPLOY_: where programs are, and how to format text.
var passedOn = []string{"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME", "CI"}

// handedOver says whether a variable reaches the scripts. The forge's token and
// the model's key never do: their names are not among these.
func handedOver(name string) bool {
	if strings.HasPrefix(name, "DEPLOY_") || strings.HasPrefix(name, "LC_") {
		return true
	}
	for _, n := range passedOn {
		if n == name {
			return true
		}
	}
	return false
}

func (d *deployer) environ(o order) []string {
	var env []string
	for _, pair := range d.Environ {
		if name, _, ok := strings.Cut(pair, "="); ok && handedOver(name) {
			env = append(env, pair)
		}
	}
	t := d.target(o.environment)
	return append(env, "SEEDBED_SHA="+d.in.SHA, "SEEDBED_ENVIRONMENT="+o.environment, "SEEDBED_RELEASE="+o.release,
		"SEEDBED_APP="+t.App, "SEEDBED_URL="+t.URL)
}

// releaseName keeps release names fit for command lines, records and comments.
var releaseName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$`)

// address is what may be probed. A user name or password in it would end up in
// records and issues.
var address = regexp.MustCompile(`^(https?://|file:///)[^\s@\x00-\x1f]{1,500}$`)

// understand reads what a script said, or says what is wrong with it.
func understand(ran Ran, wanted string) (answer, string) {
	switch {
	case ran.TimedOut:
		return answer{}, fmt.Sprintf("did not end within %s", scriptTime)
	case ran.Exit != 0:
		return answer{}, strings.TrimRight(fmt.Sprintf("ended with exit code %d: %s", ran.Exit, lastLine(ran.Stderr)), ": ")
	}
	var said answer
	line := lastLine(ran.Stdout)
	if err := json.Unmarshal([]byte(line), &said); err != nil || !strings.HasPrefix(line, "{") {
		return answer{}, fmt.Sprintf("printed no JSON object on its last line, but %q; want {\"release\": ..., \"url\": ...}", clip(line, 80))
	}
	switch {
	case !releaseName.MatchString(said.Release):
		return answer{}, fmt.Sprintf("names the release %q; want letters, digits and . _ : / @ + -", clip(said.Release, 80))
	case wanted != "" && said.Release != wanted:
		return answer{}, fmt.Sprintf("is at release %q, asked for %q", clip(said.Release, 80), wanted)
	case said.URL != "" && !address.MatchString(said.URL):
		return answer{}, fmt.Sprintf("names the address %q; want http, https or file", clip(said.URL, 80))
	}
	return said, ""
}

func isWeb(url string) bool {
	return strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return strings.TrimSpace(strings.ToValidUTF8(string(lines[len(lines)-1]), "?"))
}

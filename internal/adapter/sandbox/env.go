package sandbox

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// passedOn are the variables of the host that every child may know: where
// programs are and how to format text. Adding a name here needs a reason.
var passedOn = []string{
	"PATH", "LANG", "LANGUAGE", "TZ",
	"CI",                       // test runners print for logs instead of terminals
	"JAVA_HOME", "RUSTUP_HOME", // toolchains outside /usr; shims look for them
	"PYENV_ROOT", "PYENV_VERSION", "GOTOOLCHAIN", "GOEXPERIMENT", "CGO_ENABLED",
}

// passedOnline join them when a command may use the network. An address that
// holds a user name or password is left out.
var passedOnline = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
	"GOSUMDB", "GONOSUMDB", "npm_config_registry",
}

// trustFiles are those of passedOnline whose value is a path.
var trustFiles = []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"}

var (
	credentialWords    = []string{"TOKEN", "KEY", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE"}
	credentialPrefixes = []string{"ACTIONS_", "GITHUB_", "INPUT_", "RUNNER_", "SSH_", "AWS_", "AZURE_", "GOOGLE_", "DOCKER_"}
)

// forbidden reports whether a variable may never reach a child, whoever asks.
func forbidden(name string) bool {
	upper := strings.ToUpper(name)
	return slices.ContainsFunc(credentialWords, func(w string) bool { return strings.Contains(upper, w) }) ||
		slices.ContainsFunc(credentialPrefixes, func(p string) bool { return strings.HasPrefix(upper, p) })
}

// variables is an environment by name.
type variables map[string]string

func parseEnv(env []string) variables {
	vars := make(variables, len(env))
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			vars[name] = value
		}
	}
	return vars
}

func (v variables) list() []string {
	list := make([]string, 0, len(v))
	for name, value := range v {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// places are the directories a child's environment points at.
type places struct {
	home, tmp                 string
	goBuild, goMod, hostGoMod string
	npm                       string
}

// childEnv builds the whole environment of a child from nothing.
func childEnv(host variables, at places, network bool, extra map[string]string) (variables, error) {
	env := variables{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME": at.home, "TMPDIR": at.tmp, "TMP": at.tmp, "TEMP": at.tmp,
		"USER": "seedbed", "LOGNAME": "seedbed", "SHELL": "/bin/sh", "TERM": "dumb",
		"GOCACHE": at.goBuild, "GOMODCACHE": at.goMod, "GOENV": "off", "GOTOOLCHAIN": "local", "GOPROXY": "off",
		"npm_config_cache": at.npm, "npm_config_update_notifier": "false", "npm_config_offline": "true",
		"npm_config_audit": "false", "npm_config_fund": "false",
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
	}
	for name, value := range host {
		if (slices.Contains(passedOn, name) || strings.HasPrefix(name, "LC_")) && !forbidden(name) {
			env[name] = value
		}
	}
	env["PATH"] = cleanPath(env["PATH"])
	if network {
		goOnline(env, host, at)
	}
	for name, value := range extra {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("environment variable %q is malformed", name)
		}
		if forbidden(name) {
			return nil, fmt.Errorf("environment variable %s looks like a credential or belongs to the runner; it never reaches a child", name)
		}
		env[name] = value
	}
	return env, nil
}

// goOnline lets a set-up step fetch modules. Those the machine already holds
// come from its own download cache, by file, verified by go.sum like any other.
func goOnline(env, host variables, at places) {
	delete(env, "npm_config_offline")
	for _, name := range passedOnline {
		if value, ok := host[name]; ok && !holdsPassword(value) {
			env[name] = value
		}
	}
	proxies := host["GOPROXY"]
	if proxies == "" || holdsPassword(proxies) {
		delete(env, "GOPROXY") // Go's own default
		return
	}
	if at.hostGoMod != "" && at.hostGoMod != at.goMod {
		local := url.URL{Scheme: "file", Path: filepath.Join(at.hostGoMod, "cache", "download")}
		proxies = local.String() + "," + proxies
	}
	env["GOPROXY"] = proxies
}

func holdsPassword(value string) bool {
	return strings.Contains(value, "@")
}

// cleanPath drops entries that depend on where the child stands: a program
// planted in the work tree must not answer to the name of a tool.
func cleanPath(path string) string {
	var kept []string
	for _, dir := range filepath.SplitList(path) {
		if filepath.IsAbs(dir) {
			kept = append(kept, filepath.Clean(dir))
		}
	}
	return strings.Join(kept, string(filepath.ListSeparator))
}

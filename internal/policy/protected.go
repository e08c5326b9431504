package policy

import (
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
)

// pattern is one row of the built-in protected set. Globs are canonical.
type pattern struct {
	glob string
	what string // completes "agents never write ..."
}

// neverByAgents is what no agent may write, whatever seed.yaml says: what the
// judge reads, what GitHub runs or asks, what steers agents, the log.
var neverByAgents = []pattern{
	{"seed.yaml", "the seed"},
	{".github/workflows/**", "workflows"},
	{"{.github,docs}/codeowners", "CODEOWNERS"},
	{"codeowners", "CODEOWNERS"},
	{".github/copilot-instructions.md", "agent instructions"},
	{".github/{instructions,prompts,chatmodes,agents}/**", "agent instructions"},
	{".github/**", "the repository's GitHub settings"},
	{"**/action.{yml,yaml}", "actions"},
	{"**/.git*", "names that begin with .git"},
	{"autogen_log.md", "the log"},
	{"docs/autogen-log/**", "the log"},
	{"**/{agents,agents.override,claude,claude.local,gemini,qwen,copilot,warp}.md", "agent instructions"},
	{"**/{.cursorrules,.windsurfrules,.clinerules,.goosehints,.mcp.json,.aider.conf.yml,llms.txt}", "agent instructions"},
	{"**/{.cursor,.claude,.codex,.gemini,.junie,.windsurf,.continue,.roo,.kiro}/**", "agent instructions"},
}

// alwaysAPerson is what decides how the project is built, checked or shipped:
// high risk for everyone, so people say yes to it.
var alwaysAPerson = []pattern{
	{"{.circleci,.buildkite,.woodpecker,.semaphore,.teamcity,.ci,.husky,.githooks,.cargo}/**", "CI configuration"},
	{"{jenkinsfile,.travis.yml,appveyor.yml,.appveyor.yml,.drone.yml,azure-pipelines.yml,bitbucket-pipelines.yml,.woodpecker.yml,cloudbuild.yaml}", "CI configuration"},
	{"{renovate.json,renovate.json5,.renovaterc,.renovaterc.json,lefthook.yml,.pre-commit-config.yaml,.pre-commit-config.yml}", "CI configuration"},
	{"**/{makefile,gnumakefile,justfile,taskfile.yml,taskfile.yaml,rakefile,build.sh}", "build scripts"},
	{"**/{procfile,app.json,heroku.yml,fly.toml,vercel.json,netlify.toml,render.yaml,dockerfile,containerfile}", "deploy configuration"},
	{"**/{docker-compose,compose}*.{yml,yaml}", "deploy configuration"},
	{"**/{.golangci.yml,.golangci.yaml,.golangci.toml,staticcheck.conf,.editorconfig,.flake8,.pylintrc,ruff.toml,.ruff.toml,mypy.ini,.mypy.ini,pyrightconfig.json,clippy.toml,.clippy.toml,rustfmt.toml,.rustfmt.toml,deny.toml,checkstyle.xml,.rubocop.yml,biome.json,biome.jsonc}", "lint configuration"},
	{"**/{.eslintrc*,eslint.config.*,.eslintignore,.prettierrc*,prettier.config.*,.prettierignore,.stylelintrc*,tslint.json,tsconfig*.json}", "lint configuration"},
	{"**/{codecov.yml,.codecov.yml,.coveragerc,.nycrc*,.c8rc*,sonar-project.properties}", "coverage configuration"},
	{"**/{pytest.ini,tox.ini,setup.cfg,conftest.py,noxfile.py,jest.config.*,vitest.config.*,vitest.workspace.*,karma.conf.*,playwright.config.*,cypress.config.*,.mocharc*,phpunit.xml*,.rspec}", "test configuration"},
	{"**/{.npmrc,.yarnrc,.yarnrc.yml,.pnpmfile.cjs,pip.conf,nuget.config,.bazelrc}", "package manager configuration"},
}

// isManifest tells dependency manifests and lock files, which decide what code
// of strangers runs.
func (in input) isManifest(p judgedPath) bool {
	_, ok := in.manifests.find(p.canonical)
	return ok
}

const manifests = "**/{go.mod,go.sum,go.work,go.work.sum,package.json,package-lock.json,npm-shrinkwrap.json,yarn.lock," +
	"pnpm-lock.yaml,pnpm-workspace.yaml,bun.lock,bun.lockb,deno.json,deno.lock,requirements*.txt,constraints*.txt,pyproject.toml,poetry.lock,uv.lock," +
	"pipfile,pipfile.lock,setup.py,cargo.toml,cargo.lock,pom.xml,build.gradle,build.gradle.kts,gradle.lockfile,gemfile,gemfile.lock,*.gemspec,composer.json,composer.lock}"

// protectedFile is one touched path that a row protects.
type protectedFile struct {
	path    string
	line    int
	folded  bool // matches only after folding
	pattern pattern
	never   bool // of the first group
	seed    string
}

// protectedFiles finds what the whole change and each of its commits touch, on
// both sides of a rename.
func findProtected(in input) []protectedFile {
	var list []protectedFile
	seen := map[string]bool{}
	sets := []change.Set{in.change.Whole}
	for _, c := range in.change.Commits {
		sets = append(sets, c.Set)
	}
	for i, s := range sets {
		for _, f := range s.Files {
			for _, path := range sides(f) {
				if seen[path] {
					continue
				}
				seen[path] = true
				p, ok := in.protection(path)
				if !ok {
					continue
				}
				if i == 0 && f.Loaded && path == f.Path && f.Status != change.Deleted && f.Status != change.Renamed {
					p.line = in.lines.of(f).first
				}
				list = append(list, p)
			}
		}
	}
	return list
}

func (in input) protection(path string) (protectedFile, bool) {
	j := judged(path)
	if p, ok := in.never.find(j.canonical); ok {
		return protectedFile{path: path, pattern: p, never: true, seed: "built in", folded: j.canonical != j.exact && !plainFold(j)}, true
	}
	for i, file := range in.seed.Context.InstructionFiles {
		if folded := canonical(file); j.canonical == folded || strings.HasPrefix(j.canonical, folded+"/") {
			return protectedFile{path: path, never: true, pattern: pattern{file, "agent instructions"},
				seed: in.place(fmt.Sprintf("context.instruction_files[%d]", i))}, true
		}
	}
	if p, ok := in.person.find(j.canonical); ok {
		return protectedFile{path: path, pattern: p, seed: "built in"}, true
	}
	return protectedFile{}, false
}

// plainFold says that the names differ only by capitals in the last component,
// as in CODEOWNERS and AGENTS.md, which need no explanation.
func plainFold(j judgedPath) bool {
	dir, base := splitLast(j.exact)
	foldedDir, foldedBase := splitLast(j.canonical)
	return dir == foldedDir && strings.EqualFold(base, foldedBase) && len(base) == len(foldedBase)
}

func splitLast(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	return path[:i+1], path[i+1:]
}

// judgeProtected refuses an agent's write to the first group outright. All else
// in both groups is high risk and passes once people said yes to this tree.
func judgeProtected(in input) Result {
	files := in.protected
	if len(files) == 0 {
		return Result{Outcome: Pass, Reason: "no protected file touched"}
	}
	var refused, asked []finding.Finding
	for _, f := range files {
		if in.facts.Agent && f.never {
			refused = append(refused, f.refusal())
		} else {
			asked = append(asked, f.question(in))
		}
	}
	switch {
	case len(refused) > 0:
		return Result{Outcome: Fail, Reason: plural(len(refused), "file") + " that agents never write", Findings: append(refused, asked...)}
	case in.yes.settled():
		return Result{Outcome: Pass, Reason: "high risk, agreed to: " + in.yes.summary()}
	}
	return Result{Outcome: Pending, Reason: plural(len(asked), "protected file") + ", a person must agree", Findings: asked, Needs: in.yes.needs}
}

func (f protectedFile) matching() string {
	switch {
	case f.folded && strings.HasPrefix(f.pattern.glob, ".github/"):
		return ": matches .github/**"
	case f.folded:
		return ": matches " + f.pattern.glob
	}
	return ""
}

func (f protectedFile) refusal() finding.Finding {
	hint := "a person edits this file"
	if f.pattern.what == "the seed" {
		hint = "propose it as an issue labelled type:seed-change; a person edits this file"
	}
	return finding.Finding{Path: f.path, Line: f.line, Severity: finding.Error, Seed: f.seed, Who: "a person's own commit",
		Message: "agents never write " + f.pattern.what + f.matching(), Hint: hint}
}

func (f protectedFile) question(in input) finding.Finding {
	return finding.Finding{Path: f.path, Line: f.line, Severity: finding.Warning, Seed: f.seed, Who: in.approvers(),
		Message: f.pattern.what + ", high risk: a person must agree" + f.matching(),
		Hint:    "approve this tree, or leave the file out"}
}

// Package seed reads seed.yaml, the contract between a repository's owner and
// the agents that work in it, into one typed value.
//
// It promises that a file is understood whole or refused whole: every key is
// known, every value is of the stated form and inside its bounds, a default
// stands wherever the file is silent, and every value can say at which line it
// was written. All problems of a file are told at once, each with its place,
// what was found and what is allowed.
//
// It does not read the disk, the environment or the forge, it does not judge a
// change, and it knows nothing about the names that no agent may ever write:
// package policy holds those, so that no file can loosen them.
package seed

import (
	"time"
)

// The forms a value may have stand in the seed tag of its field, options
// parted by semicolons. The parser, the JSON Schema and the printed limits are
// all made from them, so they cannot drift apart.
//
//	required       the key must be there
//	default=V      the value when the key is absent; lists as A|B|C
//	min=N max=N    bounds of a number or duration, both inclusive
//	words=A|B      words allowed in the place of a number: off, auto, unset
//	enum=A|B       the only texts allowed
//	form=NAME      a named form of text, see forms.go
//	len=N          longest text in characters (4000 unless told)
//	items=N        most entries of a list or mapping (200 unless told)
//	min_items=N    least entries of a list
//	scalar         a bare text in place of the mapping fills this field
//	plain          a number or true/false is kept as the text it was written as
//	unique         no two entries of the list have the same id

// Seed is one seed.yaml, read, checked and filled with defaults.
type Seed struct {
	// Version of the file format; only 1 exists.
	Version int `yaml:"version" seed:"required;min=1;max=1"`
	// Project says what this repository is, who answers for it and how it is laid out.
	Project Project `yaml:"project" seed:"required"`
	// Domain is the problem the project solves, for whom, and what it will not become.
	Domain Domain `yaml:"domain"`
	// Architecture is the intended structure; agents are told of it and modules name contracts.
	Architecture Architecture `yaml:"architecture"`
	// CodingStandards are the conventions a change is written and reviewed by.
	CodingStandards CodingStandards `yaml:"coding_standards"`
	// QualityGates are the measurements and checks a change has to meet.
	QualityGates QualityGates `yaml:"quality_gates"`
	// GrowthObjectives say what to work on when nobody files an issue.
	GrowthObjectives GrowthObjectives `yaml:"growth_objectives"`
	// Constraints are hard bounds on size, dependencies and imports.
	Constraints Constraints `yaml:"constraints"`
	// Evaluation says how correctness and progress are recognised.
	Evaluation Evaluation `yaml:"evaluation"`
	// AutomationContract is what agents may read, write, label and merge.
	AutomationContract AutomationContract `yaml:"automation_contract"`
	// Mode is how far agents go: advise writes nothing, propose opens pull requests that people merge, auto may merge low risk by itself.
	Mode string `yaml:"mode" seed:"enum=advise|propose|auto;default=propose"`
	// Enforce false lets the judge report without ever blocking, for a careful start.
	Enforce bool `yaml:"enforce" seed:"default=true"`
	// Model is the endpoint that language model steps talk to.
	Model Model `yaml:"model"`
	// Budgets bound what is spent; each is reserved before use.
	Budgets Budgets `yaml:"budgets"`
	// Commands are the repository's own commands; none is ever guessed at run time.
	Commands Commands `yaml:"commands"`
	// Sandbox none lets commands run without isolation, which every verdict then says; required refuses to run without it.
	Sandbox string `yaml:"sandbox" seed:"enum=required|none;default=required"`
	// Context bounds what a prompt may quote from the repository.
	Context Context `yaml:"context"`
	// Review says how changes made by people are reviewed.
	Review Review `yaml:"review"`
	// Privacy says what of the model traffic is kept, and for how long.
	Privacy Privacy `yaml:"privacy"`
	// Phase is the autonomy level and a ceiling for mode: 0 skeleton, 1 one agent opens pull requests, 2 adds review and tests, 3 the full graph, 4 may merge low risk in named places, 5 may propose epics.
	Phase int `yaml:"phase" seed:"min=0;max=5;default=2"`
	// Domains split the repository into areas, each with a worker that sees only its own files and the interfaces of others.
	Domains []WorkDomain `yaml:"domains" seed:"unique"`
	// TaskTypes sort tasks by words in the issue, before any model is asked.
	TaskTypes []TaskType `yaml:"task_types" seed:"unique"`
	// Workers are specialities by name, such as ci-medic or bug-fixer, or commands that need no model.
	Workers map[string]Worker `yaml:"workers"`
	// Selection says which of the open candidates is worked on next.
	Selection Selection `yaml:"selection"`
	// Risk lists what raises the risk tier of a change.
	Risk Risk `yaml:"risk"`
	// Approvals say who may say yes to what. A bot, the author and any committer never count.
	Approvals Approvals `yaml:"approvals"`
	// Ethics names the project's policy and who may resolve a concern; an open concern stops everything.
	Ethics Ethics `yaml:"ethics"`
	// Consent lists texts that must have been agreed to.
	Consent []Consent `yaml:"consent" seed:"unique"`
	// FeatureFlags are switches that new code may have to stand behind.
	FeatureFlags []FeatureFlag `yaml:"feature_flags" seed:"unique"`
	// Billing turns use into money in estimates and reports; nothing is charged.
	Billing Billing `yaml:"billing"`
	// Notify says who is asked, reminded and paged.
	Notify Notify `yaml:"notify"`
	// Growth says where ideas come from when nobody files an issue.
	Growth Growth `yaml:"growth"`
	// Log says where the record of what was done is committed.
	Log Log `yaml:"log"`
	// Deploy says how a merged commit reaches staging and production.
	Deploy Deploy `yaml:"deploy"`

	places  map[string]Place
	blank   map[string]bool   // keys written as off, [], {} or ""
	scalars map[string]string // texts of single values, by path
	digest  string
}

// Limit is a whole number that may also be a word. Absent, zero and off are
// three different things: an absent key carries its default with Set false,
// zero has N 0 with Off and Auto false, off has Off true.
type Limit struct {
	// N is the number, meaningful when neither Off nor Auto is true.
	N int64
	// Off is true when no limit applies, by default or by the word off.
	Off bool
	// Auto is true when the program finds the number itself.
	Auto bool
	// Set is true when the file says so, false when the default stands.
	Set bool
}

// On reports whether a number is in force.
func (l Limit) On() bool { return !l.Off && !l.Auto }

// Number is a decimal number that may also be the word off (or unset, for
// settings handed to a model). Off and Set read as in Limit.
type Number struct {
	// Value is the number, meaningful when Off is false.
	Value float64
	// Off is true when no number is in force.
	Off bool
	// Set is true when the file says so, false when the default stands.
	Set bool
}

// On reports whether a number is in force.
func (n Number) On() bool { return !n.Off }

// Project describes the repository.
type Project struct {
	// Name of the project, as reports and pull requests print it.
	Name string `yaml:"name" seed:"required;len=200"`
	// Codename is a short name used beside the full one.
	Codename string `yaml:"codename" seed:"len=100"`
	// Description in a few sentences, for prompts.
	Description string `yaml:"description"`
	// Owners are asked, reminded and assigned.
	Owners []Owner `yaml:"owners"`
	// Repo is the layout of the repository.
	Repo Repo `yaml:"repo"`
}

// Owner is a person or team that answers for the project.
type Owner struct {
	// Handle is a login, or org/team.
	Handle string `yaml:"handle" seed:"required;form=who"`
	// Role is what the owner answers for, in free words.
	Role string `yaml:"role" seed:"len=200"`
}

// Repo is the layout of the repository.
type Repo struct {
	// Monorepo is true when several applications or packages live here.
	Monorepo bool `yaml:"monorepo" seed:"default=false"`
	// PackageManager picks the reader for manifests and lock files, such as pnpm, npm or go.
	PackageManager string `yaml:"package_manager" seed:"len=100"`
	// Apps are the deployable parts.
	Apps []App `yaml:"apps"`
	// Packages are the shared parts.
	Packages []Package `yaml:"packages"`
}

// App is one deployable part of the repository.
type App struct {
	// Name of the application.
	Name string `yaml:"name" seed:"required;len=200"`
	// Path of its folder, from the root of the repository.
	Path string `yaml:"path" seed:"required;form=path"`
	// Type is the kind of application in free words, such as nextjs or node-service.
	Type string `yaml:"type" seed:"len=100"`
}

// Package is one shared part of the repository.
type Package struct {
	// Name of the package.
	Name string `yaml:"name" seed:"required;len=200"`
	// Path of its folder, from the root of the repository.
	Path string `yaml:"path" seed:"required;form=path"`
}

// Domain is the problem the project solves.
type Domain struct {
	// ProblemStatement is what the project is for.
	ProblemStatement string `yaml:"problem_statement"`
	// NonGoals are directions the project does not take; a task that asks for one needs a person.
	NonGoals []string `yaml:"non_goals"`
	// Personas are the people and programs the project serves.
	Personas []Persona `yaml:"personas" seed:"unique"`
}

// Persona is one kind of user.
type Persona struct {
	// ID is the short name by which goals cite the persona.
	ID string `yaml:"id" seed:"required;form=id"`
	// Description of who this is and what they do.
	Description string `yaml:"description"`
}

// Architecture is the intended structure.
type Architecture struct {
	// Style of the structure in free words, such as modular-monorepo.
	Style string `yaml:"style" seed:"len=200"`
	// TechStack lists languages, frameworks and services in use.
	TechStack TechStack `yaml:"tech_stack"`
	// Modules are contracts of parts, by a name of the owner's choice.
	Modules map[string]Module `yaml:"modules"`
}

// TechStack lists what the project is built with, in free words for prompts.
type TechStack struct {
	// Language is the main programming language; it picks readers of the code map.
	Language string `yaml:"language" seed:"len=100"`
	// Runtime lists what the code runs on.
	Runtime []string `yaml:"runtime"`
	// Frontend lists frameworks of the user interface.
	Frontend []string `yaml:"frontend"`
	// Backend lists frameworks and styles of the services.
	Backend []string `yaml:"backend"`
	// Database names the store and how its schema is changed.
	Database Database `yaml:"database"`
	// Infra names where the parts are hosted.
	Infra Infra `yaml:"infra"`
}

// Database names the store.
type Database struct {
	// Primary is the main store, such as PostgreSQL.
	Primary string `yaml:"primary" seed:"len=200"`
	// Migrations is how its schema is changed; it marks changes that need a person's sign-off.
	Migrations string `yaml:"migrations" seed:"len=200"`
}

// Infra names where the parts are hosted.
type Infra struct {
	// Hosting of the user-facing part.
	Hosting string `yaml:"hosting" seed:"len=200"`
	// APIHosting is where services are hosted.
	APIHosting string `yaml:"api_hosting" seed:"len=200"`
}

// Module is the contract of one part of the code.
type Module struct {
	// Path of the module's folder.
	Path string `yaml:"path" seed:"required;form=path"`
	// Responsibilities in free words, for prompts.
	Responsibilities []string `yaml:"responsibilities"`
	// PublicAPI lists exported names that others rely on.
	PublicAPI []string `yaml:"public_api"`
}

// CodingStandards are the conventions of the code.
type CodingStandards struct {
	// Language the standards speak of.
	Language string `yaml:"language" seed:"len=100"`
	// TSConfig lists TypeScript compiler options that must hold.
	TSConfig map[string]string `yaml:"tsconfig" seed:"plain;len=200"`
	// Style names formatter, linter and naming.
	Style Style `yaml:"style"`
	// Patterns that are welcome and unwelcome.
	Patterns Patterns `yaml:"patterns"`
	// Documentation says what has to be documented, and how.
	Documentation Documentation `yaml:"documentation"`
}

// Style names the tools and names that keep code alike.
type Style struct {
	// Formatter in use, such as prettier or gofmt.
	Formatter string `yaml:"formatter" seed:"len=200"`
	// Linter in use, such as eslint or staticcheck.
	Linter string `yaml:"linter" seed:"len=200"`
	// Naming gives the letter case by kind of name, such as types: PascalCase.
	Naming map[string]string `yaml:"naming" seed:"len=200"`
}

// Patterns are designs to follow and to avoid, in free words.
type Patterns struct {
	// Allowed designs.
	Allowed []string `yaml:"allowed"`
	// Forbidden designs; a review looks for them.
	Forbidden []string `yaml:"forbidden"`
}

// Documentation says what has to be documented.
type Documentation struct {
	// RequiredFor lists kinds of code that need documentation.
	RequiredFor []string `yaml:"required_for"`
	// Format of documentation comments, such as TSDoc.
	Format string `yaml:"format" seed:"len=100"`
}

// QualityGates are the measurements and checks a change has to meet.
type QualityGates struct {
	// CIRequiredChecks are names of checks that must have succeeded on the head commit.
	CIRequiredChecks []string `yaml:"ci_required_checks" seed:"len=200"`
	// Coverage floors.
	Coverage Coverage `yaml:"coverage"`
	// Performance bounds on measured numbers.
	Performance Performance `yaml:"performance"`
	// Security policies.
	Security Security `yaml:"security"`
}

// Coverage holds floors of test coverage, each a fraction from 0 to 1.
type Coverage struct {
	// GlobalMinimum is the floor for the whole repository.
	GlobalMinimum Number `yaml:"global_minimum" seed:"min=0;max=1;words=off;default=off"`
	// CriticalPaths have floors of their own.
	CriticalPaths []CriticalPath `yaml:"critical_paths"`
}

// CriticalPath is a part of the repository with its own coverage floor.
type CriticalPath struct {
	// Path is a glob.
	Path string `yaml:"path" seed:"required;form=glob"`
	// Minimum is the floor, a fraction from 0 to 1.
	Minimum Number `yaml:"minimum" seed:"required;min=0;max=1"`
}

// Performance bounds measured numbers.
type Performance struct {
	// Budgets are the highest values allowed, by name of the number in the metrics file of commands.metrics.
	Budgets map[string]float64 `yaml:"budgets" seed:"min=0;max=1000000000000"`
}

// Security holds policies on dependencies and secrets.
type Security struct {
	// DependencyPolicy says which packages may be added.
	DependencyPolicy DependencyPolicy `yaml:"dependency_policy"`
	// Secrets says how secrets are handled.
	Secrets Secrets `yaml:"secrets"`
}

// DependencyPolicy says which packages may be added.
type DependencyPolicy struct {
	// AllowlistMode true refuses every package that is not listed.
	AllowlistMode bool `yaml:"allowlist_mode" seed:"default=false"`
	// AllowlistedPackages are exact names of packages.
	AllowlistedPackages []string `yaml:"allowlisted_packages" seed:"len=300;items=2000"`
}

// Secrets says how secrets are handled.
type Secrets struct {
	// Management in free words.
	Management string `yaml:"management"`
	// Rules in free words, for prompts and reviews.
	Rules []string `yaml:"rules"`
}

// GrowthObjectives say what to work on.
type GrowthObjectives struct {
	// RoadmapEpics are the larger pieces of planned work.
	RoadmapEpics []Epic `yaml:"roadmap_epics" seed:"unique"`
	// Priorities in free words, the first first.
	Priorities []string `yaml:"priorities"`
}

// Epic is one larger piece of planned work.
type Epic struct {
	// ID is the short name used in labels.
	ID string `yaml:"id" seed:"required;form=id"`
	// Title in one line.
	Title string `yaml:"title" seed:"len=300"`
	// Description in a few sentences.
	Description string `yaml:"description"`
	// Modules are globs that the epic's tasks stay within.
	Modules []string `yaml:"modules" seed:"form=glob"`
}

// Constraints are hard bounds. Size limits apply to touched files; an old
// offender may shrink and may not grow.
type Constraints struct {
	// Repo bounds sizes.
	Repo RepoLimits `yaml:"repo"`
	// Dependencies bounds the number of packages.
	Dependencies DependencyLimits `yaml:"dependencies"`
	// Modules bounds who may import whom.
	Modules ModuleLimits `yaml:"modules"`
}

// RepoLimits bounds sizes.
type RepoLimits struct {
	// MaxLinesPerFile is the most lines a touched file may have.
	MaxLinesPerFile Limit `yaml:"max_lines_per_file" seed:"min=0;max=1000000;words=off;default=off"`
	// MaxFunctionLengthLOC is the most lines a touched function may have.
	MaxFunctionLengthLOC Limit `yaml:"max_function_length_loc" seed:"min=0;max=1000000;words=off;default=off"`
	// MaxFiles is the most files the repository may hold.
	MaxFiles Limit `yaml:"max_files" seed:"min=0;max=100000000;words=off;default=off"`
	// MaxTotalLines is the most lines the repository may hold.
	MaxTotalLines Limit `yaml:"max_total_lines" seed:"min=0;max=1000000000;words=off;default=off"`
	// MaxComplexity is the highest cyclomatic complexity of a touched function.
	MaxComplexity Limit `yaml:"max_complexity" seed:"min=0;max=100000;words=off;default=off"`
}

// DependencyLimits bounds the number of packages.
type DependencyLimits struct {
	// MaxNewDependenciesPerPR is the most packages one pull request may add; 0 means none.
	MaxNewDependenciesPerPR Limit `yaml:"max_new_dependencies_per_pr" seed:"min=0;max=10000;words=off;default=off"`
	// RequireIssueLinkForNewDependency true wants an existing issue named for each package that is added.
	RequireIssueLinkForNewDependency bool `yaml:"require_issue_link_for_new_dependency" seed:"default=false"`
	// MaxTotal is the most direct dependencies a manifest may have.
	MaxTotal Limit `yaml:"max_total" seed:"min=0;max=100000;words=off;default=off"`
}

// ModuleLimits bounds who may import whom.
type ModuleLimits struct {
	// ForbiddenImports are edges that must not exist, direct or through others.
	ForbiddenImports []ForbiddenImport `yaml:"forbidden_imports"`
}

// ForbiddenImport is one edge that must not exist.
type ForbiddenImport struct {
	// From is a glob naming the importing files.
	From string `yaml:"from" seed:"required;form=glob"`
	// To is a glob naming what they must not import.
	To string `yaml:"to" seed:"required;form=glob"`
}

// Evaluation says how correctness and progress are recognised.
type Evaluation struct {
	// Correctness names sources of truth and invariants.
	Correctness Correctness `yaml:"correctness"`
	// RegressionDetection lists how regressions are noticed.
	RegressionDetection RegressionDetection `yaml:"regression_detection"`
	// RewardSignals are improvements worth working for, in free words.
	RewardSignals []string `yaml:"reward_signals"`
}

// Correctness names sources of truth and invariants.
type Correctness struct {
	// PrimarySources are the documents and schemas that decide, in free words.
	PrimarySources []string `yaml:"primary_sources"`
	// Invariants must always hold: a bare text is a line for reviewers, one with a check is a gate.
	Invariants []Invariant `yaml:"invariants"`
}

// Invariant is something that must always hold.
type Invariant struct {
	// Text of the invariant.
	Text string `yaml:"text" seed:"required;scalar"`
	// Check is a command that exits 0 while the invariant holds; without one the judge cannot test it.
	Check string `yaml:"check" seed:"form=command"`
}

// RegressionDetection lists how regressions are noticed.
type RegressionDetection struct {
	// Mechanisms in free words, for testers and reviewers.
	Mechanisms []string `yaml:"mechanisms"`
}

// AutomationContract is what agents may read, write, label and merge.
type AutomationContract struct {
	// AIAccess bounds files.
	AIAccess AIAccess `yaml:"ai_access"`
	// TaskLabels names issue labels.
	TaskLabels TaskLabels `yaml:"task_labels"`
	// MergePolicy says when a pull request is merged.
	MergePolicy MergePolicy `yaml:"merge_policy"`
}

// AIAccess bounds the files agents may read and write. A glob names a file by
// its path or by any folder above it.
type AIAccess struct {
	// ReadPaths are globs of files that may reach a prompt. Absent: every file; an empty list: only what may be written.
	ReadPaths []string `yaml:"read_paths" seed:"form=glob;default=**"`
	// WritePaths are globs of files that may be changed. Absent: what read_paths covers, so every file when both are absent, less what is denied or protected; an empty list: none.
	WritePaths []string `yaml:"write_paths" seed:"form=glob"`
	// DisallowedWrites are globs of files that may never be changed, whatever write_paths says.
	DisallowedWrites []string `yaml:"disallowed_writes" seed:"form=glob"`
}

// TaskLabels names issue labels.
type TaskLabels struct {
	// AutoManagedLabels are labels that agents may put on and take off.
	AutoManagedLabels []string `yaml:"auto_managed_labels" seed:"form=label"`
	// Triggers are labels that hand an issue to the agents; the first is the name shown, the rest mean the same.
	Triggers []string `yaml:"triggers" seed:"form=label;default=ai-task;min_items=1"`
}

// MergePolicy says when a pull request is merged.
type MergePolicy struct {
	// AllowAutoMerge false keeps a person in every merge, whatever mode and phase say.
	AllowAutoMerge bool `yaml:"allow_auto_merge" seed:"default=false"`
	// RequireHumanReviewFrom are logins or teams of whom one must have approved.
	RequireHumanReviewFrom []string `yaml:"require_human_review_from" seed:"form=who"`
	// MergeOnApproval true merges as soon as enough of the right people approved; false leaves the button to them.
	MergeOnApproval bool `yaml:"merge_on_approval" seed:"default=true"`
}

// Model is the endpoint that language model steps talk to.
type Model struct {
	// BaseURL of an OpenAI-compatible endpoint; empty means the environment's.
	BaseURL string `yaml:"base_url" seed:"form=url"`
	// Name of the model; empty means the environment's.
	Name string `yaml:"name" seed:"len=200"`
	// Fallback models, tried in order when quota or service fails.
	Fallback []string `yaml:"fallback" seed:"len=200;items=10"`
	// ContextTokens is the size of the context window; auto probes it.
	ContextTokens Limit `yaml:"context_tokens" seed:"min=1024;max=100000000;words=auto;default=auto"`
	// MaxOutputTokens is the most tokens of one reply; auto follows the context window.
	MaxOutputTokens Limit `yaml:"max_output_tokens" seed:"min=16;max=10000000;words=auto;default=auto"`
	// StallTimeout ends a call after this long without anything on the stream.
	StallTimeout time.Duration `yaml:"stall_timeout" seed:"min=1s;max=1h;default=60s"`
	// Temperature handed to the endpoint; unset sends none.
	Temperature Number `yaml:"temperature" seed:"min=0;max=2;words=unset;default=unset"`
	// PricePerMillion turns tokens into money in reports.
	PricePerMillion Price `yaml:"price_per_million"`
	// Roles override the settings above for one role each.
	Roles Roles `yaml:"roles"`
}

// Price of a million tokens, in the currency of billing.
type Price struct {
	// Input is the price of a million tokens sent.
	Input Number `yaml:"input" seed:"min=0;max=1000000;words=off;default=off"`
	// Output is the price of a million tokens received.
	Output Number `yaml:"output" seed:"min=0;max=1000000;words=off;default=off"`
}

// Roles override the model's settings by role.
type Roles struct {
	// Architect plans.
	Architect ModelOverride `yaml:"architect"`
	// Implementer writes changes.
	Implementer ModelOverride `yaml:"implementer"`
	// Reviewer reads changes.
	Reviewer ModelOverride `yaml:"reviewer"`
	// Tester writes tests.
	Tester ModelOverride `yaml:"tester"`
}

// ModelOverride holds the settings of Model that a role or a domain replaces.
// What it does not set stays as it was: texts are empty, durations 0, numbers
// have Set false.
type ModelOverride struct {
	// BaseURL of another endpoint.
	BaseURL string `yaml:"base_url" seed:"form=url"`
	// Name of another model.
	Name string `yaml:"name" seed:"len=200"`
	// Fallback models instead of the general ones.
	Fallback []string `yaml:"fallback" seed:"len=200;items=10"`
	// ContextTokens of this model.
	ContextTokens Limit `yaml:"context_tokens" seed:"min=1024;max=100000000;words=auto"`
	// MaxOutputTokens of this model.
	MaxOutputTokens Limit `yaml:"max_output_tokens" seed:"min=16;max=10000000;words=auto"`
	// StallTimeout for this model.
	StallTimeout time.Duration `yaml:"stall_timeout" seed:"min=1s;max=1h"`
	// Temperature for this model.
	Temperature Number `yaml:"temperature" seed:"min=0;max=2;words=unset"`
	// PricePerMillion of this model.
	PricePerMillion PriceOverride `yaml:"price_per_million"`
}

// PriceOverride replaces prices; what it does not set stays as it was.
type PriceOverride struct {
	// Input is the price of a million tokens sent.
	Input Number `yaml:"input" seed:"min=0;max=1000000;words=off"`
	// Output is the price of a million tokens received.
	Output Number `yaml:"output" seed:"min=0;max=1000000;words=off"`
}

// Budgets bound what is spent. They are reserved before use and counted across
// runs.
type Budgets struct {
	// Change bounds one pull request, measured against the merge base of our own commits.
	Change ChangeBudget `yaml:"change"`
	// Task bounds the work on one issue.
	Task TaskBudget `yaml:"task"`
	// Plan is held back from the day for planning.
	Plan PlanBudget `yaml:"plan"`
	// Cycle bounds one growth cycle.
	Cycle CycleBudget `yaml:"cycle"`
	// Day bounds a calendar day (UTC).
	Day DayBudget `yaml:"day"`
	// Open bounds what may be open at the same time.
	Open OpenBudget `yaml:"open"`
	// Attention bounds what people are asked to read.
	Attention AttentionBudget `yaml:"attention"`
	// EffectsPerHour is the most writes to the forge in an hour; over it everything stops and says when it resumes.
	EffectsPerHour int `yaml:"effects_per_hour" seed:"min=0;max=100000;default=120"`
	// Loop ends chains of agents that answer each other.
	Loop LoopBudget `yaml:"loop"`
}

// ChangeBudget bounds one pull request.
type ChangeBudget struct {
	// MaxFiles is the most files a change may touch.
	MaxFiles int `yaml:"max_files" seed:"min=0;max=1000000;default=20"`
	// MaxLines is the most lines a change may add and remove together.
	MaxLines int `yaml:"max_lines" seed:"min=0;max=10000000;default=400"`
	// MaxDeletedRatio is the largest share of a file that a change may take away and leave the file standing, net lines lost over lines before, a fraction from 0 to 1.
	MaxDeletedRatio float64 `yaml:"max_deleted_ratio" seed:"min=0;max=1;default=0.5"`
}

// TaskBudget bounds the work on one issue.
type TaskBudget struct {
	// Tokens of all model calls, sent and received.
	Tokens int `yaml:"tokens" seed:"min=0;max=1000000000;default=400000"`
	// Minutes of wall time.
	Minutes int `yaml:"minutes" seed:"min=0;max=100000;default=60"`
	// ModelCalls is the number of calls.
	ModelCalls int `yaml:"model_calls" seed:"min=0;max=100000;default=80"`
	// Commands is the number of commands run in the sandbox.
	Commands int `yaml:"commands" seed:"min=0;max=100000;default=60"`
	// Attempts at the task as a whole.
	Attempts int `yaml:"attempts" seed:"min=0;max=1000;default=3"`
	// DebugDepth is the number of repairs in a row after failing tests.
	DebugDepth int `yaml:"debug_depth" seed:"min=0;max=1000;default=5"`
	// ReviewRounds is the number of times findings are sent back.
	ReviewRounds int `yaml:"review_rounds" seed:"min=0;max=1000;default=3"`
}

// PlanBudget is held back for planning.
type PlanBudget struct {
	// Tokens always held back from the day.
	Tokens int `yaml:"tokens" seed:"min=0;max=1000000000;default=60000"`
}

// CycleBudget bounds one growth cycle.
type CycleBudget struct {
	// Tasks started.
	Tasks int `yaml:"tasks" seed:"min=0;max=256;default=3"`
	// Tokens of all model calls.
	Tokens int `yaml:"tokens" seed:"min=0;max=1000000000;default=1000000"`
	// Minutes of wall time.
	Minutes int `yaml:"minutes" seed:"min=0;max=100000;default=180"`
	// USD spent, by the prices of model.price_per_million.
	USD Number `yaml:"usd" seed:"min=0;max=1000000;words=off;default=off"`
	// MaxFiles touched by all changes together.
	MaxFiles int `yaml:"max_files" seed:"min=0;max=1000000;default=60"`
	// MaxLines changed by all changes together.
	MaxLines int `yaml:"max_lines" seed:"min=0;max=10000000;default=1500"`
}

// DayBudget bounds a calendar day (UTC).
type DayBudget struct {
	// Tokens of all model calls.
	Tokens int `yaml:"tokens" seed:"min=0;max=1000000000;default=2000000"`
	// Cycles started.
	Cycles int `yaml:"cycles" seed:"min=0;max=10000;default=8"`
}

// OpenBudget bounds what may be open at the same time.
type OpenBudget struct {
	// PullRequests of agents that may be open.
	PullRequests int `yaml:"pull_requests" seed:"min=0;max=1000;default=1"`
	// Issues filed by agents that may be open.
	Issues int `yaml:"issues" seed:"min=0;max=10000;default=1"`
	// PerActorPerHour is the number of tasks one person may start in an hour.
	PerActorPerHour int `yaml:"per_actor_per_hour" seed:"min=0;max=10000;default=3"`
}

// AttentionBudget bounds what people are asked to read.
type AttentionBudget struct {
	// CommentsPerDay written by agents.
	CommentsPerDay int `yaml:"comments_per_day" seed:"min=0;max=10000;default=6"`
	// PauseAfterUnanswered pauses growth after this many pull requests without an answer.
	PauseAfterUnanswered int `yaml:"pause_after_unanswered" seed:"min=0;max=1000;default=2"`
	// PauseAfter pauses growth after this long without an answer.
	PauseAfter time.Duration `yaml:"pause_after" seed:"min=0s;max=365d;default=7d"`
}

// LoopBudget ends chains of agents that answer each other.
type LoopBudget struct {
	// MaxHops is the longest chain of runs started by runs.
	MaxHops int `yaml:"max_hops" seed:"min=0;max=100;default=3"`
	// SameFailure is the number of times the same failure may repeat.
	SameFailure int `yaml:"same_failure" seed:"min=0;max=100;default=3"`
}

// Commands are the repository's own commands.
type Commands struct {
	// Setup prepares a clone; it may use the network unless it says otherwise.
	Setup []SetupCommand `yaml:"setup"`
	// Format rewrites files; {files} stands for the touched ones.
	Format []Command `yaml:"format"`
	// Lint looks for faults.
	Lint []Command `yaml:"lint"`
	// Typecheck looks for type errors.
	Typecheck []Command `yaml:"typecheck"`
	// Test runs the tests; the exit code decides.
	Test []TestCommand `yaml:"test"`
	// Metrics measures numbers that quality_gates.performance.budgets bounds.
	Metrics Metrics `yaml:"metrics"`
	// Allow lists prefixes of further commands that a model's step may run.
	Allow []string `yaml:"allow" seed:"form=command"`
	// Services none means the tests need nothing else running; ci leaves tests that do to the owner's own workflows.
	Services string `yaml:"services" seed:"enum=none|ci;default=none"`
	// TestPaths are globs of the only files the test stage may write.
	TestPaths []string `yaml:"test_paths" seed:"form=glob"`
}

// SetupCommand is one command that prepares a clone.
type SetupCommand struct {
	// Run is the command line.
	Run string `yaml:"run" seed:"required;scalar;form=command"`
	// Timeout ends the command and everything it started.
	Timeout time.Duration `yaml:"timeout" seed:"min=1s;max=6h;default=10m"`
	// Network false cuts the network for this command.
	Network bool `yaml:"network" seed:"default=true"`
}

// Command is one command that runs without network unless it says otherwise.
type Command struct {
	// Run is the command line.
	Run string `yaml:"run" seed:"required;scalar;form=command"`
	// Timeout ends the command and everything it started.
	Timeout time.Duration `yaml:"timeout" seed:"min=1s;max=6h;default=10m"`
	// Network true leaves the network open for this command.
	Network bool `yaml:"network" seed:"default=false"`
}

// TestCommand is one command that tests the repository.
type TestCommand struct {
	// Run is the command line.
	Run string `yaml:"run" seed:"required;scalar;form=command"`
	// Name of the command in reports; the command line when empty.
	Name string `yaml:"name" seed:"len=100"`
	// When step runs it after each step of a task, task once at its end, both at both.
	When string `yaml:"when" seed:"enum=step|task|both;default=both"`
	// Timeout ends the command and everything it started.
	Timeout time.Duration `yaml:"timeout" seed:"min=1s;max=6h;default=10m"`
	// Report says what the command writes about single tests.
	Report Report `yaml:"report"`
	// Coverage says what the command writes about coverage.
	Coverage CoverageReport `yaml:"coverage"`
	// Network true leaves the network open for this command.
	Network bool `yaml:"network" seed:"default=false"`
}

// Report is what a test command writes about single tests.
type Report struct {
	// Format of the report; empty leaves only the exit code.
	Format string `yaml:"format" seed:"enum=gotest|junit|tap"`
	// Path of the report; empty means standard output.
	Path string `yaml:"path" seed:"form=path"`
}

// CoverageReport is what a test command writes about coverage.
type CoverageReport struct {
	// Format of the file; empty means no coverage is read.
	Format string `yaml:"format" seed:"enum=go|lcov|cobertura|jacoco"`
	// Path of the file.
	Path string `yaml:"path" seed:"form=path"`
}

// Metrics measures numbers.
type Metrics struct {
	// Run is the command line.
	Run string `yaml:"run" seed:"form=command"`
	// Path of the JSON file it writes, one flat object of names and numbers.
	Path string `yaml:"path" seed:"form=path"`
}

// Context bounds what a prompt may quote from the repository.
type Context struct {
	// MaxLines of repository text in one prompt.
	MaxLines int `yaml:"max_lines" seed:"min=0;max=1000000;default=1000"`
	// MaxTokens of repository text in one prompt.
	MaxTokens int `yaml:"max_tokens" seed:"min=0;max=100000000;default=24000"`
	// InstructionFiles are read from the base commit into every prompt; no agent may write them.
	InstructionFiles []string `yaml:"instruction_files" seed:"form=path;default=CONTRIBUTING.md|AGENTS.md"`
}

// Review says how changes made by people are reviewed.
type Review struct {
	// People is when a person's pull request is reviewed: when asked, by one summary, line by line, or never.
	People string `yaml:"people" seed:"enum=asked|summary|inline|off;default=asked"`
}

// Privacy says what of the model traffic is kept.
type Privacy struct {
	// Transcript digest keeps replies and only digests of prompts, full keeps both, none keeps nothing, so that a rerun pays again.
	Transcript string `yaml:"transcript" seed:"enum=digest|full|none;default=digest"`
	// Retention of run artifacts.
	Retention time.Duration `yaml:"retention" seed:"min=1d;max=90d;default=3d"`
}

// WorkDomain is one area of the repository with a worker of its own.
type WorkDomain struct {
	// ID is the short name of the area.
	ID string `yaml:"id" seed:"required;form=id"`
	// Paths are globs of the files that belong to the area.
	Paths []string `yaml:"paths" seed:"required;form=glob;min_items=1"`
	// Prompt is added to every task of the area.
	Prompt string `yaml:"prompt" seed:"len=20000"`
	// Model overrides the settings of the role.
	Model ModelOverride `yaml:"model"`
	// Owns lists what the area is the source of truth for, in free words.
	Owns []string `yaml:"owns"`
	// Consumes are ids of areas whose interface this one reads.
	Consumes []string `yaml:"consumes" seed:"form=id"`
	// Interface is the file in which the area publishes its interface.
	Interface string `yaml:"interface" seed:"form=path"`
	// Reviewers are logins or teams asked about changes here.
	Reviewers []string `yaml:"reviewers" seed:"form=who"`
}

// TaskType sorts tasks by words in the issue.
type TaskType struct {
	// ID is the short name of the type.
	ID string `yaml:"id" seed:"required;form=id"`
	// Keywords pick this type when one of them stands in the issue; the type without any is the fallback.
	Keywords []string `yaml:"keywords" seed:"len=100"`
	// Scope is globs of the files such a task may change.
	Scope []string `yaml:"scope" seed:"form=glob"`
	// Worker that does such tasks.
	Worker string `yaml:"worker" seed:"form=id"`
	// Label put on such issues.
	Label string `yaml:"label" seed:"form=label"`
	// Autonomy is how far such tasks may go, below the ceiling of mode and phase.
	Autonomy string `yaml:"autonomy" seed:"enum=propose|auto;default=propose"`
	// MaxRisk is the highest risk tier such a task may have.
	MaxRisk string `yaml:"max_risk" seed:"enum=low|medium|high;default=high"`
}

// Worker is one speciality.
type Worker struct {
	// Prompt is added to every task of the worker.
	Prompt string `yaml:"prompt" seed:"len=20000"`
	// Paths are globs of the files the worker may change.
	Paths []string `yaml:"paths" seed:"form=glob"`
	// Evidence lists what a change must bring along, such as a test that failed before.
	Evidence []string `yaml:"evidence" seed:"len=300"`
	// Command makes this a worker without a model: the command changes the files.
	Command string `yaml:"command" seed:"form=command"`
}

// Selection says which candidate is worked on next.
type Selection struct {
	// Order of kinds of candidates, the first first.
	Order []string `yaml:"order" seed:"enum=directive|regression|bug|follow_up|feature|growth;default=directive|regression|bug|follow_up|feature|growth"`
	// RegressionFirst true works on nothing else while a regression is open.
	RegressionFirst bool `yaml:"regression_first" seed:"default=true"`
	// Cooldown before the same candidate is tried again.
	Cooldown time.Duration `yaml:"cooldown" seed:"min=0s;max=365d;default=24h"`
	// Integration many opens one pull request a task, one gathers the tasks of an epic.
	Integration string `yaml:"integration" seed:"enum=many|one;default=many"`
}

// Risk lists what raises the risk tier. What is built in cannot be removed.
type Risk struct {
	// High lists globs of files, or kinds of change, that make a change high risk.
	High []string `yaml:"high" seed:"form=glob"`
	// Medium lists globs of files, or kinds of change, that make a change medium risk.
	Medium []string `yaml:"medium" seed:"form=glob"`
	// RFCRequiredFor lists kinds of change that need an agreed proposal first.
	RFCRequiredFor []string `yaml:"rfc_required_for" seed:"enum=breaking_change|new_public_api|major_dependency|new_architecture|permission_model|new_external_service|schema_migration|security_critical;default=breaking_change|new_public_api|major_dependency|new_architecture|permission_model"`
	// HumanSignoff lists kinds of change that a person must sign off.
	HumanSignoff []string `yaml:"human_signoff" seed:"enum=breaking_change|new_public_api|major_dependency|new_architecture|permission_model|new_external_service|schema_migration|security_critical;default=new_external_service|schema_migration|security_critical"`
}

// Approvals say who may say yes to what, as logins or org/team.
type Approvals struct {
	// Merge lists who may approve a merge; empty means anyone with write permission.
	Merge []string `yaml:"merge" seed:"form=who"`
	// RFC lists who may agree to a proposal; empty means administrators.
	RFC []string `yaml:"rfc" seed:"form=who"`
	// Cost lists who may agree to a price; empty means administrators.
	Cost []string `yaml:"cost" seed:"form=who"`
	// ProjectStart lists who starts a project: when set, it wants one yes from project.owners and one from here, by two people.
	ProjectStart []string `yaml:"project_start" seed:"form=who"`
	// Required is the number of approvals by risk tier.
	Required RequiredApprovals `yaml:"required"`
}

// RequiredApprovals is the number of approvals by risk tier.
type RequiredApprovals struct {
	// Low risk changes.
	Low int `yaml:"low" seed:"min=0;max=20;default=0"`
	// Medium risk changes.
	Medium int `yaml:"medium" seed:"min=0;max=20;default=1"`
	// High risk changes.
	High int `yaml:"high" seed:"min=0;max=20;default=2"`
}

// Ethics names the project's policy.
type Ethics struct {
	// Policy is the file that holds it.
	Policy string `yaml:"policy" seed:"form=path"`
	// Resolvers are logins or teams that may resolve a concern; agents never can.
	Resolvers []string `yaml:"resolvers" seed:"form=who"`
}

// Consent is a text that must have been agreed to.
type Consent struct {
	// ID by which people agree to it.
	ID string `yaml:"id" seed:"required;form=id"`
	// Path of the text; a changed text is asked again.
	Path string `yaml:"path" seed:"required;form=path"`
	// RequiredFor lists what is held until then.
	RequiredFor []string `yaml:"required_for" seed:"enum=project_start|task|merge|deploy;default=project_start"`
}

// FeatureFlag is a switch that code stands behind.
type FeatureFlag struct {
	// ID of the switch as the code names it.
	ID string `yaml:"id" seed:"required;form=id"`
	// Default position.
	Default bool `yaml:"default" seed:"default=false"`
	// Owner is the login or team that decides about it.
	Owner string `yaml:"owner" seed:"form=who"`
	// Expires is the day (YYYY-MM-DD) after which its removal is proposed.
	Expires string `yaml:"expires" seed:"form=date"`
	// Paths are globs of files whose new code must be guarded by it.
	Paths []string `yaml:"paths" seed:"form=glob"`
}

// Billing turns use into money in estimates and reports.
type Billing struct {
	// MarginPercent is added to estimates, on a line of its own.
	MarginPercent float64 `yaml:"margin_percent" seed:"min=0;max=1000;default=0"`
	// Currency code of all prices, three capital letters.
	Currency string `yaml:"currency" seed:"form=currency;default=USD"`
	// RunnerMinutePrice of one minute on a runner.
	RunnerMinutePrice float64 `yaml:"runner_minute_price" seed:"min=0;max=1000;default=0.008"`
}

// Notify says who is asked, reminded and paged.
type Notify struct {
	// Owner lists logins who are asked about tasks; empty means project.owners.
	Owner []string `yaml:"owner" seed:"form=who"`
	// Team lists logins or teams who are paged when something stops.
	Team []string `yaml:"team" seed:"form=who"`
	// WebhookSecret is the name of a secret that holds a webhook address.
	WebhookSecret string `yaml:"webhook_secret" seed:"form=env"`
	// RemindAfter is the time without an answer before a reminder.
	RemindAfter time.Duration `yaml:"remind_after" seed:"min=1h;max=365d;default=72h"`
	// RemindMax is the number of reminders; 0 means none.
	RemindMax int `yaml:"remind_max" seed:"min=0;max=100;default=3"`
}

// Growth says where ideas come from when nobody files an issue.
type Growth struct {
	// Sources are measurements to look at, or commands that print candidates as JSON.
	Sources []Source `yaml:"sources" seed:"default=todo|coverage|complexity|duplication|dependencies|flaky"`
	// Proposals sticky keeps the best three in one issue, where a ticked box approves.
	Proposals string `yaml:"proposals" seed:"enum=sticky;default=sticky"`
	// AutoApprove low starts low-risk proposals without a person's yes.
	AutoApprove string `yaml:"auto_approve" seed:"enum=none|low;default=none"`
	// Vision is a file of whose headings each candidate cites one.
	Vision string `yaml:"vision" seed:"form=path"`
	// SandboxBranches are globs of branches in which low risk may be merged from phase 4 on.
	SandboxBranches []string `yaml:"sandbox_branches" seed:"form=glob"`
	// PreapprovedModules are globs of files in which low risk may be merged from phase 4 on.
	PreapprovedModules []string `yaml:"preapproved_modules" seed:"form=glob"`
}

// Source is one place that ideas come from: a built-in measurement or a
// command, never both.
type Source struct {
	// Name of a built-in measurement, written as a bare text.
	Name string `yaml:"-" seed:"scalar;enum=todo|coverage|complexity|duplication|dependencies|flaky"`
	// Command prints candidates as JSON.
	Command string `yaml:"command" seed:"required;form=command"`
}

// Log says where the record is committed.
type Log struct {
	// Branch that holds AUTOGEN_LOG.md; empty means the default branch.
	Branch string `yaml:"branch" seed:"form=branch"`
}

// Deploy says how a merged commit reaches staging and production.
type Deploy struct {
	// Provider that releases are made with.
	Provider string `yaml:"provider" seed:"enum=none|heroku|command|github-environment;default=none"`
	// Staging is where a release is tried first.
	Staging Target `yaml:"staging"`
	// Production is where people use it.
	Production Target `yaml:"production"`
	// Watch says how long and how closely a release is looked at.
	Watch Watch `yaml:"watch"`
	// Observe lists further signals about a release.
	Observe []Observe `yaml:"observe"`
	// Promotion approve asks a person before production, auto does not.
	Promotion string `yaml:"promotion" seed:"enum=approve|auto;default=approve"`
	// Resources the platform runs; a changed price needs a yes from approvals.cost.
	Resources []Resource `yaml:"resources"`
}

// Target is one place a release goes to.
type Target struct {
	// App is the platform's name of it.
	App string `yaml:"app" seed:"len=200"`
	// URL under which it answers.
	URL string `yaml:"url" seed:"form=url"`
	// Health is the path of the health probe under the URL.
	Health string `yaml:"health" seed:"form=urlpath;default=/healthz"`
	// Deploy is the command that releases a commit here.
	Deploy string `yaml:"deploy" seed:"form=command"`
	// Promote is the command that moves the watched release here.
	Promote string `yaml:"promote" seed:"form=command"`
	// Rollback is the command that goes back to the release before.
	Rollback string `yaml:"rollback" seed:"form=command"`
}

// Watch says how long and how closely a release is looked at.
type Watch struct {
	// Settle is the time before the first sample.
	Settle time.Duration `yaml:"settle" seed:"min=0s;max=24h;default=60s"`
	// Window is the time of watching after that.
	Window time.Duration `yaml:"window" seed:"min=0s;max=7d;default=10m"`
	// Interval between samples.
	Interval time.Duration `yaml:"interval" seed:"min=1s;max=24h;default=15s"`
	// MaxFailures is the number of failed samples that is still good.
	MaxFailures int `yaml:"max_failures" seed:"min=0;max=100000;default=0"`
	// MinSamples below which nothing is concluded.
	MinSamples int `yaml:"min_samples" seed:"min=1;max=100000;default=10"`
}

// Observe is one further signal about a release; exactly one of its keys is
// set.
type Observe struct {
	// HTTP probes a path under the target's URL.
	HTTP *HTTPSignal `yaml:"http" seed:"oneof"`
	// HerokuLogs reads router and application logs.
	HerokuLogs *HerokuLogsSignal `yaml:"heroku_logs" seed:"oneof"`
	// Rollbar reads an error tracker.
	Rollbar *RollbarSignal `yaml:"rollbar" seed:"oneof"`
	// Command runs a command whose exit code decides.
	Command *CommandSignal `yaml:"command" seed:"oneof"`
}

// HTTPSignal probes a path under the target's URL.
type HTTPSignal struct {
	// Path to ask for.
	Path string `yaml:"path" seed:"required;scalar;form=urlpath"`
	// Status expected.
	Status int `yaml:"status" seed:"min=100;max=599;default=200"`
	// Body is a regular expression (RE2) that the answer must match; empty accepts any.
	Body string `yaml:"body" seed:"form=regexp;len=500"`
	// MaxLatency of an answer.
	MaxLatency time.Duration `yaml:"max_latency" seed:"min=1ms;max=10m;default=5s"`
}

// HerokuLogsSignal bounds errors in router and application logs.
type HerokuLogsSignal struct {
	// MaxErrors is the number of platform error lines (H and R codes) that is still good.
	MaxErrors int `yaml:"max_errors" seed:"min=0;max=1000000;default=0"`
	// Max5xxRatio is the largest share of answers with a 5xx status, a fraction from 0 to 1.
	Max5xxRatio float64 `yaml:"max_5xx_ratio" seed:"min=0;max=1;default=0.01"`
}

// RollbarSignal bounds what an error tracker saw since the release.
type RollbarSignal struct {
	// TokenSecret is the name of the secret that holds the read token.
	TokenSecret string `yaml:"token_secret" seed:"form=env;default=ROLLBAR_TOKEN"`
	// MaxNew is the number of new items that is still good.
	MaxNew int `yaml:"max_new" seed:"min=0;max=1000000;default=0"`
	// MaxReactivated is the number of items that came back that is still good.
	MaxReactivated int `yaml:"max_reactivated" seed:"min=0;max=1000000;default=0"`
}

// CommandSignal is a command whose exit code decides.
type CommandSignal struct {
	// Run is the command line.
	Run string `yaml:"run" seed:"required;scalar;form=command"`
	// Timeout ends the command and everything it started.
	Timeout time.Duration `yaml:"timeout" seed:"min=1s;max=1h;default=60s"`
}

// Resource is something the platform runs for money.
type Resource struct {
	// Kind of resource, such as dyno or addon.
	Kind string `yaml:"kind" seed:"required;len=100"`
	// Name of it on the platform.
	Name string `yaml:"name" seed:"required;len=200"`
	// Plan or size of it.
	Plan string `yaml:"plan" seed:"len=200"`
	// MonthlyUSD is its price in a month.
	MonthlyUSD Number `yaml:"monthly_usd" seed:"min=0;max=10000000;words=off;default=off"`
}

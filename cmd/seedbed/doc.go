// Seedbed lets a repository grow by itself inside limits that its owner wrote
// down in seed.yaml. One label on an issue starts a cycle; its end is a small,
// tested pull request, or a clear no.
//
// # The tour, bottom up
//
// Values. internal/seed reads the contract. internal/forge has the nouns of a
// code host, internal/task one issue's worth of work, internal/change an edit as
// trees and lines, internal/command a program to run, internal/llm words
// exchanged with a model, internal/budget what may be spent, internal/secret
// what must not leave, internal/finding what a rule says, internal/rundir what
// one job hands to the next, internal/journal the log. They import one another
// and nothing else.
//
// Judging. internal/policy is a pure function of seed, change and facts; its
// table of rules is rules.go, one file each. Only it can make the proof that
// internal/effect wants before it publishes or merges. internal/effect is every
// change of the outside world as a value, and the one place where they happen.
// internal/prompt is what models are asked. internal/check runs a repository's
// declared commands and reads their reports.
//
// Stages. internal/stage/plan, implement, test, review, govern and deploy are
// the steps of a cycle. Each says in its ports what it may touch. They import no
// adapter and not one another.
//
// Adapters. internal/adapter/github, git, openai, sandbox and runner serve those
// ports. They import only values. internal/fakegithub is a whole GitHub on
// loopback, over real repositories, for the demo, rehearsals and tests.
//
// People. internal/setup has demo, rehearse, init and doctor; internal/report
// has status. This package puts it all together: one file per command, flags
// in, adapters built, stage run. The struct literals in implement.go, plan.go
// and govern.go are the permission lists of the steps. Exit codes are mapped in
// main.go and nowhere else.
//
// # One cycle
//
//	event + seed.yaml@base ─► plan ─► implement ⇄ test ⇄ review ─► run directory
//	run directory ─► govern: apply to a fresh clone, gather facts, judge
//	             ─► branch, pull request, check ─► judged again ─► merge ─► log
//
// Everything left of the run directory holds no token that can write; govern
// holds no model, runs no code of the repository and believes nothing it is
// handed but the patch, which it judges as what it does to the tree.
//
// # Reading order for a newcomer
//
// internal/setup/demo.go and cycle.go tell the story from outside;
// internal/stage/govern/decide.go and settle.go from inside; then
// internal/policy/policy.go and internal/effect/apply.go. Behaviour as people
// type it stands in testdata/script.
package main

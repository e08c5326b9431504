// Package fakegithub is GitHub on loopback: REST, five GraphQL operations and
// git over smart HTTP, standing on real bare git repositories.
//
// It exists so that a whole growth cycle (issue, branch, pull request, review,
// merge, deployment) can be rehearsed, demonstrated and tested with nothing
// real touched. Everything lives under one directory: OWNER/NAME.git are bare
// repositories, state.json is all that is not git, requests.jsonl has a line
// for each request, events/ holds the webhook payloads of what happened. A
// server opened again on the same directory goes on with the same numbers,
// ids and tokens.
//
// What it promises: answers have the shapes of GitHub's published API
// description; ids and times come from counters and from the clock it was
// given; a token can do only what it was minted for, and a refusal names the
// permission that was missing; objects, diffs and merges are git's own.
//
// What it does not do: run workflows, deliver webhooks, send notifications,
// or serve anything but loopback. Mergeability is computed at once instead of
// in the background.
//
// A tour: server.go opens, listens and carries one request from socket to
// answer; routes.go is the table of everything REST can do and what it needs;
// access.go decides who may; the files named after nouns (issues.go, pulls.go,
// checks.go ...) answer; git.go runs git; smarthttp.go serves clone and push;
// graphql.go the five operations; events.go writes payloads; faults.go breaks
// things on purpose; setup.go is how a demo or a test furnishes a world.
package fakegithub

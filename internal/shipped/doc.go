// Package shipped holds the tests of what this repository ships besides Go code:
// action.yml and its two scripts, the workflows, the examples that users copy,
// the Dockerfile.
//
// They say three things. The files are well formed (actionlint,
// action-validator, BuildKit's parser). They keep the trust table: which job may
// do what with its token, sees which secret, runs which step. And they work: the
// real act runs the examples byte for byte against the fake GitHub, and the
// install script meets a release folder that lies to it.
//
// The package has no code of its own.
package shipped

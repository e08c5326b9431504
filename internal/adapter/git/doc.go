// Package git runs the git program on repositories whose content and
// configuration may be hostile, and returns what it says as values of package
// change.
//
// What it promises:
//
//   - git sees a fixed environment: no system, user or inherited configuration,
//     no hooks, no prompts, no pager, no replace refs, no grafts, no lazy
//     fetches. What could start a program (file system monitor, ssh command,
//     credential helper, external diff, filters) is overridden in the
//     environment, which outranks every file.
//   - Untrusted repositories are read through a fresh bare repository made by
//     Clone or InitFrom. Their configuration, hooks and attributes stay behind;
//     only objects come over, and each is checked on the way.
//   - Trees are read raw: modes as the tree object has them, names with -z,
//     duplicate entries kept.
//   - A token travels in the environment of the one command that needs it, never
//     in arguments, URLs, files or error texts.
//   - Output is bounded, and a cancelled context kills git with all its children.
//
// What it does not do: judge anything, or run code of the repository. Checkout
// writes a plain work tree in which somebody else may run it; what was done to
// that tree is read back with Snapshot, which does not look at the tree's own
// .git at all.
//
// Open is for repositories whose owner is trusted with configuration, such as
// one made here earlier or the one the user stands in. The overrides above hold
// there too, but Clone and InitFrom are the wall.
package git

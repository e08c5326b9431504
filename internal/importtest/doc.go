// Package importtest holds the rules about which package may import which, each
// with its reason, and the test that enforces them. It has no other code.
package importtest

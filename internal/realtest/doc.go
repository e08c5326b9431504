// Package realtest holds no code of the product: its test takes modules that
// strangers wrote through a whole growth cycle, on a fake GitHub.
//
// The modules are downloaded at fixed versions, copied and made repositories; a
// command worker changes them, their own tests judge. Where the module proxy
// cannot be reached the test is skipped and says so.
package realtest

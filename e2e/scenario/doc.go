// Package scenario is the story that the demo shows and the end-to-end tests assert: two tenants with
// the same addresses on three hosts, and the checks that tell whether everyone reaches whom they
// should and nobody else.
package scenario

// Package e2e tests the whole system with real parts, as a user would meet it. Its tests need Linux
// and root; what they share with the demo is in the folders below.
package e2e

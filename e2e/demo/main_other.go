//go:build !linux

// Demo needs Linux: network namespaces and eBPF.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "demo: this needs Linux: it creates network namespaces and loads eBPF programs")
	os.Exit(1)
}

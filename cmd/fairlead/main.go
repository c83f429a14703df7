// Fairlead is the host agent of overlay tenant networks, and the command line to it.
package main

import "os"

// version is set by the linker.
var version = "devel"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Command fairlead-nc is the development Network Controller: package nctest behind TLS.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// env is what run needs of the process, so that tests can run it inside theirs.
type env struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(os.Args[1:], env{ctx: ctx, stdout: os.Stdout, stderr: os.Stderr}))
}

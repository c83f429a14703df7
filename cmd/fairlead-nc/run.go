package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Exit codes, as for all our commands.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

type usageError struct{ error }

func run(args []string, e env) int {
	cmd := rootCommand(e)
	cmd.AddCommand(generateCommand(e.stderr), conformanceCommand(e.stderr))
	cmd.SetArgs(args)
	cmd.SetOut(e.stderr)
	cmd.SetErr(e.stderr)
	err := cmd.ExecuteContext(e.ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(e.stderr, "fairlead-nc:", err)
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(e.stderr, "Run 'fairlead-nc --help' for usage.")
		return exitUsage
	}
	return exitFailed
}

// rootCommand serves; what else fairlead-nc can do are subcommands of it.
func rootCommand(e env) *cobra.Command {
	cmd := serveCommand(e)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	return cmd
}

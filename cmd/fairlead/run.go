package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/config"
)

// Exit codes of the contract.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitUnreachable = 4
	exitDegraded    = 5
)

// exitError carries its exit code; a message that was printed already is empty.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

var errQuiet = errors.New("")

// cli is what the commands share.
type cli struct {
	stdout, stderr io.Writer
	configPath     string
	socket         string
	output         string
}

func run(args []string, stdout, stderr io.Writer) int {
	c := &cli{stdout: stdout, stderr: stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	code, hint := c.judge(err)
	if msg := err.Error(); msg != "" {
		fmt.Fprintln(stderr, "fairlead:", msg)
	}
	if hint != "" {
		fmt.Fprintln(stderr, hint)
	}
	return code
}

// judge finds the exit code of an error, and what to do next.
func (c *cli) judge(err error) (code int, hint string) {
	var ee *exitError
	var problem *api.Error
	switch {
	case errors.As(err, &ee):
		return ee.code, ""
	case errors.Is(err, api.ErrUnreachable):
		socket, _ := c.socketPath()
		if errors.Is(err, fs.ErrPermission) {
			return exitUnreachable, fmt.Sprintf("The socket %s is for root and its group: try again as root.", socket)
		}
		return exitUnreachable, fmt.Sprintf("Is the agent running? Nothing answers on %s. Start it with: fairlead agent --config %s", socket, c.configOrDefault())
	case errors.Is(err, api.ErrStreamEnded):
		return exitUnreachable, ""
	case errors.As(err, &problem) && problem.Status == http.StatusNotFound:
		return exitNotFound, ""
	case strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "accepts "): // cobra's own words
		return exitUsage, "See: fairlead --help"
	}
	return exitFailed, ""
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "fairlead",
		Short:         "Host agent of overlay tenant networks",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v; see: %s --help", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&c.configPath, "config", "", "configuration file (default "+config.DefaultPath+")")
	f.StringVar(&c.socket, "socket", os.Getenv("FAIRLEAD_SOCKET"), "the agent's socket (default: api.socket of the configuration; or $FAIRLEAD_SOCKET)")
	root.AddCommand(c.agentCommand(), c.checkConfigCommand(), c.statusCommand(), c.networkCommand(), c.subnetCommand(), c.aclCommand(), c.routeCommand(), c.loadBalancerCommand(), c.publicAddressCommand(),
		c.mappingCommand(), c.endpointCommand(), c.traceCommand(), c.flowCommand(), c.vfpCommand(), c.monitorCommand(), c.versionCommand())
	return root
}

// reads adds -o to a reading command.
func (c *cli) reads(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&c.output, "output", "o", "table", "table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	inner := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch c.output {
		case "table", "json", "yaml":
			return inner(cmd, args)
		}
		return usage("--output %q: want table, json or yaml", c.output)
	}
	return cmd
}

func (c *cli) configOrDefault() string {
	if c.configPath != "" {
		return c.configPath
	}
	return config.DefaultPath
}

// socketPath needs no configuration file when --socket is given. Without a file at the default place, or the right
// to read it, the socket is at its default place, too.
func (c *cli) socketPath() (string, error) {
	if c.socket != "" {
		return c.socket, nil
	}
	path, err := config.Socket(c.configOrDefault())
	if c.configPath == "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
		return config.DefaultSocket, nil
	}
	return path, err
}

func (c *cli) client() (*api.Client, error) {
	path, err := c.socketPath()
	return api.NewClient(path), err
}

// group is a command that only has others below it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	parent := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage("unknown command %q for %q; see: %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
		}
		return cmd.Help()
	}}
	parent.AddCommand(commands...)
	return parent
}

// absolute makes a path independent of the agent's working directory.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/agent"
	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/config"
	"github.com/fairlead-net/fairlead/controller-client/rest"
)

func (c *cli) agentCommand() *cobra.Command {
	var logFormat string
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the agent of this host",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var handler slog.Handler = slog.NewTextHandler(c.stderr, nil)
			switch logFormat {
			case "text":
			case "json":
				handler = slog.NewJSONHandler(c.stderr, nil)
			default:
				return usage("--log-format %q: want text or json", logFormat)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return c.runAgent(ctx, slog.New(handler))
		},
	}
	cmd.Flags().StringVar(&logFormat, "log-format", "text", "text or json")
	return cmd
}

// gcPercent trades a little of an idle processor for memory: most of the heap is state that stays.
const gcPercent = 30

func (c *cli) runAgent(ctx context.Context, log *slog.Logger) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	cfg, err := config.Load(c.configOrDefault())
	if err != nil {
		return err
	}
	source, err := newSource(cfg, log)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return fmt.Errorf("stateDir: %w", err)
	}
	unlock, err := lock(filepath.Join(cfg.StateDir, "lock"))
	if err != nil {
		return fmt.Errorf("stateDir: %w", err)
	}
	defer unlock()
	listener, err := agent.Listen(cfg.API.Socket)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	source.Start(ctx) // what takes longest, beside what follows
	dp, err := openDatapath(cfg, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer dp.Close()
	a, err := agent.New(cfg, source, dp, log, version)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	served := make(chan error, 1)
	go func() {
		served <- a.Serve(ctx, listener)
		cancel()
	}()
	log.Info("agent running", "host", cfg.Host.Name, "socket", cfg.API.Socket, "version", version)
	err = a.Run(ctx)
	cancel()
	err = errors.Join(err, <-served)
	log.Info("agent stopped; packets flow on")
	return err
}

// newSource makes the source that controller.type names.
func newSource(cfg *config.Config, log *slog.Logger) (*rest.Source, error) {
	if cfg.Controller.Type != "rest" {
		return nil, fmt.Errorf("controller.type: %s is not supported yet, only rest", cfg.Controller.Type)
	}
	r := cfg.Controller.REST
	return rest.New(rest.Config{URLs: append([]string{r.URL}, r.URLs...), Host: cfg.Host.Name, Scope: r.Scope,
		PollInterval: time.Duration(r.PollInterval), AttemptTimeout: time.Duration(r.RequestTimeout), MaxBody: int64(r.MaxAnswerMB) << 20,
		TLS: rest.TLS{CA: r.TLS.CA, Cert: r.TLS.Cert, Key: r.TLS.Key}, Kerberos: rest.Kerberos(r.Kerberos), Logger: log})
}

func (c *cli) checkConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config",
		Short: "Check the configuration file, and the files it names",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Load(c.configOrDefault())
			if err != nil {
				return err
			}
			if _, err := newSource(cfg, slog.New(slog.DiscardHandler)); err != nil {
				return fmt.Errorf("%s: %w", c.configOrDefault(), err)
			}
			fmt.Fprintf(c.stdout, "%s: ok\n", c.configOrDefault())
			return nil
		},
	}
}

func (c *cli) versionCommand() *cobra.Command {
	return c.reads(&cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			doc := struct {
				api.Kinded
				Version string `json:"version"`
			}{api.Kinded{APIVersion: api.Version, Kind: "Version"}, version}
			return c.show(doc, func(row func(...any)) { row("fairlead " + version) })
		},
	})
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// Exit codes, as for all our commands.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

type usageError struct{ error }

type options struct {
	listen, data, load, pki string
	san                     []string
	clientAuth              string
	verbose                 bool
}

func run(args []string, e env) int {
	var o options
	cmd := &cobra.Command{
		Use:           "fairlead-nc",
		Short:         "Development Network Controller",
		Long:          "Serves the Network Controller northbound (/networking/v1) over HTTPS, with certificates it makes itself.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unexpected argument %q", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), o, e) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8443", "address to serve on")
	f.StringVar(&o.data, "data", "", "directory to keep resources in (default: memory only)")
	f.StringVar(&o.load, "load", "", "JSON file, or directory of them, to put in force at start")
	f.StringVar(&o.pki, "pki", "", "directory of the certificates (default: DATA/pki, else a temporary one)")
	f.StringSliceVar(&o.san, "san", nil, "further names and addresses of the server certificate")
	f.StringVar(&o.clientAuth, "client-auth", "require", "client certificates: require or none")
	f.BoolVar(&o.verbose, "verbose", false, "log every request")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
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

func serve(ctx context.Context, o options, e env) error {
	if o.clientAuth != "require" && o.clientAuth != "none" {
		return usageError{fmt.Errorf("--client-auth: %q is neither require nor none", o.clientAuth)}
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen: %w", err)}
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	controller, err := nctest.Open(nctest.Options{
		DataDir: o.data,
		Logger:  slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return err
	}
	if o.load != "" {
		if err := controller.Load(o.load); err != nil {
			return fmt.Errorf("--load: %w", err)
		}
	}
	pki, err := certificates(o, host)
	if err != nil {
		return err
	}
	tlsConfig, err := pki.ServerTLS(o.clientAuth == "require")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "fairlead-nc: serving https://%s/networking/v1 ca=%s cert=%s key=%s\n",
		listener.Addr(), pki.CA, pki.HostCert, pki.HostKey)
	return controller.Serve(ctx, tls.NewListener(listener, tlsConfig))
}

func certificates(o options, host string) (nctest.PKI, error) {
	dir := o.pki
	switch {
	case dir != "":
	case o.data != "":
		dir = filepath.Join(o.data, "pki")
	default:
		var err error
		if dir, err = os.MkdirTemp("", "fairlead-nc-pki-"); err != nil {
			return nctest.PKI{}, err
		}
	}
	names := o.san
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		names = append([]string{host}, names...)
	}
	return nctest.EnsurePKI(dir, names)
}

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

type options struct {
	listen, data, load, pki string
	san                     []string
	clientAuth              string
	verbose                 bool
	pageSize                int
	validate                string
	delay                   time.Duration
	assignPAs               bool
	requestLog              string
}

func serveCommand(e env) *cobra.Command {
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
	f.IntVar(&o.pageSize, "page-size", 1000, "resources on a page of a list, at most")
	f.StringVar(&o.validate, "validate", "strict", "what is refused: strict (what cannot work) or references (only those to what does not exist)")
	f.DurationVar(&o.delay, "provisioning-delay", 0, "how long a change is Updating or Deleting before it takes effect")
	f.BoolVar(&o.assignPAs, "assign-provider-addresses", false, "give servers without a PA one of the HNV logical network's ipPools")
	f.StringVar(&o.requestLog, "request-log", "", "file for a JSON line per request, or - for stdout")
	return cmd
}

// check answers the host of --listen.
func (o options) check() (host string, err error) {
	if o.clientAuth != "require" && o.clientAuth != "none" {
		return "", usageError{fmt.Errorf("--client-auth: %q is neither require nor none", o.clientAuth)}
	}
	if o.validate != "strict" && o.validate != "references" {
		return "", usageError{fmt.Errorf("--validate: %q is neither strict nor references", o.validate)}
	}
	if o.pageSize < 1 {
		return "", usageError{fmt.Errorf("--page-size: %d is not positive", o.pageSize)}
	}
	if o.delay < 0 {
		return "", usageError{fmt.Errorf("--provisioning-delay: %v is negative", o.delay)}
	}
	if host, _, err = net.SplitHostPort(o.listen); err != nil {
		return "", usageError{fmt.Errorf("--listen: %w", err)}
	}
	return host, nil
}

func serve(ctx context.Context, o options, e env) (err error) {
	host, err := o.check()
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	var requestLog io.Writer
	switch o.requestLog {
	case "":
	case "-":
		requestLog = e.stdout
	default:
		f, err := os.OpenFile(o.requestLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("--request-log: %w", err)
		}
		defer f.Close()
		requestLog = f
	}
	controller, err := nctest.Open(nctest.Options{
		DataDir:                 o.data,
		Logger:                  slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level})),
		PageSize:                o.pageSize,
		Strict:                  o.validate == "strict",
		ProvisioningDelay:       o.delay,
		AssignProviderAddresses: o.assignPAs,
		RequestLog:              requestLog,
	})
	if err != nil {
		return err
	}
	defer func() {
		if closing := controller.Close(); err == nil {
			err = closing
		}
	}()
	if o.load != "" {
		if err := controller.Load(o.load); err != nil {
			return fmt.Errorf("--load: %w", err)
		}
	}
	debug.FreeOSMemory() // reading a fabric takes three times what it leaves
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

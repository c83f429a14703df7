package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/nctest/conformance"
	"github.com/fairlead-net/fairlead/controller-client/nctest/fabric"
)

// requestTimeout bounds one request with its whole answer.
const requestTimeout = 2 * time.Minute

type conformanceOptions struct {
	url, ca, cert, key string
	record, compare    string
	readOnly           bool
}

// conformanceCommand asks a controller, and keeps or compares what it answers.
func conformanceCommand(stderr io.Writer) *cobra.Command {
	var o conformanceOptions
	cmd := &cobra.Command{
		Use:   "conformance [--url URL]",
		Short: "Ask any Network Controller a script of requests; record or compare its answers",
		Long: "Goes through a script of requests against a Network Controller and records status codes and the shapes of bodies,\n" +
			"without values. Without --url it asks a development controller that it starts itself.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("read-only") {
				o.readOnly = o.url != ""
			}
			return runConformance(cmd.Context(), o, stderr)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "of the controller, such as https://nc.contoso.example")
	f.StringVar(&o.ca, "ca", "", "PEM file of the CA of its certificate (default: those of the system)")
	f.StringVar(&o.cert, "cert", "", "PEM file of our client certificate")
	f.StringVar(&o.key, "key", "", "PEM file of its key")
	f.StringVar(&o.record, "record", "", "file to write the record to")
	f.StringVar(&o.compare, "compare", "", "earlier record to compare with; exit code 1 on differences")
	f.BoolVar(&o.readOnly, "read-only", true, "only read; without --url the default is to write, too")
	return cmd
}

func runConformance(ctx context.Context, o conformanceOptions, stderr io.Writer) error {
	if (o.cert == "") != (o.key == "") {
		return usageError{errors.New("--cert and --key belong together")}
	}
	if o.url == "" && (o.ca != "" || o.cert != "") {
		return usageError{errors.New("--ca, --cert and --key belong to --url")}
	}
	var earlier conformance.Record
	var err error
	if o.compare != "" {
		if earlier, err = conformance.ReadFile(o.compare); err != nil {
			return fmt.Errorf("--compare: %w", err)
		}
	}
	if o.url == "" {
		url, pki, stop, err := developmentController(ctx)
		if err != nil {
			return err
		}
		defer stop()
		o.url, o.ca, o.cert, o.key = url, pki.CA, pki.HostCert, pki.HostKey
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if o.readOnly {
		fmt.Fprintf(stderr, "fairlead-nc: reading from %s\n", o.url)
	} else {
		fmt.Fprintf(stderr, "fairlead-nc: WRITING to %s: makes resources named fairlead-conformance-…, and deletes them again\n", o.url)
	}
	runner := conformance.Runner{URL: o.url, HTTP: client, Write: !o.readOnly, Progress: func(a conformance.Answer) {
		switch {
		case a.Skipped != "":
			fmt.Fprintf(stderr, "  - %-6s %s: skipped, %s\n", a.Method, a.Step, a.Skipped)
		case a.Failed != "":
			fmt.Fprintf(stderr, "  ! %-6s %s: %v\n", a.Method, a.Step, a.Err)
		default:
			fmt.Fprintf(stderr, "%3d %-6s %s\n", a.Status, a.Method, a.Step)
		}
	}}
	record, err := runner.Run(ctx)
	if o.record != "" && len(record.Steps) > 0 {
		err = errors.Join(err, record.WriteFile(o.record))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "fairlead-nc: %d steps\n", len(record.Steps))
	if o.compare == "" {
		return nil
	}
	differences := conformance.Compare(earlier, record)
	for _, d := range differences {
		fmt.Fprintln(stderr, d)
	}
	if len(differences) > 0 {
		return fmt.Errorf("%d differences from %s", len(differences), o.compare)
	}
	fmt.Fprintf(stderr, "fairlead-nc: no differences from %s\n", o.compare)
	return nil
}

func (o conformanceOptions) client() (*http.Client, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.ca != "" {
		data, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("--ca: %s holds no PEM certificate", o.ca)
		}
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, fmt.Errorf("--cert, --key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg
	return &http.Client{Timeout: requestTimeout, Transport: transport}, nil
}

// developmentController starts one on a free port, with a small fabric and certificates of its own.
// stop ends it and removes what it left.
func developmentController(ctx context.Context) (url string, pki nctest.PKI, stop func(), err error) {
	dir, err := os.MkdirTemp("", "fairlead-conformance-")
	if err != nil {
		return "", pki, nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	small, err := fabric.New(conformance.SmallFabric)
	if err != nil {
		return "", pki, nil, err
	}
	load := filepath.Join(dir, "load")
	if err = os.Mkdir(load, 0o700); err != nil {
		return "", pki, nil, err
	}
	if _, err = small.WriteDir(load); err != nil {
		return "", pki, nil, err
	}
	controller, err := nctest.Open(nctest.Options{})
	if err != nil {
		return "", pki, nil, err
	}
	if err = controller.Load(load); err != nil {
		return "", pki, nil, err
	}
	if pki, err = nctest.EnsurePKI(filepath.Join(dir, "pki"), nil); err != nil {
		return "", pki, nil, err
	}
	cfg, err := pki.ServerTLS(true)
	if err != nil {
		return "", pki, nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		return "", pki, nil, err
	}
	// It outlives an interrupt: what the script has made is still to be deleted.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- controller.Serve(ctx, listener) }()
	return "https://" + listener.Addr().String(), pki, func() {
		cancel()
		<-ended
		_ = os.RemoveAll(dir)
	}, nil
}

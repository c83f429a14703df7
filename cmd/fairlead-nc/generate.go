package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/controller-client/nctest/fabric"
)

// generateCommand writes a fabric as files that --load takes.
func generateCommand(stderr io.Writer) *cobra.Command {
	var spec fabric.Spec
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "generate --out DIR",
		Short: "Write the resources of a fabric of any size, for --load",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			return generate(spec, out, force, stderr)
		},
	}
	f := cmd.Flags()
	f.IntVar(&spec.Servers, "servers", 10, "hosts")
	f.IntVar(&spec.Tenants, "tenants", 10, "virtual networks, which all use the same addresses")
	f.IntVar(&spec.Subnets, "subnets", 4, "subnets of each virtual network")
	f.IntVar(&spec.NICs, "nics", 100, "NICs, spread over tenants and servers")
	f.IntVar(&spec.ACLRules, "acl-rules", 20, "rules of each access control list")
	f.Uint64Var(&spec.Seed, "seed", 0, "the same seed makes the same files")
	f.BoolVar(&spec.DualStack, "dual-stack", false, "IPv6 subnets and addresses beside the IPv4 ones")
	f.BoolVar(&spec.Microsoft, "microsoft", false, "leave out provider addresses and VSIDs, which a Microsoft controller does not publish")
	f.StringVar(&out, "out", "", "directory to write to")
	f.BoolVar(&force, "force", false, "write although the directory is not empty: the fabric in it is replaced, other files stay")
	return cmd
}

var flagOf = map[string]string{
	"Servers": "--servers", "Tenants": "--tenants", "Subnets": "--subnets", "NICs": "--nics", "ACLRules": "--acl-rules",
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

func generate(spec fabric.Spec, out string, force bool, stderr io.Writer) error {
	if out == "" {
		return usageError{errors.New("--out: say where to write")}
	}
	f, err := fabric.New(spec)
	var field *fabric.FieldError
	if errors.As(err, &field) {
		return usageError{fmt.Errorf("%s: %s", flagOf[field.Field], field.Problem)}
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(out, 0o755); err != nil {
			return err
		}
	case err != nil:
		return err
	case len(entries) > 0 && !force:
		return fmt.Errorf("--out: %s is not empty (--force replaces the fabric in it)", out)
	default:
		if err := fabric.ClearDir(out); err != nil {
			return err
		}
	}
	w, err := f.WriteDir(out)
	if err != nil {
		return err
	}
	for _, collection := range w.Collections {
		fmt.Fprintf(stderr, "%9d %s\n", w.Resources[collection], collection)
	}
	fmt.Fprintf(stderr, "fairlead-nc: wrote %d files, %.1f MB, to %s\n", w.Files, float64(w.Bytes)/1e6, out)
	return nil
}

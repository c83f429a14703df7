package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/rest"
	"github.com/fairlead-net/fairlead/overlay"
)

func generated(t *testing.T, args string) (code int, stderr string) {
	t.Helper()
	var out bytes.Buffer
	code = run(append([]string{"generate"}, strings.Fields(args)...), env{ctx: t.Context(), stderr: &out})
	return code, out.String()
}

func TestGenerate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fabric")
	code, out := generated(t, "--servers 2 --tenants 3 --nics 30 --acl-rules 5 --seed 7 --out "+dir)
	if code != exitOK || !strings.Contains(out, "30 networkInterfaces\n") || !strings.Contains(out, "wrote 11 files") {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	before, err := os.ReadFile(filepath.Join(dir, "networkInterfaces.json"))
	if err != nil {
		t.Fatal(err)
	}
	if code, out := generated(t, "--out "+dir); code != exitFailed || !strings.Contains(out, "is not empty") {
		t.Errorf("a directory in use: exit code %d: %s", code, out)
	}
	if code, out := generated(t, "--force --servers 2 --tenants 3 --nics 30 --acl-rules 5 --seed 7 --out "+dir); code != exitOK {
		t.Errorf("--force: exit code %d: %s", code, out)
	}
	after, err := os.ReadFile(filepath.Join(dir, "networkInterfaces.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the same seed made other bytes: %v", err)
	}
}

func TestGenerateExitCodes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"--help", exitOK, "--acl-rules"},
		{"", exitUsage, "--out: say where"},
		{"--nonsense", exitUsage, "unknown flag: --nonsense"},
		{"--servers many --out " + dir, exitUsage, `"many"`},
		{"argument --out " + dir, exitUsage, `unexpected argument "argument"`},
		{"--servers 0 --out " + dir, exitUsage, "--servers: 100 NICs need at least one"},
		{"--acl-rules -1 --out " + dir, exitUsage, "--acl-rules: -1 is not from 0"},
		{"--nics 999999999 --out " + dir, exitUsage, "--nics: "},
		{"--out " + file, exitFailed, "file"},
		{"--out " + file + "/below", exitFailed, "file"},
	} {
		if code, out := generated(t, tc.args); code != tc.code || !strings.Contains(out, tc.want) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", tc.args, code, tc.code, tc.want, out)
		}
	}
}

// What is generated is served, read and understood: nothing of it is refused.
func TestGeneratedFabricHasNoErrors(t *testing.T) {
	dir := t.TempDir()
	if code, out := generated(t, "--servers 4 --tenants 22 --nics 300 --acl-rules 60 --dual-stack --force --out "+dir); code != exitOK {
		t.Fatalf("exit code %d: %s", code, out)
	}
	controller, err := nctest.Open(nctest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := controller.Load(dir); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(controller.Handler())
	defer server.Close()
	source, err := rest.New(rest.Config{URLs: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got cc.Update
	if err := source.Run(ctx, func(u cc.Update) {
		got = u
		if u.Snapshot != nil || u.Status.State != cc.StateStarting {
			cancel()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if got.Snapshot == nil {
		t.Fatalf("the source: %+v", got.Status)
	}
	for _, p := range got.Problems {
		if p.Code != "controller-cleartext" { // which this is
			t.Errorf("the source: %+v", p)
		}
	}
	model, problems := overlay.Build(got.Snapshot, nil, overlay.Options{})
	for _, p := range problems {
		if p.Severity == "error" { // what is only not supported yet is a warning
			t.Errorf("%+v", p)
		}
	}
	if len(model.Endpoints) != 300 || len(model.VirtualNetworks) != 22 {
		t.Errorf("%d endpoints in %d networks", len(model.Endpoints), len(model.VirtualNetworks))
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"net/http"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// started is a stderr that tells when the serving line is out.
type started struct {
	all  bytes.Buffer
	line chan string
}

func (s *started) Write(p []byte) (int, error) {
	s.all.Write(p)
	if strings.Contains(string(p), "serving https://") {
		s.line <- string(p)
	}
	return len(p), nil
}

func TestServesLoadsAndEnds(t *testing.T) {
	dir := t.TempDir()
	load := filepath.Join(dir, "load.json")
	if err := os.WriteFile(load, []byte(`{"servers":[{"resourceId":"a"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	ctx, cancel := context.WithCancel(t.Context())
	stderr := &started{line: make(chan string, 1)}
	ended := make(chan int, 1)
	var stdout bytes.Buffer
	go func() {
		ended <- run([]string{"--listen", "127.0.0.1:0", "--data", data, "--load", load, "--san", "nc.example", "--request-log", "-"}, env{ctx: ctx, stdout: &stdout, stderr: stderr})
	}()
	var line string
	select {
	case line = <-stderr.line:
	case code := <-ended:
		t.Fatalf("ended with %d: %s", code, &stderr.all)
	}
	m := regexp.MustCompile(`^fairlead-nc: serving (https://\S+)/networking/v1 ca=(\S+) cert=(\S+) key=(\S+)\n$`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("serving line %q", line)
	}
	pki := nctest.PKI{CA: m[2], HostCert: m[3], HostKey: m[4]}
	if pki.CA != filepath.Join(data, "pki", "ca.pem") {
		t.Errorf("CA in %s", pki.CA)
	}
	clientTLS, err := pki.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	clientTLS.ServerName = "nc.example"
	transport := &http.Transport{TLSClientConfig: clientTLS}
	client := nctest.Client{Base: m[1], HTTP: &http.Client{Transport: transport}}
	var out struct{ ResourceRef string }
	if err := client.Get(t.Context(), "/servers/a", &out); err != nil || out.ResourceRef != "/servers/a" {
		t.Errorf("%+v %v", out, err)
	}
	bad := `{"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/99"]}}}`
	if _, err := client.Put(t.Context(), "/virtualNetworks/v", json.RawMessage(bad)); err == nil || !strings.Contains(err.Error(), "10.0.0.0/99") {
		t.Errorf("validation is not strict: %v", err)
	}
	transport.CloseIdleConnections()
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d: %s", code, &stderr.all)
	}
	var line1 struct {
		Method, Path, Client string
		Status               int
	}
	if err := json.NewDecoder(&stdout).Decode(&line1); err != nil || line1.Method != "GET" || line1.Path != "/networking/v1/servers/a" || line1.Status != 200 || line1.Client != "fairlead-host" {
		t.Errorf("request log %+v, %v", line1, err)
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"--help", exitOK, "--client-auth"},
		{"--nonsense", exitUsage, "unknown flag"},
		{"argument", exitUsage, `unexpected argument "argument"`},
		{"--client-auth maybe", exitUsage, "--client-auth"},
		{"--listen nowhere", exitUsage, "--listen"},
		{"--validate maybe", exitUsage, "--validate"},
		{"--page-size 0", exitUsage, "--page-size"},
		{"--provisioning-delay -1s", exitUsage, "--provisioning-delay"},
		{"--request-log " + dir + "/nowhere/log", exitFailed, "--request-log"},
		{"--load " + dir + "/nothing.json", exitFailed, "nothing.json"},
		{"--listen 192.0.2.1:1 --pki " + dir + "/pki", exitFailed, "192.0.2.1"},
	} {
		var stderr bytes.Buffer
		if code := run(strings.Fields(tc.args), env{ctx: t.Context(), stderr: &stderr}); code != tc.code || !strings.Contains(stderr.String(), tc.want) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", tc.args, code, tc.code, tc.want, &stderr)
		}
	}
}

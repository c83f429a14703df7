package nctest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"runtime"
	"testing"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

func read(t *testing.T, files ...string) []byte {
	t.Helper()
	var all []byte
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

func TestPKIIsMadeOnceAndReused(t *testing.T) {
	dir := t.TempDir()
	p, err := nctest.EnsurePKI(dir, []string{"nc.example", "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{p.CA, p.CAKey, p.ServerCert, p.ServerKey, p.HostCert, p.HostKey}
	first := read(t, all...)
	for _, key := range []string{p.CAKey, p.ServerKey, p.HostKey} {
		if info, err := os.Stat(key); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", key, info.Mode(), err)
		}
	}
	if _, err := nctest.EnsurePKI(dir, []string{"nc.example"}); err != nil || !bytes.Equal(first, read(t, all...)) {
		t.Errorf("not reused (%v)", err)
	}
	kept := read(t, p.CA, p.CAKey, p.HostCert, p.HostKey)
	if _, err := nctest.EnsurePKI(dir, []string{"other.example"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, read(t, p.CA, p.CAKey, p.HostCert, p.HostKey)) || bytes.Equal(first, read(t, all...)) {
		t.Error("a new name must renew the server's certificate, and nothing else")
	}
	// A crash between key and certificate.
	if err := os.Remove(p.HostCert); err != nil {
		t.Fatal(err)
	}
	if _, err := nctest.EnsurePKI(dir, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.ClientTLS(); err != nil {
		t.Error(err)
	}
}

func TestServeWithClientCertificates(t *testing.T) {
	p, err := nctest.EnsurePKI(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := nctest.Open(nctest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, err := p.ServerTLS(true)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ctx, tls.NewListener(l, serverTLS)) }()

	clientTLS, err := p.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	base := "https://" + l.Addr().String()
	for _, h2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: clientTLS.Clone(), ForceAttemptHTTP2: h2}
		client := nctest.Client{Base: base, HTTP: &http.Client{Transport: transport}}
		if _, err := client.Put(t.Context(), "/servers/a", nctest.ServerBody{}); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	}
	stranger := clientTLS.Clone()
	stranger.Certificates = nil
	if _, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: stranger}}).Get(base + "/networking/v1/servers"); err == nil {
		t.Error("a client without a certificate is let in")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

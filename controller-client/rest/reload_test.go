package rest_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// Certificate files are followed while the agent runs.
func TestCertificateFiles(t *testing.T) {
	s := newSite(t)
	s.put(t, "/servers/first", nctest.ServerBody{})
	other := newSite(t) // with a CA of its own
	for _, name := range []string{"one", "two"} {
		other.put(t, "/servers/"+name, nctest.ServerBody{})
	}
	again := sameCA(t, s.pki)
	var serial atomic.Value // of the client certificate that the last request came with
	serial.Store("")
	s.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
		serial.Store(r.TLS.PeerCertificates[0].SerialNumber.String())
		return false
	})
	r := newRelay(t, s.server.Listener.Addr().String())
	cfg := s.config()
	cfg.URLs = []string{r.url()}
	until := watch(t, cfg)
	synced := func(u cc.Update) bool { return u.Status.State == cc.StateOK }
	refused := func(u cc.Update) bool { return len(u.Problems) == 1 && u.Problems[0].Code == "controller-tls" }
	until("a snapshot", hasSnapshot)
	first := serial.Load()

	// A new certificate of the same CA, put there in two steps.
	good, key := contents(t, again.HostCert), contents(t, again.HostKey)
	replace(t, s.pki.HostKey, key)
	u := until("a pair that does not match", refused)
	if !synced(u) || !strings.Contains(u.Problems[0].Message, "does not match the certificate") || strings.Contains(u.Problems[0].Message, "\n") {
		t.Errorf("half replaced: %+v", u)
	}
	if serial.Load() != first {
		t.Error("the old certificate is not used any more")
	}
	replace(t, s.pki.HostCert, good)
	until("the new certificate in use", func(u cc.Update) bool { return synced(u) && len(u.Problems) == 0 && serial.Load() != first })

	// Rubbish is not used, and said until it is mended.
	for _, file := range []string{s.pki.HostCert, s.pki.CA} {
		text := contents(t, file)
		replace(t, file, []byte("rubbish"))
		if u := until("a complaint about "+file, refused); !synced(u) || !strings.Contains(u.Problems[0].Message, file) {
			t.Errorf("with rubbish: %+v", u)
		}
		replace(t, file, text)
		until("no complaint", func(u cc.Update) bool { return synced(u) && len(u.Problems) == 0 })
	}

	// A file that goes away.
	if err := os.Remove(s.pki.CA); err != nil {
		t.Fatal(err)
	}
	until("a complaint about the missing file", func(u cc.Update) bool { return synced(u) && refused(u) })

	// The CA is rotated: the file has both for a while, and then the controller is one of the new CA.
	both := append(contents(t, other.pki.CA), contents(t, again.CA)...)
	replace(t, s.pki.CA, both)
	until("no complaint", func(u cc.Update) bool { return synced(u) && len(u.Problems) == 0 })
	replace(t, s.pki.HostKey, contents(t, other.pki.HostKey))
	replace(t, s.pki.HostCert, contents(t, other.pki.HostCert))
	r.turn(other.server.Listener.Addr().String())
	if u := until("a snapshot of the other controller", hasSnapshot); len(u.Snapshot.Servers) != 2 {
		t.Errorf("servers %+v", u.Snapshot.Servers)
	}

	// A client certificate whose time is over is refused, and the one after it taken.
	expired(t, other.pki, x509.ExtKeyUsageClientAuth, s.pki.HostCert, s.pki.HostKey)
	if u := until("a refusal", failed); u.Status.State != cc.StateUnreachable || !strings.Contains(u.Status.Message, ": TLS: ") {
		t.Errorf("with an expired certificate: %+v", u.Status)
	}
	replace(t, s.pki.HostKey, contents(t, other.pki.HostKey))
	replace(t, s.pki.HostCert, contents(t, other.pki.HostCert))
	until("being in sync", synced)
}

// sameCA issues other certificates of the CA.
func sameCA(t *testing.T, pki nctest.PKI) nctest.PKI {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{pki.CA, pki.CAKey} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), contents(t, file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := nctest.EnsurePKI(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contents(t, again.CA), contents(t, pki.CA)) {
		t.Fatal("the CA is another one")
	}
	if _, err := tls.LoadX509KeyPair(again.HostCert, again.HostKey); err != nil {
		t.Fatal(err)
	}
	return again
}

func contents(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

package nctest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// PKI names the files of a controller's certificates: its CA, its own certificate, and one for hosts
// to show as clients.
type PKI struct {
	CA, CAKey             string
	ServerCert, ServerKey string
	HostCert, HostKey     string
}

// renewBefore is how long before its end a certificate is issued anew.
const renewBefore = 14 * 24 * time.Hour

// EnsurePKI makes the files in dir that are missing, about to expire, or (the server's) not valid for
// all hosts; localhost and the loopback addresses always are. What is good stays as it is.
func EnsurePKI(dir string, hosts []string) (PKI, error) {
	p := PKI{
		CA: filepath.Join(dir, "ca.pem"), CAKey: filepath.Join(dir, "ca.key"),
		ServerCert: filepath.Join(dir, "server.pem"), ServerKey: filepath.Join(dir, "server.key"),
		HostCert: filepath.Join(dir, "host.pem"), HostKey: filepath.Join(dir, "host.key"),
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return PKI{}, err
	}
	// Keys must never be committed, wherever someone puts this directory.
	if err := writeFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644); err != nil {
		return PKI{}, err
	}
	ca, err := p.ensureCA()
	if err != nil {
		return PKI{}, err
	}
	names := []string{"localhost", "127.0.0.1", "::1"}
	for _, h := range hosts {
		if h != "" && !slices.Contains(names, h) {
			names = append(names, h)
		}
	}
	if err := ca.ensure(p.ServerCert, p.ServerKey, x509.ExtKeyUsageServerAuth, "fairlead-nc", names); err != nil {
		return PKI{}, err
	}
	if err := ca.ensure(p.HostCert, p.HostKey, x509.ExtKeyUsageClientAuth, "fairlead-host", nil); err != nil {
		return PKI{}, err
	}
	return p, nil
}

// ServerTLS is the controller's side; with requireClient only clients with a certificate of the CA
// are let in.
func (p PKI) ServerTLS(requireClient bool) (*tls.Config, error) {
	cfg, err := p.tls(p.ServerCert, p.ServerKey)
	if err != nil {
		return nil, err
	}
	cfg.ClientCAs, cfg.RootCAs = cfg.RootCAs, nil
	if requireClient {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	cfg.NextProtos = []string{"h2", "http/1.1"}
	return cfg, nil
}

// ClientTLS is a host's side.
func (p PKI) ClientTLS() (*tls.Config, error) {
	return p.tls(p.HostCert, p.HostKey)
}

func (p PKI) tls(certFile, keyFile string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	data, err := os.ReadFile(p.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, errors.New(p.CA + ": holds no certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{pair}}, nil
}

// good answers whether a certificate is there, has its key, is signed by ca, holds a while, and
// covers all names.
func good(certFile, keyFile string, ca *x509.Certificate, names []string) bool {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil || time.Now().After(pair.Leaf.NotAfter.Add(-renewBefore)) || pair.Leaf.CheckSignatureFrom(ca) != nil {
		return false
	}
	for _, n := range names {
		if net.ParseIP(n) != nil {
			n = "[" + n + "]"
		}
		if pair.Leaf.VerifyHostname(n) != nil {
			return false
		}
	}
	return true
}

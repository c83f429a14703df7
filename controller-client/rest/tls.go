package rest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// TLS names PEM files. CA replaces the system's roots; Cert and Key go together.
type TLS struct {
	CA, Cert, Key string
}

const (
	caKey   = "controller.rest.tls.ca"
	certKey = "controller.rest.tls.cert"
	keyKey  = "controller.rest.tls.key"
)

// load reads the files; every error names the config key and the file.
func (t TLS) load() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pool, err := loadCA(t.CA)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = pool
	}
	switch {
	case t.Cert == "" && t.Key == "":
		return cfg, nil
	case t.Key == "":
		return nil, fmt.Errorf("%s: missing, but %s is %s", keyKey, certKey, t.Cert)
	case t.Cert == "":
		return nil, fmt.Errorf("%s: missing, but %s is %s", certKey, keyKey, t.Key)
	}
	pair, err := loadPair(t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

func loadCA(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", caKey, err)
	}
	if err := checkCertificates(data); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", caKey, file, err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	return pool, nil
}

func loadPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", certKey, err)
	}
	if err := checkCertificates(cert); err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %s: %w", certKey, certFile, err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", keyKey, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		// The certificate was fine above, so the key is to blame: unreadable or of another certificate.
		what := strings.TrimPrefix(err.Error(), "tls: ")
		if strings.Contains(what, "match") {
			what = "does not match the certificate " + certFile
		}
		return tls.Certificate{}, fmt.Errorf("%s: %s: %s", keyKey, keyFile, what)
	}
	return pair, nil
}

// checkCertificates wants at least one certificate, and no broken one.
func checkCertificates(data []byte) error {
	found := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return errors.New("holds no PEM certificate")
	}
	return nil
}

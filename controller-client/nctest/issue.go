package nctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// issuer is a CA that can sign.
type issuer struct {
	cert *x509.Certificate
	key  crypto.PrivateKey
}

func (p PKI) ensureCA() (*issuer, error) {
	pair, err := tls.LoadX509KeyPair(p.CA, p.CAKey)
	if err == nil && time.Now().Before(pair.Leaf.NotAfter.Add(-renewBefore)) {
		return &issuer{cert: pair.Leaf, key: pair.PrivateKey}, nil
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Fairlead development CA"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	if err := issue(template, nil, 10*365*24*time.Hour, p.CA, p.CAKey); err != nil {
		return nil, err
	}
	if pair, err = tls.LoadX509KeyPair(p.CA, p.CAKey); err != nil {
		return nil, fmt.Errorf("%s: %w", p.CA, err)
	}
	return &issuer{cert: pair.Leaf, key: pair.PrivateKey}, nil
}

func (ca *issuer) ensure(certFile, keyFile string, usage x509.ExtKeyUsage, subject string, names []string) error {
	if good(certFile, keyFile, ca.cert, names) {
		return nil
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: subject},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	return issue(template, ca, 2*365*24*time.Hour, certFile, keyFile)
}

// issue writes key and certificate. The key goes first: a crash in between leaves a pair that does
// not match, which the next start makes anew.
func issue(template *x509.Certificate, ca *issuer, life time.Duration, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return err
	}
	// An hour back: hosts' clocks differ.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(life)
	if ca == nil {
		ca = &issuer{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return fmt.Errorf("%s: %w", certFile, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return writeFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

package rest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// relay stands between a client and whichever server is behind it, so that the connections can be broken and
// the server be another one at the same address.
type relay struct {
	listener net.Listener

	mu     sync.Mutex
	target string // "": connections are reset at once
	pairs  map[*pair]bool
	made   int // connections
	ended  sync.WaitGroup
}

type pair struct {
	near, far net.Conn
	frozen    bool
}

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener, target: target, pairs: map[*pair]bool{}}
	r.ended.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			r.ended.Go(func() { r.serve(near) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		r.reset()
		r.ended.Wait()
	})
	return r
}

func (r *relay) url() string { return "https://" + r.listener.Addr().String() }

func (r *relay) serve(near net.Conn) {
	r.mu.Lock()
	target := r.target
	r.made++
	r.mu.Unlock()
	far, err := net.Dial("tcp", target)
	if target == "" || err != nil {
		drop(near)
		return
	}
	p := &pair{near: near, far: far}
	r.mu.Lock()
	r.pairs[p] = true
	r.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [2][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buf)
				r.mu.Lock()
				frozen := p.frozen
				r.mu.Unlock()
				if frozen {
					if err != nil {
						return
					}
					continue // swallowed
				}
				if n > 0 {
					if _, err := way[1].Write(buf[:n]); err != nil {
						return
					}
				}
				if err != nil {
					_ = way[1].(*net.TCPConn).CloseWrite()
					return
				}
			}
		})
	}
	both.Wait()
	_, _ = near.Close(), far.Close()
	r.mu.Lock()
	delete(r.pairs, p)
	r.mu.Unlock()
}

// drop resets a connection.
func drop(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// reset breaks all connections that there are.
func (r *relay) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		drop(p.near)
		drop(p.far)
	}
}

// freeze makes the connections that there are silent, as if the other side's machine had lost its power.
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		p.frozen = true
	}
}

// turn makes new connections lead to another server, and breaks the old ones.
func (r *relay) turn(target string) {
	r.mu.Lock()
	r.target = target
	r.mu.Unlock()
	r.reset()
}

// connections answers how many were made.
func (r *relay) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made
}

// raw answers the address of a server with a site's certificate that leaves each connection to handle.
func raw(t *testing.T, config *tls.Config, handle func(net.Conn)) string {
	t.Helper()
	config = config.Clone()
	config.NextProtos = nil
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			ended.Go(func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 4096)); err == nil || errors.Is(err, io.EOF) {
					handle(c)
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); ended.Wait() })
	return listener.Addr().String()
}

// expired writes a pair of the site's CA whose time is over.
func expired(t *testing.T, pki nctest.PKI, usage x509.ExtKeyUsage, certFile, keyFile string) {
	t.Helper()
	ca, err := tls.LoadX509KeyPair(pki.CA, pki.CAKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, &key.PublicKey, ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	replace(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// replace puts a file in another's place at once, with a time of change of its own.
func replace(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

package rest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/rest"
)

func TestBrokenConfigurationNamesKeyAndFile(t *testing.T) {
	dir := t.TempDir()
	pki, err := nctest.EnsurePKI(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := write("empty.pem", "")
	broken := write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	const url = "https://nc.example"
	for name, tc := range map[string]struct {
		cfg  rest.Config
		want []string
	}{
		"no url":         {rest.Config{}, []string{"controller.rest.url: missing"}},
		"url not parsed": {rest.Config{URLs: []string{"https://u:hush@nc example"}}, []string{"controller.rest.url", "not a URL"}},
		"scheme":         {rest.Config{URLs: []string{"ftp://u:hush@nc.example"}}, []string{"controller.rest.url", "ftp://nc.example", "scheme"}},
		"no host":        {rest.Config{URLs: []string{"https:///networking"}}, []string{"controller.rest.url", "no host"}},
		"query":          {rest.Config{URLs: []string{url + "?a=b"}}, []string{"controller.rest.url", "query"}},
		"interval":       {rest.Config{URLs: []string{url}, PollInterval: -time.Second}, []string{"controller.rest.pollInterval: -1s"}},
		"no ca":          {rest.Config{URLs: []string{url}, TLS: rest.TLS{CA: dir + "/nope.pem"}}, []string{"controller.rest.tls.ca: ", "nope.pem"}},
		"empty ca":       {rest.Config{URLs: []string{url}, TLS: rest.TLS{CA: empty}}, []string{"controller.rest.tls.ca: " + empty, "no PEM certificate"}},
		"broken ca":      {rest.Config{URLs: []string{url}, TLS: rest.TLS{CA: broken}}, []string{"controller.rest.tls.ca: " + broken}},
		"cert alone":     {rest.Config{URLs: []string{url}, TLS: rest.TLS{Cert: pki.HostCert}}, []string{"controller.rest.tls.key: missing"}},
		"key alone":      {rest.Config{URLs: []string{url}, TLS: rest.TLS{Key: pki.HostKey}}, []string{"controller.rest.tls.cert: missing"}},
		"no cert":        {rest.Config{URLs: []string{url}, TLS: rest.TLS{Cert: dir + "/nope.pem", Key: pki.HostKey}}, []string{"controller.rest.tls.cert: ", "nope.pem"}},
		"key as cert":    {rest.Config{URLs: []string{url}, TLS: rest.TLS{Cert: pki.HostKey, Key: pki.HostKey}}, []string{"controller.rest.tls.cert: " + pki.HostKey}},
		"no key":         {rest.Config{URLs: []string{url}, TLS: rest.TLS{Cert: pki.HostCert, Key: dir + "/nope.key"}}, []string{"controller.rest.tls.key: ", "nope.key"}},
		"empty key":      {rest.Config{URLs: []string{url}, TLS: rest.TLS{Cert: pki.HostCert, Key: empty}}, []string{"controller.rest.tls.key: " + empty}},
		"other key": {rest.Config{URLs: []string{url}, TLS: rest.TLS{Cert: pki.HostCert, Key: pki.ServerKey}},
			[]string{"controller.rest.tls.key: " + pki.ServerKey, "does not match the certificate " + pki.HostCert}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rest.New(tc.cfg)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q shows a secret or a second line", err)
			}
		})
	}
}

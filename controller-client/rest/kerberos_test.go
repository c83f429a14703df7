package rest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/service"
	"github.com/jcmturner/gokrb5/v8/spnego"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/rest"
)

// realm is a Kerberos realm of its own: a database, and a KDC on a loopback port while it is started.
type realm struct {
	dir, addr string
	env       []string
	kdc       *exec.Cmd
}

const realmName = "CONTOSO.EXAMPLE"

func newRealm(t *testing.T) *realm {
	t.Helper()
	for _, program := range []string{"krb5kdc", "kdb5_util", "kadmin.local"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s: deploy/install-deps.sh test installs it (Debian packages krb5-kdc and krb5-admin-server)", program)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &realm{dir: t.TempDir(), addr: free.Addr().String()}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	r.write(t, "krb5.conf", fmt.Sprintf(`[libdefaults]
  default_realm = %[1]s
  dns_lookup_kdc = false
  dns_lookup_realm = false
[realms]
  %[1]s = {
    kdc = %[2]s
  }
`, realmName, r.addr))
	r.write(t, "kdc.conf", fmt.Sprintf(`[kdcdefaults]
  kdc_listen = %[2]s
  kdc_tcp_listen = %[2]s
[realms]
  %[1]s = {
    database_name = %[3]s/principal
    key_stash_file = %[3]s/stash
    acl_file = %[3]s/acl
  }
`, realmName, r.addr, r.dir))
	r.env = append(os.Environ(), "KRB5_CONFIG="+r.path("krb5.conf"), "KRB5_KDC_PROFILE="+r.path("kdc.conf"))
	r.run(t, "kdb5_util", "create", "-s", "-P", "only for this test", "-r", realmName)
	for name, file := range map[string]string{"host-a$": "host.keytab", "HTTP/localhost": "nc.keytab"} {
		r.admin(t, "addprinc -randkey "+name)
		r.admin(t, "ktadd -k "+r.path(file)+" "+name)
	}
	r.start(t)
	t.Cleanup(func() { r.stop(t) })
	return r
}

func (r *realm) path(name string) string { return filepath.Join(r.dir, name) }

func (r *realm) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *realm) run(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = r.env
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("error")) {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}

func (r *realm) admin(t *testing.T, query string) {
	t.Helper()
	r.run(t, "kadmin.local", "-r", realmName, "-q", query)
}

// start returns when the KDC accepts connections.
func (r *realm) start(t *testing.T) {
	t.Helper()
	r.kdc = exec.Command("krb5kdc", "-n")
	r.kdc.Env = r.env
	if err := r.kdc.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	for tick := time.Tick(10 * time.Millisecond); ; {
		if conn, err := net.Dial("tcp", r.addr); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick:
		case <-deadline:
			t.Fatal("the KDC does not listen")
		}
	}
}

func (r *realm) stop(t *testing.T) {
	t.Helper()
	if r.kdc == nil {
		return
	}
	if err := r.kdc.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = r.kdc.Wait() // killed is what it was
	r.kdc = nil
}

func (r *realm) kerberos() rest.Kerberos {
	return rest.Kerberos{Principal: "host-a$@" + realmName, Keytab: r.path("host.keytab"), Config: r.path("krb5.conf"), ServicePrincipal: "HTTP/localhost"}
}

// guarded puts SPNEGO in front of a site's controller.
type guarded struct {
	*site
	inside                 atomic.Pointer[http.Handler]
	refused, authenticated atomic.Int64
}

// knows makes the controller's own keys those of a file.
func (g *guarded) knows(t *testing.T, file string) {
	t.Helper()
	keys, err := keytab.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	h := spnego.SPNEGOKRB5Authenticate(g.Handler(), keys, service.KeytabPrincipal("HTTP/localhost"), service.DecodePAC(false))
	g.inside.Store(&h)
}

func newGuarded(t *testing.T, r *realm) *guarded {
	t.Helper()
	service.GetReplayCache(5 * time.Minute) // starts a goroutine once and for all
	g := &guarded{site: newSite(t)}
	g.knows(t, r.path("nc.keytab"))
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := httptest.NewRecorder()
		(*g.inside.Load()).ServeHTTP(status, r)
		if status.Code == http.StatusUnauthorized {
			g.refused.Add(1)
		} else {
			g.authenticated.Add(1)
		}
		for k, v := range status.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(status.Code)
		_, _ = w.Write(status.Body.Bytes())
	}))
	front.TLS, front.EnableHTTP2 = g.server.TLS.Clone(), true
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	front.StartTLS()
	t.Cleanup(front.Close)
	g.put(t, "/servers/host-a", nctest.ServerBody{})
	g.server = front
	return g
}

func TestKerberos(t *testing.T) {
	r := newRealm(t)
	t.Run("every request is authenticated", func(t *testing.T) {
		g := newGuarded(t, r)
		cfg := g.config()
		cfg.Kerberos = r.kerberos()
		until := watch(t, cfg)
		if u := until("a snapshot", hasSnapshot); len(u.Snapshot.Servers) != 1 {
			t.Errorf("snapshot %+v", u.Snapshot)
		}
		polls := 0
		until("ten polls", func(u cc.Update) bool { polls++; return polls > 10 || failed(u) })
		if g.refused.Load() != 0 || g.authenticated.Load() < 50 {
			t.Errorf("%d requests were refused, %d authenticated", g.refused.Load(), g.authenticated.Load())
		}
		r.stop(t)
		polls = 0
		if u := until("polls without KDC", func(u cc.Update) bool { polls++; return polls > 10 || failed(u) }); failed(u) {
			t.Errorf("with a ticket and no KDC: %+v", u.Status)
		}
		r.start(t)
	})
	t.Run("without it there is HTTP 401", func(t *testing.T) {
		g := newGuarded(t, r)
		u := watch(t, g.config())("a failure", failed)
		if u.Status.State != cc.StateStale || !strings.HasSuffix(u.Status.Message, ": HTTP 401") {
			t.Errorf("status %+v", u.Status)
		}
	})
	t.Run("service that the KDC does not know", func(t *testing.T) {
		g := newGuarded(t, r)
		cfg := g.config()
		cfg.Kerberos = r.kerberos()
		cfg.Kerberos.ServicePrincipal = ""
		cfg.Kerberos.Principal = "host-a$" // the realm is the default one
		u := watch(t, cfg)("a failure", failed)
		if !strings.Contains(u.Status.Message, "Kerberos: ticket for HTTP/127.0.0.1: ") || !strings.Contains(u.Status.Message, "KDC_ERR_S_PRINCIPAL_UNKNOWN") || strings.Contains(u.Status.Message, "\n") {
			t.Errorf("status %+v", u.Status)
		}
	})
	t.Run("key changed, then the keytab", func(t *testing.T) {
		g := newGuarded(t, r)
		r.admin(t, "cpw -randkey host-a$")
		cfg := g.config()
		cfg.Kerberos = r.kerberos()
		until := watch(t, cfg)
		u := until("a failure", failed)
		if !strings.Contains(u.Status.Message, "Kerberos: login of host-a$@"+realmName+": ") || strings.Contains(u.Status.Message, "\n") {
			t.Errorf("status %+v", u.Status)
		}
		r.admin(t, "ktadd -norandkey -k "+r.path("new.keytab")+" host-a$")
		if err := os.Rename(r.path("new.keytab"), r.path("host.keytab")); err != nil {
			t.Fatal(err)
		}
		until("a snapshot", hasSnapshot)
	})
	t.Run("controller's key changed", func(t *testing.T) {
		g := newGuarded(t, r)
		cfg := g.config()
		cfg.Kerberos = r.kerberos()
		until := watch(t, cfg)
		until("a snapshot", hasSnapshot)
		r.admin(t, "ktadd -k "+r.path("new.keytab")+" HTTP/localhost")
		if err := os.Rename(r.path("new.keytab"), r.path("nc.keytab")); err != nil {
			t.Fatal(err)
		}
		g.knows(t, r.path("nc.keytab"))
		if u := until("a refusal", failed); !strings.HasSuffix(u.Status.Message, ": HTTP 401") {
			t.Errorf("status %+v", u.Status)
		}
		until("being in sync with another ticket", func(u cc.Update) bool { return u.Status.State == cc.StateOK })
	})
	t.Run("KDC away", func(t *testing.T) {
		r.stop(t)
		g := newGuarded(t, r)
		cfg := g.config()
		cfg.Kerberos = r.kerberos()
		until := watch(t, cfg)
		u := until("a failure", failed)
		if u.Status.State != cc.StateUnreachable || !strings.Contains(u.Status.Message, "connection refused") || strings.Contains(u.Status.Message, "\n") {
			t.Errorf("status %+v", u.Status)
		}
		r.start(t)
		until("a snapshot", hasSnapshot)
	})
	t.Run("broken configuration", func(t *testing.T) {
		r.write(t, "rubbish", "\x05\x02\xff\xff")
		r.write(t, "no-realm.conf", "[libdefaults]\n")
		for name, tc := range map[string]struct {
			change func(*rest.Kerberos)
			want   string
		}{
			"no principal":    {func(k *rest.Kerberos) { k.Principal = "" }, "controller.rest.kerberos.principal: missing"},
			"other principal": {func(k *rest.Kerberos) { k.Principal = "host-b$" }, "no key of host-b$@" + realmName},
			"no realm":        {func(k *rest.Kerberos) { k.Principal, k.Config = "host-a$", r.path("no-realm.conf") }, "has no realm"},
			"no keytab":       {func(k *rest.Kerberos) { k.Keytab = "" }, "controller.rest.kerberos.keytab: missing"},
			"keytab away":     {func(k *rest.Kerberos) { k.Keytab = r.path("nope") }, "controller.rest.kerberos.keytab: open "},
			"keytab rubbish":  {func(k *rest.Kerberos) { k.Keytab = r.path("rubbish") }, "rubbish: "},
			"config away":     {func(k *rest.Kerberos) { k.Config = r.path("nope") }, "controller.rest.kerberos.config: "},
		} {
			cfg := rest.Config{URLs: []string{"https://nc.example"}, Kerberos: r.kerberos()}
			tc.change(&cfg.Kerberos)
			if _, err := rest.New(cfg); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want %q", name, err, tc.want)
			}
		}
		if _, err := rest.New(rest.Config{URLs: []string{"https://me:hush@nc.example"}, Kerberos: r.kerberos()}); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("a password beside Kerberos: %v", err)
		}
	})
}

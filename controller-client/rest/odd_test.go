package rest

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// Resource ids may hold anything; in a request's path they are escaped.
func TestOddResourceIDs(t *testing.T) {
	for id, escaped := range map[string]string{
		"a b": "a%20b", "100%": "100%25", "%2e%2e": "%252e%252e", "ünïcode-東京": "%C3%BCn%C3%AFcode-%E6%9D%B1%E4%BA%AC",
		"q?x=1&y": "q%3Fx=1&y", "a#b": "a%23b", "{8e2b}+:@": "%7B8e2b%7D+:@", `quote\"`: "quote%22", "...": "...", "semi;colon": "semi%3Bcolon",
	} {
		t.Run(escaped, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newTenancy()
				f.server("a", "/networkInterfaces/"+id)
				f.network("blue", "", "/networkInterfaces/"+id)
				f.put("/networkInterfaces/"+escaped, nicBody(id, "a", "blue", ""))
				_, updates := running(t, f.fabric, Config{Host: "a"})
				<-updates
				if u := <-updates; u.Snapshot == nil || len(u.Snapshot.NetworkInterfaces) != 1 || u.Snapshot.NetworkInterfaces[0].ID != strings.ReplaceAll(id, `\`, "") {
					t.Errorf("update %+v", u)
				}
			})
		})
	}
}

// A reference out of its collection is not followed.
func TestReferenceOutOfItsCollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		f.nic("blue-1", "a", "blue", "/accessControlLists/../../../admin")
		var odd []string
		inner := f.fault
		f.fault = func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "..") || strings.Contains(r.URL.Path, "admin") {
				odd = append(odd, r.URL.Path)
			}
			return inner(r)
		}
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 blue-2 web")
		if len(odd) > 0 {
			t.Errorf("asked for %q", odd)
		}
	})
}

// References differ from names, and from each other, by case and by what stands in front: it is one resource.
func TestReferencesDifferByCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		f.network("blue", "/networking/v1/AccessControlLists/WEB", "/networking/v1/networkInterfaces/BLUE-1", "/NETWORKINTERFACES/blue-2")
		f.nic("blue-1", "A", "BLUE", "/accesscontrollists/Web")
		inner := f.fault
		f.fault = func(r *http.Request) (*http.Response, error) { // a controller's paths are not told apart by case either
			for path := range f.bodies {
				if strings.EqualFold("/networking/v1"+path, r.URL.Path) {
					r = r.Clone(r.Context())
					r.URL.Path = "/networking/v1" + path
				}
			}
			return inner(r)
		}
		_, updates := running(t, f.fabric, Config{Host: "a"})
		u := next(t, updates, "start", "a b blue blue-1 blue-2 web")
		if len(u.Problems) != 0 {
			t.Errorf("problems %+v", u.Problems)
		}
		<-updates
		f.set(func() { f.asked = 0 })
		<-updates
		f.set(func() {
			if f.asked != 9 {
				t.Errorf("%d requests, want one for each of 6 resources, the encapsulation, the security tags and the logical networks", f.asked)
			}
		})
	})
}

// A controller that is down for an hour is two lines of log.
func TestLogOfAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		var log bytes.Buffer
		_, updates := running(t, f.fabric, Config{Host: "a", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		next(t, updates, "start", "a b blue blue-1 blue-2 own web")
		serve := f.fault
		f.set(func() {
			log.Reset()
			f.fault = func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }
		})
		<-time.After(time.Hour)
		f.set(func() { f.fault = serve })
		for u := range updates {
			if u.Status.State == cc.StateUnreachable {
				break
			}
		}
		for u := range updates {
			if u.Status.State == cc.StateOK {
				break
			}
		}
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[1], "in sync") {
			t.Errorf("log of an hour without controller:\n%s", log.String())
		}
	})
}

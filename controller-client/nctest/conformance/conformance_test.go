package conformance_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/nctest/conformance"
	"github.com/fairlead-net/fairlead/controller-client/nctest/fabric"
)

var update = flag.Bool("update", false, "write the record of the development controller anew")

var recordFile = filepath.Join("testdata", "fairlead-nc.json")

// controller with a small fabric in it, and what wrap makes of its answers.
func controller(t *testing.T, wrap func(http.Handler) http.Handler) conformance.Runner {
	t.Helper()
	f, err := fabric.New(conformance.SmallFabric)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := f.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	c, err := nctest.Open(nctest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(dir); err != nil {
		t.Fatal(err)
	}
	handler := c.Handler()
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return conformance.Runner{URL: server.URL, HTTP: server.Client(), Write: true}
}

// everything that a controller serves.
func everything(t *testing.T, r conformance.Runner) string {
	t.Helper()
	var all strings.Builder
	for _, collection := range []string{"accessControlLists", "loadBalancers", "networkInterfaces", "publicIPAddresses", "routeTables", "virtualNetworks"} {
		resp, err := r.HTTP.Get(r.URL + "/networking/v1/" + collection)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, resp.Body); err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// The development controller answers as its committed record says; after a change that is meant,
// go test ./controller-client/nctest/conformance -update
func TestDevelopmentController(t *testing.T) {
	r := controller(t, nil)
	before := everything(t, r)
	record, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if everything(t, r) != before {
		t.Error("the run left something behind")
	}
	for _, a := range record.Steps {
		if a.Skipped != "" {
			t.Logf("skipped %q: %s", a.Step, a.Skipped)
		}
		if a.Failed != "" || a.Status >= 500 {
			t.Errorf("%s: status %d, %v", a.Step, a.Status, a.Err)
		}
	}
	if *update {
		if err := record.WriteFile(recordFile); err != nil {
			t.Fatal(err)
		}
	}
	want, err := conformance.ReadFile(recordFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range conformance.Compare(want, record) {
		t.Error(d)
	}
}

// A record shows nothing of what is in the fabric.
func TestRecordHoldsNoValues(t *testing.T) {
	r := controller(t, nil)
	record, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "record.json")
	if err := record.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"vnet-0001", "host-0001", "nic-000001", "10.0.", "001DD8", "172.16", "127.0.0.1", "contoso", "Contoso"} {
		if strings.Contains(string(data), secret) {
			t.Errorf("the record holds %q", secret)
		}
	}
}

func TestReadOnlyOnlyReads(t *testing.T) {
	r := controller(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method != http.MethodGet && req.Method != http.MethodHead {
				t.Errorf("%s %s", req.Method, req.URL.Path)
			}
			next.ServeHTTP(w, req)
		})
	})
	r.Write = false
	record, err := r.Run(t.Context())
	if err != nil || !record.ReadOnly || len(record.Steps) < 50 {
		t.Errorf("%d steps, read-only %v: %v", len(record.Steps), record.ReadOnly, err)
	}
	full, err := controller(t, nil).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := append(conformance.Compare(full, record), conformance.Compare(record, full)...); len(d) > 0 {
		t.Errorf("against the whole record: %q", d)
	}
}

// A run that is ended early deletes what it has made, too.
func TestClearsUpWhenEnded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := errors.New("enough")
	r := controller(t, nil)
	before := everything(t, r)
	made := false
	r.Progress = func(a conformance.Answer) {
		if a.Step == "create a NIC" {
			made = a.Status == http.StatusCreated && everything(t, r) != before
			cancel(ended)
		}
	}
	record, err := r.Run(ctx)
	if !made || !errors.Is(err, ended) || len(record.Steps) == 0 {
		t.Errorf("made %v, %d steps: %v", made, len(record.Steps), err)
	}
	if everything(t, r) != before {
		t.Error("the run left something behind")
	}
}

// A controller may answer before a change is done; the run waits for that.
func TestWaitsForChanges(t *testing.T) {
	looks, deleting := 0, ""
	r := controller(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			path := req.URL.Path
			switch {
			case looks == 0 && req.Method == http.MethodGet && strings.Contains(path, "/accessControlLists/fairlead-conformance-"):
				looks++
				_, _ = io.WriteString(w, `{"properties":{"provisioningState":"Updating"}}`)
			case deleting == "" && req.Method == http.MethodDelete && strings.HasSuffix(path, "/ipConfigurations/more"):
				next.ServeHTTP(httptest.NewRecorder(), req)
				deleting = path
				w.WriteHeader(http.StatusAccepted)
			case deleting == path && req.Method == http.MethodGet:
				deleting = "done"
				_, _ = io.WriteString(w, `{"properties":{"provisioningState":"Deleting"}}`)
			default:
				next.ServeHTTP(w, req)
			}
		})
	})
	record, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range record.Steps {
		if a.Step == "create" && (a.Settled != "Succeeded" || looks != 1) {
			t.Errorf("settled %q after %d looks", a.Settled, looks)
		}
		if a.Step == "delete an ipConfiguration" && (a.Status != http.StatusAccepted || a.Settled != "gone" || deleting != "done") {
			t.Errorf("status %d, settled %q, last seen %s", a.Status, a.Settled, deleting)
		}
	}
}

// A controller that deletes nothing without If-Match is left clean, too.
func TestClearsUpWithIfMatch(t *testing.T) {
	r := controller(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodDelete && req.Header.Get("If-Match") == "" {
				w.WriteHeader(http.StatusPreconditionRequired)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	before := everything(t, r)
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if everything(t, r) != before {
		t.Error("the run left something behind")
	}
}

func TestSaysWhatItCouldNotDelete(t *testing.T) {
	r := controller(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodDelete && strings.Contains(req.URL.Path, "routeTables") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	r.Patience = 1 // one attempt
	if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "/routeTables/fairlead-conformance-") {
		t.Errorf("%v", err)
	}
}

func TestNoController(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	for _, url := range []string{server.URL, "nonsense", ""} {
		if record, err := (conformance.Runner{URL: url}).Run(t.Context()); err == nil {
			t.Errorf("%q: %+v", url, record)
		}
	}
}

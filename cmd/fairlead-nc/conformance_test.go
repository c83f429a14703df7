package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func conform(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	var out bytes.Buffer
	code = run(append([]string{"conformance"}, args...), env{ctx: t.Context(), stderr: &out})
	return code, out.String()
}

func TestConformanceOfItsOwnController(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record.json")
	if code, out := conform(t, "--record", record); code != exitOK || !strings.Contains(out, "WRITING to https://127.0.0.1:") {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	if code, out := conform(t, "--compare", record); code != exitOK || !strings.Contains(out, "no differences") {
		t.Errorf("compared with itself: exit code %d:\n%s", code, out)
	}
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, bytes.Replace(data, []byte(`"status": 201`), []byte(`"status": 202`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := conform(t, "--compare", record); code != exitFailed || !strings.Contains(out, "create: outcome status 201, earlier status 202") || !strings.Contains(out, "1 differences") {
		t.Errorf("compared with another: exit code %d:\n%s", code, out)
	}
}

// A controller that somebody named is only read, unless told otherwise.
func TestConformanceReadsOnly(t *testing.T) {
	methods := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods[r.Method] = true
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	if code, out := conform(t, "--url", server.URL); code != exitOK || methods[http.MethodPut] || methods[http.MethodDelete] || !methods[http.MethodGet] {
		t.Errorf("exit code %d, methods %v:\n%s", code, methods, out)
	}
	if code, out := conform(t, "--url", server.URL, "--read-only=false"); code != exitOK || !methods[http.MethodPut] || !strings.Contains(out, "WRITING") {
		t.Errorf("exit code %d, methods %v:\n%s", code, methods, out)
	}
}

func TestConformanceExitCodes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"--help", exitOK, "--read-only"},
		{"argument", exitUsage, `unexpected argument "argument"`},
		{"--nonsense", exitUsage, "unknown flag"},
		{"--url https://nc.example --cert " + file, exitUsage, "--cert and --key"},
		{"--ca " + file, exitUsage, "belong to --url"},
		{"--compare " + file, exitFailed, "holds no steps"},
		{"--compare " + file + ".none", exitFailed, "file.none"},
		{"--url https://nc.example --ca " + file, exitFailed, "holds no PEM certificate"},
		{"--url https://nc.example --cert " + file + " --key " + file, exitFailed, "--cert, --key"},
		{"--url nonsense", exitFailed, "is not the URL"},
		{"--url http://127.0.0.1:1", exitFailed, "127.0.0.1:1"},
	} {
		if code, out := conform(t, strings.Fields(tc.args)...); code != tc.code || !strings.Contains(out, tc.want) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", tc.args, code, tc.code, tc.want, out)
		}
	}
}

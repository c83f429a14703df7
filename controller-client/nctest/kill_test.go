package nctest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// killedDir in the environment makes the test binary the controller that TestKilled kills.
const killedDir = "FAIRLEAD_NCTEST_KILLED_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		fmt.Fprintln(os.Stderr, serveUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveUntilKilled(dir string) error {
	c, err := Open(Options{DataDir: dir})
	if err != nil {
		return err
	}
	c.slack = 32 << 10 // compactions are killed, too
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return c.Serve(context.Background(), listener)
}

// fate is what may be there of one resource after a kill: what was answered last, and what was sent
// and not answered. 0 is nothing.
type fate struct{ answered, sent int }

// TestKilled kills a controller at random moments while many write: every answered write is there
// after a restart, and nothing half.
func TestKilled(t *testing.T) {
	const writers, each, rounds = 8, 3, 6
	dir := t.TempDir()
	fates := make([][each]fate, writers)
	for round := range rounds {
		cmd, client := startChild(t, dir)
		for w := range fates {
			for i := range fates[w] {
				fates[w][i] = verify(t, client, w, i, fates[w][i])
			}
		}
		var answered atomic.Int64
		last := 50 + rand.Int64N(400)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for n := 1; ; n++ {
					f := &fates[w][n%each]
					f.sent = 0
					if n%11 != 0 || f.answered == 0 {
						f.sent = round*100_000 + n
					}
					if writeOnce(t, client, w, n%each, f.sent) != nil {
						return
					}
					f.answered = f.sent
					if answered.Add(1) == last {
						_ = cmd.Process.Kill()
					}
				}
			})
		}
		wg.Wait()
		_ = cmd.Wait()
		client.HTTP.CloseIdleConnections()
	}
	cmd, client := startChild(t, dir)
	for w := range fates {
		for i, f := range fates[w] {
			verify(t, client, w, i, f)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, temporary+"*")); len(left) > 0 {
		t.Errorf("killed compactions leave %v", left)
	}
}

func startChild(t *testing.T, dir string) (*exec.Cmd, Client) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the controller does not start again: %v", err)
	}
	return cmd, Client{Base: "http://" + strings.TrimSpace(line), HTTP: &http.Client{Transport: &http.Transport{}}}
}

func killedRef(w, i int) string { return fmt.Sprintf("/servers/w%d-%d", w, i) }

// writeOnce writes a body that says n in many places, or deletes.
func writeOnce(t *testing.T, client Client, w, i, n int) error {
	if n == 0 {
		return client.Delete(t.Context(), killedRef(w, i))
	}
	var body ServerBody
	for range 30 {
		body.ProviderAddresses = append(body.ProviderAddresses, fmt.Sprint(n))
	}
	_, err := client.Put(t.Context(), killedRef(w, i), body)
	var refused *StatusError
	if errors.As(err, &refused) {
		t.Error(err)
	}
	return err
}

func verify(t *testing.T, client Client, w, i int, f fate) fate {
	t.Helper()
	var body struct {
		Properties struct {
			Fairlead struct{ ProviderAddresses []string }
		}
	}
	err := client.Get(t.Context(), killedRef(w, i), &body)
	var refused *StatusError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && (f.answered == 0 || f.sent == 0) {
		return fate{}
	}
	if err != nil {
		t.Fatalf("%v, want %+v", err, f)
	}
	list := body.Properties.Fairlead.ProviderAddresses
	for _, n := range []int{f.answered, f.sent} {
		if n != 0 && len(list) == 30 && strings.Join(list, ",") == strings.TrimSuffix(strings.Repeat(fmt.Sprint(n)+",", 30), ",") {
			return fate{answered: n}
		}
	}
	t.Fatalf("%s is %v, want %+v", killedRef(w, i), list, f)
	return fate{}
}

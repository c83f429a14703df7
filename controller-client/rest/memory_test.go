//go:build !race

package rest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// peak runs f and answers by how much the heap was larger meanwhile, at most.
func peak(f func()) uint64 {
	runtime.GC()
	var at runtime.MemStats
	runtime.ReadMemStats(&at)
	before, highest := at.HeapAlloc, uint64(0)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		for tick := time.Tick(20 * time.Millisecond); ctx.Err() == nil; <-tick {
			runtime.ReadMemStats(&at)
			highest = max(highest, at.HeapAlloc)
		}
	}()
	f()
	cancel()
	<-seen
	return highest - min(highest, before)
}

// A whole fabric's list of which a host needs little costs the memory of what it needs; one without end is refused.
func TestMemoryOfALongList(t *testing.T) {
	t.Run("200 MB", func(t *testing.T) { longList(t, 200<<20) })
	t.Run("1 GB", func(t *testing.T) { longList(t, 1<<30) })
}

func longList(t *testing.T, size int) {
	s := newSite(t)
	s.put(t, "/virtualNetworks/v", nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16"}, Subnets: []nctest.SubnetBody{{ID: "s", AddressPrefix: "10.0.0.0/16"}}})
	var subnet, server bytes.Buffer
	const needed = 300 // more than are asked for one by one
	for i := range needed {
		fmt.Fprintf(&subnet, `,{"resourceRef":"/networkInterfaces/own-%d/ipConfigurations/ip"}`, i)
		fmt.Fprintf(&server, `,{"resourceRef":"/networkInterfaces/own-%d"}`, i)
	}
	if err := s.PutRaw("/servers/host-a", []byte(`{"resourceId":"host-a","resourceRef":"/servers/host-a","properties":{"virtualNetworkInterfaces":[`+server.String()[1:]+`]}}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.PutRaw("/virtualNetworks/v", []byte(`{"resourceId":"v","resourceRef":"/virtualNetworks/v","properties":{"subnets":[{"resourceId":"s","properties":{"ipConfigurations":[`+subnet.String()[1:]+`]}}]}}`)); err != nil {
		t.Fatal(err)
	}
	nic := func(b []byte, name string, i int) []byte {
		return fmt.Appendf(b, `{"resourceId":"%[1]s-%[2]d","resourceRef":"/networkInterfaces/%[1]s-%[2]d","properties":{"filler":"%0500[2]d","server":{"resourceRef":"/servers/host-a"},`+
			`"ipConfigurations":[{"resourceId":"ip","properties":{"subnet":{"resourceRef":"/virtualNetworks/v/subnets/s"}}}]}},`, name, i)
	}
	s.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/networkInterfaces") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"value":[`)
		var b []byte
		sent := 0
		for i := 0; sent < size; i++ {
			b = nic(b[:0], "other", i)
			if i < needed {
				b = nic(b, "own", i)
			}
			n, err := w.Write(b)
			if err != nil {
				return true
			}
			sent += n
		}
		_, _ = io.WriteString(w, `{"resourceId":"last"}]}`)
		return true
	})
	cfg := s.config()
	cfg.Host, cfg.AttemptTimeout, cfg.PollInterval = "host-a", time.Minute, time.Hour
	until := watch(t, cfg)
	var u cc.Update
	grown := peak(func() { u = until("a snapshot", func(u cc.Update) bool { return u.Snapshot != nil || failed(u) }) })
	switch {
	case size > 256<<20:
		if !strings.HasSuffix(u.Status.Message, "answer is larger than 268435456 bytes") {
			t.Errorf("status %+v", u.Status)
		}
	case u.Snapshot == nil || len(u.Snapshot.NetworkInterfaces) != needed:
		t.Fatalf("update %+v", u.Status)
	}
	t.Logf("the heap grew by %d kB", grown>>10)
	if grown > 20<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
}

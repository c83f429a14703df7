package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Event is something that happened to a packet or a flow.
type Event struct {
	Kinded
	Event           string    `json:"event"` // acl | drop | flow-new | flow-closed
	Time            time.Time `json:"time"`
	Endpoint        string    `json:"endpoint,omitempty"` // absent: the host
	Network         string    `json:"network,omitempty"`
	Direction       string    `json:"direction"`
	Protocol        string    `json:"protocol,omitempty"` // absent, as the addresses: not an IP packet
	Source          string    `json:"source,omitempty"`
	SourcePort      uint16    `json:"sourcePort,omitempty"`
	Destination     string    `json:"destination,omitempty"`
	DestinationPort uint16    `json:"destinationPort,omitempty"`
	Length          int       `json:"length"`
	ACL             string    `json:"acl,omitempty"`
	Rule            string    `json:"rule,omitempty"`
	Action          string    `json:"action,omitempty"`
	Reason          string    `json:"reason,omitempty"`     // of a drop
	Suppressed      uint64    `json:"suppressed,omitempty"` // alike, and left out since the last
	Lost            uint64    `json:"lost,omitempty"`       // of any kind before this one, because the reader was too slow
}

// EventFilter chooses events; what is empty matches all.
type EventFilter struct {
	Endpoint string
	Kinds    []string // values of Event.Event
}

// eventKinds are the words of the query, and what they choose.
var eventKinds = map[string][]string{"acl": {"acl"}, "drop": {"drop"}, "flow": {"flow-new", "flow-closed"}, "flow-new": {"flow-new"}, "flow-closed": {"flow-closed"}}

// eventQuery reads "kind=acl,drop&endpoint=web".
func eventQuery(v url.Values) (f EventFilter, err error) {
	for key, values := range v {
		switch key {
		case "endpoint":
			f.Endpoint = v.Get(key)
		case "kind":
			for _, word := range strings.Split(strings.Join(values, ","), ",") {
				kinds, ok := eventKinds[word]
				if !ok {
					return f, Errorf(http.StatusBadRequest, "kind: %q: want acl, drop or flow, or a list of these", word)
				}
				f.Kinds = append(f.Kinds, kinds...)
			}
		default:
			return f, Errorf(http.StatusBadRequest, "unknown query parameter %q, want kind, endpoint", key)
		}
	}
	slices.Sort(f.Kinds)
	f.Kinds = slices.Compact(f.Kinds)
	return f, nil
}

// keepAlive shows both ends of a silent stream that the other is there.
const keepAlive = 15 * time.Second

// serveEvents is a stream of server-sent events (WHATWG HTML, 9.2): one per Event, named by its kind.
func serveEvents(b Backend) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		filter, err := eventQuery(q.URL.Query())
		if err != nil {
			fail(w, err)
			return
		}
		ctx, cancel := context.WithCancel(q.Context())
		defer cancel()
		next, err := b.Events(ctx, filter)
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		flush := http.NewResponseController(w).Flush
		if _, err := fmt.Fprint(w, ": watching\n\n"); err != nil || flush() != nil {
			return
		}
		events, ended := make(chan Event), make(chan error, 1)
		var reading sync.WaitGroup
		defer reading.Wait()
		defer cancel()
		reading.Go(func() {
			for {
				e, err := next()
				if err != nil {
					ended <- err
					return
				}
				select {
				case events <- e:
				case <-ctx.Done():
					ended <- ctx.Err()
					return
				}
			}
		})
		tick := time.NewTicker(keepAlive)
		defer tick.Stop()
		for {
			select {
			case e := <-events:
				err = send(w, e.Event, e)
			case <-tick.C:
				_, err = fmt.Fprint(w, ": nothing new\n\n")
			case err = <-ended:
				if ctx.Err() == nil {
					_ = send(w, "error", Errorf(http.StatusInternalServerError, "events: %v", err))
					_ = flush()
				}
				return
			}
			if err != nil || flush() != nil {
				return // the reader is gone
			}
		}
	}
}

func send(w http.ResponseWriter, name string, v any) error {
	raw, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, raw)
	}
	return err
}

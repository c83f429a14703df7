// Package load makes the small packets that no packaged tool makes well: request and response, connections, and UDP.
// Its loops stay below the Go scheduler: each runs on a thread of its own that is pinned to one CPU, and makes raw
// system calls on blocking sockets. Both ends share the CPU, because waking an idle virtual CPU costs many times
// the work of a packet, and would be all that is measured.
package load

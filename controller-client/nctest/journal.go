package nctest

import (
	"fmt"
	"os"
	"sync"
)

// journal makes commits durable, in their order, many with one fsync: whoever waits first writes and
// syncs for all who have appended until then.
type journal struct {
	path string

	mu      sync.Mutex
	pending []byte // appended, not written
	queued  uint64 // commits appended
	durable uint64 // commits on disk
	size    int64  // bytes, with pending
	synced  int64  // bytes known to be on disk
	failed  error  // of a write: nothing is taken any more

	// Of a compaction under way: what was appended since it began.
	copying bool
	tail    []byte

	writing sync.Mutex // held by who writes; taken before mu
	file    *os.File
}

// flushAt bounds pending in bytes while a large commit is appended.
const flushAt = 4 << 20

// append puts one commit at the end. Only one caller at a time.
func (j *journal) append(made []*resource, deleted []string, nextVSID uint32) error {
	if j == nil {
		return nil
	}
	for _, r := range made {
		if err := j.add(func(b []byte) []byte { return appendPut(b, r.key, r.stored) }); err != nil {
			return err
		}
	}
	for _, key := range deleted {
		if err := j.add(func(b []byte) []byte { return appendDelete(b, key) }); err != nil {
			return err
		}
	}
	return j.add(func(b []byte) []byte {
		j.queued++
		return appendCommit(b, mark{records: uint32(len(made) + len(deleted)), nextVSID: nextVSID, synced: j.synced})
	})
}

func (j *journal) add(record func([]byte) []byte) error {
	j.mu.Lock()
	if j.failed != nil {
		defer j.mu.Unlock()
		return j.failed
	}
	before := len(j.pending)
	j.pending = record(j.pending)
	j.size += int64(len(j.pending) - before)
	if j.copying {
		j.tail = append(j.tail, j.pending[before:]...)
	}
	full := len(j.pending) > flushAt
	j.mu.Unlock()
	if !full {
		return nil
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	return j.flush(false)
}

// last answers the number of the newest commit, for wait.
func (j *journal) last() uint64 {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.queued
}

// wait returns when commit n is on disk.
func (j *journal) wait(n uint64) error {
	if j == nil {
		return nil
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	done, failed := j.durable >= n, j.failed
	j.mu.Unlock()
	if done || failed != nil {
		return failed
	}
	return j.flush(true)
}

// flush writes what is pending, with writing held.
func (j *journal) flush(sync bool) error {
	j.mu.Lock()
	data, upTo, size := j.pending, j.queued, j.size
	j.pending = nil
	j.mu.Unlock()
	_, err := j.file.Write(data)
	if err == nil && sync {
		err = j.file.Sync()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		// What is in memory is ahead of the disk now, and must not get further.
		j.failed = fmt.Errorf("%s: %w; start again to go on with what is on disk", j.path, err)
		return j.failed
	}
	if sync {
		j.durable, j.synced = upTo, size
	}
	return nil
}

// bytes answers the size of the journal.
func (j *journal) bytes() int64 {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	if err := j.wait(j.last()); err != nil {
		return err
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed = fmt.Errorf("%s: is closed", j.path)
	}
	return j.file.Close()
}

package nctest

import (
	"bufio"
	"os"
)

// compact writes what is in force into a new journal beside the old one, which it replaces. Commits
// go on meanwhile: they go to both.
func (c *Controller) compact() error {
	c.compaction.Lock() // one at a time
	defer c.compaction.Unlock()
	j := c.journal
	c.write.Lock()
	all := make([]change, 0, len(c.resources))
	for key, r := range c.resources {
		if body := r.durable(); body != nil {
			all = append(all, change{key, body})
		}
	}
	next := c.vsids.next
	j.mu.Lock()
	j.copying, j.tail = true, nil
	j.mu.Unlock()
	c.write.Unlock()

	f, size, err := writeJournal(j.path, all, next)
	if err != nil {
		j.mu.Lock()
		j.copying, j.tail = false, nil
		j.mu.Unlock()
		return err
	}
	return j.swap(f, size)
}

// writeJournal writes a journal with one commit beside path.
func writeJournal(path string, all []change, nextVSID uint32) (f *os.File, size int64, err error) {
	if f, err = beside(path); err != nil {
		return nil, 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	buf := []byte(journalHeader)
	put := func() {
		size += int64(len(buf))
		_, _ = w.Write(buf) // Flush says it again
		buf = buf[:0]
	}
	for _, ch := range all {
		buf = appendPut(buf, ch.key, ch.body)
		put()
	}
	buf = appendCommit(buf, mark{records: uint32(len(all)), nextVSID: nextVSID})
	put()
	if err := w.Flush(); err != nil {
		return nil, 0, discard(f, err)
	}
	return f, size, nil
}

// swap puts f, a journal of size bytes, in the old one's place, with what was appended meanwhile.
// Everything that is pending is in f or in the tail.
func (j *journal) swap(f *os.File, size int64) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	tail := j.tail
	j.copying, j.tail = false, nil
	if j.failed != nil {
		return discard(f, j.failed)
	}
	if _, err := f.Write(tail); err != nil {
		return discard(f, err)
	}
	if err := takePlace(f, j.path); err != nil {
		return discard(f, err)
	}
	if j.file != nil {
		_ = j.file.Close() // replaced
	}
	j.file, j.pending = f, nil
	j.size = size + int64(len(tail))
	j.durable, j.synced = j.queued, j.size
	return nil
}

// compactIfDue starts a compaction when more than half of a journal that has grown beyond slack is
// out of force.
func (c *Controller) compactIfDue() {
	size := c.journal.bytes()
	if size < c.slack || size < 2*c.live.Load() || !c.compacting.CompareAndSwap(false, true) {
		return
	}
	c.background.Go(func() {
		defer c.compacting.Store(false)
		if err := c.compact(); err != nil {
			c.log.Error("the journal cannot be compacted", "error", err)
		}
	})
}

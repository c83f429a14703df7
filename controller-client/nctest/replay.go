package nctest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// replayed is what a journal says is in force.
type replayed struct {
	bodies   map[string][]byte // by key
	nextVSID uint32
	end      int64 // where the last commit ends
	torn     bool  // something unfinished follows
}

// replay reads a journal. A tail that a crash left unfinished was never answered and is not taken;
// damage in front of something that was on disk is an error.
func replay(path string) (replayed, error) {
	out := replayed{bodies: map[string][]byte{}}
	f, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return out, err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	header := make([]byte, len(journalHeader))
	if _, err := io.ReadFull(r, header); err != nil || string(header) != journalHeader {
		return out, fmt.Errorf("%s: is not a journal of this program", path)
	}
	out.end = int64(len(header))
	err = out.read(r, info.Size())
	if errors.Is(err, io.EOF) && out.end == info.Size() {
		return out, nil
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errTorn) {
		return out, fmt.Errorf("%s: %w", path, err)
	}
	rest := make([]byte, info.Size()-out.end)
	if _, err := f.ReadAt(rest, out.end); err != nil {
		return out, fmt.Errorf("%s: %w", path, err)
	}
	if synced := syncedBehind(rest); synced > out.end {
		return out, fmt.Errorf("%s: damaged at byte %d, in front of %d bytes of answered changes: restore it from a backup, or cut it to %d bytes to go on without them",
			path, out.end, synced-out.end, out.end)
	}
	out.torn = true
	return out, nil
}

// change is a put, or (without a body) a delete, that waits for its commit record.
type change struct {
	key  string
	body []byte
}

func (out *replayed) read(r *bufio.Reader, size int64) error {
	var open []change
	at := out.end
	for {
		kind, payload, err := readRecord(r, size-at)
		if err != nil {
			return err
		}
		at += recordHeader + int64(len(payload))
		switch kind {
		case kindPut:
			key, body, ok := readPut(payload)
			if !ok {
				return errTorn
			}
			open = append(open, change{key, body})
		case kindDelete:
			open = append(open, change{key: string(payload)})
		case kindCommit:
			m, ok := readMark(payload)
			if !ok || int(m.records) != len(open) {
				return errTorn
			}
			for _, ch := range open {
				if ch.body == nil {
					delete(out.bodies, ch.key)
				} else {
					out.bodies[ch.key] = ch.body
				}
			}
			open, out.nextVSID, out.end = open[:0], m.nextVSID, at
		default:
			return errTorn
		}
	}
}

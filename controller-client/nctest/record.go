package nctest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The journal is a line that says what it is, then records:
//
//	magic u32 | length of payload u32 | CRC-32C of kind and payload u32 | kind u8 | payload
//
// (little endian). A commit is any number of puts and deletes and the commit record that ends them:
// what no commit record ends never happened.
const journalHeader = "fairlead-nc journal 1\n"

const (
	recordMagic  = 0xfa1c0de5
	recordHeader = 13
	maxRecord    = 1 << 30

	kindPut    = 'P' // length of key u16 | key | body
	kindDelete = 'D' // key
	kindCommit = 'C' // number of records u32 | next VSID u32 | bytes known to be on disk u64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn is a record that was not written to its end, or not as it should be.
var errTorn = errors.New("damaged record")

func appendRecord(buf []byte, kind byte, payload ...[]byte) []byte {
	start := len(buf)
	buf = append(buf, make([]byte, recordHeader)...)
	for _, p := range payload {
		buf = append(buf, p...)
	}
	h := buf[start:]
	h[12] = kind
	binary.LittleEndian.PutUint32(h[0:], recordMagic)
	binary.LittleEndian.PutUint32(h[4:], uint32(len(h)-recordHeader))
	binary.LittleEndian.PutUint32(h[8:], crc32.Checksum(h[12:], castagnoli))
	return buf
}

func appendPut(buf []byte, key string, body []byte) []byte {
	var size [2]byte
	binary.LittleEndian.PutUint16(size[:], uint16(len(key))) // a key has two segments of at most 512 bytes
	return appendRecord(buf, kindPut, size[:], []byte(key), body)
}

func appendDelete(buf []byte, key string) []byte {
	return appendRecord(buf, kindDelete, []byte(key))
}

// mark is the payload of a commit record.
type mark struct {
	records  uint32
	nextVSID uint32
	synced   int64
}

func appendCommit(buf []byte, m mark) []byte {
	var p [16]byte
	binary.LittleEndian.PutUint32(p[0:], m.records)
	binary.LittleEndian.PutUint32(p[4:], m.nextVSID)
	binary.LittleEndian.PutUint64(p[8:], uint64(m.synced))
	return appendRecord(buf, kindCommit, p[:])
}

func readMark(payload []byte) (mark, bool) {
	if len(payload) != 16 {
		return mark{}, false
	}
	return mark{
		records:  binary.LittleEndian.Uint32(payload[0:]),
		nextVSID: binary.LittleEndian.Uint32(payload[4:]),
		synced:   int64(binary.LittleEndian.Uint64(payload[8:])),
	}, true
}

func readPut(payload []byte) (key string, body []byte, ok bool) {
	if len(payload) < 2 {
		return "", nil, false
	}
	n := int(binary.LittleEndian.Uint16(payload)) + 2
	if len(payload) < n {
		return "", nil, false
	}
	return string(payload[2:n]), payload[n:], true
}

// readRecord answers io.EOF at the end, errTorn for what is no record.
func readRecord(r *bufio.Reader, left int64) (kind byte, payload []byte, err error) {
	var h [recordHeader]byte
	if n, err := io.ReadFull(r, h[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return 0, nil, io.EOF
		}
		return 0, nil, torn(err)
	}
	size := binary.LittleEndian.Uint32(h[4:])
	if binary.LittleEndian.Uint32(h[0:]) != recordMagic || size > maxRecord || int64(size)+recordHeader > left {
		return 0, nil, errTorn
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, torn(err)
	}
	sum := crc32.Update(crc32.Checksum(h[12:], castagnoli), castagnoli, payload)
	if sum != binary.LittleEndian.Uint32(h[8:]) {
		return 0, nil, errTorn
	}
	return h[12], payload, nil
}

func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return fmt.Errorf("journal: %w", err)
}

// syncedBehind looks for a whole commit record in what follows a damaged one, and answers the
// highest position it says was on disk when it was written.
func syncedBehind(rest []byte) (synced int64) {
	var magic [4]byte
	binary.LittleEndian.PutUint32(magic[:], recordMagic)
	for {
		at := bytes.Index(rest, magic[:])
		if at < 0 {
			return synced
		}
		rest = rest[at:]
		kind, payload, err := readRecord(bufio.NewReader(bytes.NewReader(rest)), int64(len(rest)))
		if m, ok := readMark(payload); err == nil && kind == kindCommit && ok {
			synced = max(synced, m.synced)
		}
		rest = rest[len(magic):]
	}
}

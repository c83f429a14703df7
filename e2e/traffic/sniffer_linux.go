package traffic

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Sniffer counts the frames that reach a device and hold one of some words, whatever else they are.
type Sniffer struct {
	file  *os.File
	words []string
	done  chan struct{}

	mu    sync.Mutex
	count map[string]int
}

// Sniff starts counting.
func Sniff(at Place, device string, words ...string) (*Sniffer, error) {
	s := &Sniffer{words: words, done: make(chan struct{}), count: map[string]int{}}
	err := at.Do(func() error {
		link, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		every := htons(unix.ETH_P_ALL)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(every))
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		s.file = os.NewFile(uintptr(fd), "sniffer on "+device)
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index, Protocol: every})
	})
	if err != nil {
		if s.file != nil {
			_ = s.file.Close()
		}
		return nil, err
	}
	go s.read()
	return s, nil
}

func (s *Sniffer) read() {
	defer close(s.done)
	raw, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 64<<10)
	for {
		var n int
		var from unix.Sockaddr
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, from, failed = unix.Recvfrom(int(fd), buf, 0)
			return failed != unix.EAGAIN
		})
		if err != nil {
			return // closed
		}
		if failed != nil {
			continue // ENETDOWN comes once when the device goes
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		for _, word := range s.words {
			if bytes.Contains(buf[:n], []byte(word)) {
				s.mu.Lock()
				s.count[word]++
				s.mu.Unlock()
			}
		}
	}
}

// Count answers how many frames held a word so far.
func (s *Sniffer) Count(word string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[word]
}

// Close ends the sniffer.
func (s *Sniffer) Close() {
	_ = s.file.Close()
	<-s.done
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// warmUp is the part of a round that does not count.
const warmUp = 50 * time.Millisecond

// Requests measures how many times a second one byte goes there and back on one TCP connection.
func Requests(from, to Place, address netip.AddrPort, round time.Duration) (float64, error) {
	return withServer(from, to, address, answer, func() (float64, error) {
		fd, err := dial(address)
		if err != nil {
			return 0, err
		}
		defer unix.Close(fd)
		return ask(fd, round)
	})
}

// withServer runs a client at one place, and a server at another until the client is done.
func withServer(from, to Place, address netip.AddrPort, server func(listener int) error, client func() (float64, error)) (float64, error) {
	listener, err := listen(to, address)
	if err != nil {
		return 0, err
	}
	served := make(chan error, 1)
	go func() { served <- inside(to, func() error { return server(listener) }) }()
	var rate float64
	err = inside(from, func() (err error) {
		rate, err = client()
		return err
	})
	// The server may still wait for a connection that never came.
	_ = unix.Shutdown(listener, unix.SHUT_RDWR)
	err = errors.Join(err, <-served)
	return rate, errors.Join(err, unix.Close(listener))
}

func dial(to netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	// The send timeout bounds the connect, too.
	err = errors.Join(tcpOptions(fd), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience))
	if err == nil {
		err = unix.Connect(fd, address(to))
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("connect to %s: %w", to, err)
	}
	return fd, nil
}

// Blocked reports whether a filter swallows connections to an address where nobody listens: there is no answer at all.
func Blocked(from Place, to netip.AddrPort) (blocked bool, err error) {
	err = from.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: 300_000}); err != nil {
			return err
		}
		switch err := unix.Connect(fd, address(to)); {
		case errors.Is(err, unix.EINPROGRESS):
			blocked = true
		case err != nil && !errors.Is(err, unix.ECONNREFUSED):
			return err
		}
		return nil
	})
	return blocked, err
}

// ask is the client's loop: the clock is read every 64th time.
func ask(fd int, round time.Duration) (float64, error) {
	var b byte
	ts := new(unix.Timespec)
	count, begun := 0, int64(0)
	start := now(ts) + int64(warmUp)
	for {
		for range 64 {
			if errno := write(fd, &b); errno != 0 {
				return 0, fmt.Errorf("send a request: %w", errno)
			}
			if n, errno := read(fd, &b); n != 1 {
				return 0, fmt.Errorf("wait for an answer: %w", errno)
			}
		}
		t := now(ts)
		switch {
		case begun == 0 && t >= start:
			begun = t
		case begun != 0:
			count += 64
			if t >= start+int64(round) {
				return float64(count) * float64(time.Second) / float64(t-begun), nil
			}
		}
	}
}

// answer is the server's loop: it ends with the connection.
func answer(listener int) error {
	fd, _, err := unix.Accept(listener)
	if err != nil {
		return fmt.Errorf("wait for a connection: %w", err)
	}
	defer unix.Close(fd)
	if err := tcpOptions(fd); err != nil {
		return err
	}
	var b byte
	for {
		if n, _ := read(fd, &b); n != 1 {
			return nil
		}
		if write(fd, &b) != 0 {
			return nil
		}
	}
}

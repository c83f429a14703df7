package overlay

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-net/fairlead/vfp"
)

// errTag: the word is a tag that nobody here can resolve.
var errTag = errors.New("is a named tag, which is not supported here")

// parsePrefixes reads "*", "", an address, a prefix, a range a-b, a tag, or a comma separated list of these. A nil list
// without tags and without an error is "everything".
func parsePrefixes(s string) (list []netip.Prefix, tags tags, masked bool, err error) {
	s = strings.TrimSpace(s)
	if s == "" || s == "*" {
		return nil, 0, false, nil
	}
	everything := false
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		switch strings.ToUpper(word) {
		case "*", "ANY":
			everything = true // read on: the rest of the list must be readable too
			continue
		case "VIRTUALNETWORK":
			tags |= tagVirtualNetwork
			continue
		case "INTERNET":
			tags |= tagInternet
			continue
		case "AZURELOADBALANCER":
			return nil, 0, false, errTag
		}
		if strings.Contains(word, "/") {
			p, m, err := parsePrefix(word)
			if err != nil {
				return nil, 0, false, err
			}
			masked = masked || m
			list = append(list, p)
			continue
		}
		first, last, err := parseRange(word)
		if err != nil {
			return nil, 0, false, err
		}
		list = appendRange(list, first, last)
	}
	if everything {
		return nil, 0, masked, nil
	}
	return mergePrefixes(list), tags, masked, nil
}

// parseRange reads an address, or a range a-b of one family.
func parseRange(word string) (first, last netip.Addr, err error) {
	from, to, isRange := strings.Cut(word, "-")
	if first, err = netip.ParseAddr(strings.TrimSpace(from)); err != nil || first.Zone() != "" {
		return first, last, errors.New("is not an address prefix")
	}
	last = first
	if isRange {
		if last, err = netip.ParseAddr(strings.TrimSpace(to)); err != nil || last.Zone() != "" {
			return first, last, errors.New("is not an address range")
		}
	}
	first, last = first.Unmap(), last.Unmap()
	if first.BitLen() != last.BitLen() || last.Less(first) {
		return first, last, errors.New("is a reversed address range")
	}
	return first, last, nil
}

// appendRange covers first..last with the fewest prefixes.
func appendRange(list []netip.Prefix, first, last netip.Addr) []netip.Prefix {
	for {
		p := netip.PrefixFrom(first, first.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(first, p.Bits()-1)
			if wider.Masked() != wider || last.Less(lastAddr(wider)) {
				break
			}
			p = wider
		}
		list = append(list, p)
		end := lastAddr(p)
		if end == last {
			return list
		}
		first = end.Next()
	}
}

// mergePrefixes sorts and drops what another prefix covers: equal sets become equal lists.
func mergePrefixes(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, comparePrefixes)
	kept := list[:0]
	for _, p := range list {
		if n := len(kept); n > 0 && kept[n-1].Overlaps(p) {
			continue // sorted: the one before is the wider one
		}
		kept = append(kept, p)
	}
	return slices.Clip(kept)
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// parsePorts reads "*", "", "80", "80-90", or a comma separated list of these. A nil list without an error is
// "every port, and protocols without ports too".
func parsePorts(s string) ([]vfp.PortRange, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == "*" {
		return nil, nil
	}
	var list []vfp.PortRange
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if word == "*" {
			list = append(list, vfp.PortRange{First: 0, Last: 65535})
			continue
		}
		from, to, isRange := strings.Cut(word, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
		last, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
		switch {
		case err1 != nil || err2 != nil:
			return nil, errors.New("is not a port range")
		case last < first:
			return nil, errors.New("is a reversed port range")
		}
		list = append(list, vfp.PortRange{First: uint16(first), Last: uint16(last)})
	}
	slices.SortFunc(list, func(a, b vfp.PortRange) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	})
	kept := list[:1]
	for _, r := range list[1:] {
		if end := &kept[len(kept)-1].Last; int(r.First) <= int(*end)+1 {
			*end = max(*end, r.Last)
			continue
		}
		kept = append(kept, r)
	}
	if kept[0] == (vfp.PortRange{First: 0, Last: 65535}) {
		return nil, nil
	}
	return slices.Clip(kept), nil
}

func parseProtocol(s string) (uint16, error) {
	switch s = strings.TrimSpace(s); strings.ToUpper(s) {
	case "ALL", "*", "ANY":
		return vfp.ProtocolAny, nil
	case "TCP":
		return 6, nil
	case "UDP":
		return 17, nil
	case "ICMP", "ICMPV4":
		return 1, nil
	case "ICMPV6":
		return 58, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, errors.New("is not a protocol")
	}
	return uint16(n), nil
}

func parseAction(s string) (vfp.Action, error) {
	switch strings.ToUpper(strings.TrimSpace(s)) {
	case "ALLOW":
		return vfp.Allow, nil
	case "DENY", "BLOCK":
		return vfp.Block, nil
	}
	return vfp.Block, errors.New("is neither Allow nor Deny")
}

func parseDirection(s string) (vfp.Direction, error) {
	switch strings.ToUpper(strings.TrimSpace(s)) {
	case "INBOUND", "IN":
		return vfp.Inbound, nil
	case "OUTBOUND", "OUT":
		return vfp.Outbound, nil
	}
	return 0, errors.New("is neither Inbound nor Outbound")
}

func parsePriority(s string) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("is not a number from 0 to %d", uint32(1<<32-1))
	}
	return uint32(n), nil
}

func parseLogging(s string) (bool, error) {
	switch strings.ToUpper(strings.TrimSpace(s)) {
	case "ENABLED", "TRUE":
		return true, nil
	case "DISABLED", "FALSE", "":
		return false, nil
	}
	return false, errors.New("is neither Enabled nor Disabled")
}

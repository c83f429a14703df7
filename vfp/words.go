package vfp

import (
	"fmt"
	"strconv"
	"strings"
)

// ProtocolName of an IP protocol number, or of ProtocolAny.
func ProtocolName(p uint16) string {
	switch p {
	case ProtocolAny:
		return "all"
	case ProtocolICMP:
		return "icmp"
	case ProtocolTCP:
		return "tcp"
	case ProtocolUDP:
		return "udp"
	case ProtocolICMPv6:
		return "icmpv6"
	}
	return strconv.Itoa(int(p))
}

// PortWords are such as "443,8443-8450"; "*" for nil.
func PortWords(list []PortRange) string {
	if list == nil {
		return "*"
	}
	words := make([]string, len(list))
	for i, r := range list {
		if words[i] = strconv.Itoa(int(r.First)); r.First != r.Last {
			words[i] = fmt.Sprintf("%d-%d", r.First, r.Last)
		}
	}
	return strings.Join(words, ",")
}

// ICMPWords are such as "8,3/4"; "*" for nil.
func ICMPWords(list []ICMPMatch) string {
	if list == nil {
		return "*"
	}
	words := make([]string, len(list))
	for i, m := range list {
		if words[i] = strconv.Itoa(int(m.Type)); m.Code != AnyCode {
			words[i] += "/" + strconv.Itoa(int(m.Code))
		}
	}
	return strings.Join(words, ",")
}

var flagNames = [8]string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"}

// String is such as "syn,!ack"; "*" for every packet.
func (m FlagMatch) String() string {
	var words []string
	for bit, name := range flagNames {
		switch {
		case m.Mask>>bit&1 == 0:
		case m.Value>>bit&1 == 0:
			words = append(words, "!"+name)
		default:
			words = append(words, name)
		}
	}
	if words == nil {
		return "*"
	}
	return strings.Join(words, ",")
}

package overlay

import (
	"errors"
	"math"
	"strconv"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

// settings reads the limits and the DNS servers of an interface. One that cannot be read keeps its last good value; that
// takes nothing else of the interface down.
func (b *builder) settings(ep *Endpoint, v *cc.NetworkInterface, prev *Endpoint) {
	if prev == nil {
		prev = &Endpoint{}
	}
	number := func(field, word string, last uint32) uint32 {
		n, err := parseLimit(word)
		if err == nil {
			return n
		}
		outcome := "there is no limit"
		if last != 0 {
			outcome = strconv.FormatUint(uint64(last), 10) + " stays in force"
		}
		b.errorf("port-setting-invalid", ep.Ref, "properties.portSettings.%s %s %v; %s", field, quote(word), err, outcome)
		return last
	}
	ep.FlowLimit = number("portFlowLimit", v.Port.FlowLimit, prev.FlowLimit)
	ep.Mbps[vfp.Outbound] = number("qosSettings.outboundMaximumMbps", v.Port.OutboundMaximumMbps, prev.Mbps[vfp.Outbound])
	ep.Mbps[vfp.Inbound] = number("qosSettings.inboundMaximumMbps", v.Port.InboundMaximumMbps, prev.Mbps[vfp.Inbound])
	for _, word := range v.DNSServers {
		a, err := parseAddr(word)
		if err != nil {
			b.warnf("dns-server-invalid", ep.Ref, "properties.dnsSettings.dnsServers %s %v; it is left out", quote(word), err)
			continue
		}
		ep.DNS = append(ep.DNS, a)
	}
}

// parseLimit reads a number of the port settings; "" and 0 are no limit.
func parseLimit(word string) (uint32, error) {
	word = strings.TrimSpace(word)
	if word == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(word, 10, 32); err == nil {
		return uint32(n), nil
	}
	if f, err := strconv.ParseFloat(word, 64); err == nil && f >= 0 && f <= math.MaxUint32 && f == math.Trunc(f) {
		return uint32(f), nil
	}
	return 0, errors.New("is not a limit: want a whole number, 0 for none")
}

// limits are the interface's own where it has any, else the host's.
func (ep *Endpoint) limits(host vfp.FlowLimits) vfp.FlowLimits {
	if ep.FlowLimit != 0 {
		host.Flows = ep.FlowLimit
	}
	return host
}

func (ep *Endpoint) bandwidth() (b [2]vfp.Bandwidth) {
	for d, mbps := range ep.Mbps {
		b[d].BitsPerSecond = uint64(mbps) * 1_000_000
	}
	return b
}

// dhcpLease is what an offer promises, in seconds: the address is the endpoint's for as long as it is attached.
const dhcpLease = 86400

// dhcp is what the vSwitch offers a port: its first IPv4 address, with the subnet's gateway; nil without one.
func (c *compiler) dhcp(port *vfp.Port, ep *Endpoint) *vfp.DHCP {
	for i := range port.Addresses {
		ca := port.Addresses[i].CA
		if !ca.Is4() {
			continue
		}
		d := &vfp.DHCP{MTU: uint16(min(c.policy.InnerMTU, math.MaxUint16)), Lease: dhcpLease}
		for j := range ep.Addresses {
			if a := &ep.Addresses[j]; a.CA == ca && a.Subnet.VSID == port.Addresses[i].VSID {
				d.PrefixLen, d.Gateway = uint8(a.Subnet.Prefix.Bits()), a.Subnet.Gateway
			}
		}
		for _, server := range ep.DNS {
			if server.Is4() && len(d.DNS) < vfp.MaxDNS {
				d.DNS = append(d.DNS, server)
			}
		}
		return d
	}
	return nil
}

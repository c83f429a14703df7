package lab

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// Filter writes the nftables rules for one endpoint: declarations, such as sets, that stand in the table, and the
// verdicts of the chains for new flows that the endpoint starts, and that come to it.
type Filter func(endpoint netip.Addr) (declarations, outbound, inbound string)

// BridgeNFT builds BridgeVXLAN with a firewall: what is bridged passes the forward hook of the host (br_netfilter, because
// connection tracking for bridges themselves is not in every kernel), where established connections are accepted
// first, and all else goes through the rules. The tunnel's own packets are not tracked.
func (l *Lab) BridgeNFT(a, b *Host, rules Filter) Path {
	p := l.peer("filtered", a, b, 1)
	for i, h := range p.hosts {
		l.must(p.bridged(i), "%s: bridge and vxlan device", h.Name)
		l.must(h.ns.Do(func() error { return os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("1"), 0) }),
			"%s: filter bridged packets", h.Name)
	}
	l.Refilter(p.path(), rules)
	return p.path()
}

// Refilter replaces the rules of a path that BridgeNFT has built.
func (l *Lab) Refilter(p Path, rules Filter) {
	for i, ns := range []*Namespace{p.from, p.to} {
		endpoint := netip.AddrFrom4([4]byte{10, 42, 1, byte(i + 1)})
		declarations, outbound, inbound := rules(endpoint)
		host := l.hosts[strings.TrimPrefix(ns.Name, "fl-"+l.id+"-filtered-")]
		text := fmt.Sprintf(`table inet peer
delete table inet peer
table inet peer {
%s
chain before { type filter hook prerouting priority raw; udp dport %d notrack; }
chain sent { type filter hook output priority raw; udp dport %[2]d notrack; }
chain outbound {
%s}
chain inbound {
%s}
chain forward { type filter hook forward priority filter; policy drop;
 ct state established,related accept
 ip saddr %s goto outbound
 ip daddr %[5]s goto inbound
}
}
`, declarations, peerPort, outbound, inbound, endpoint)
		l.must(host.NFT(text), "%s: nft", host.Name)
	}
}

// NFT runs an nftables script in the host.
func (h *Host) NFT(text string) error {
	file := h.lab.path(h.Name + ".nft")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	return h.lab.command(h.ns, "nft", "-f", file)
}

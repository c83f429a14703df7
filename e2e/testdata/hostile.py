#!/usr/bin/python3
"""Packets that mean no good, as scapy makes them, and what the vSwitch does with each.

Writes hostile.hex: a line per packet, "world | from | what becomes of it | name | frame". Worlds are encapsulation and
underlay family; the policy that they stand for is in vfp/ebpf/hostile_linux_test.go. From is a port, or the underlay.
What becomes of it: "drop REASON PLACE" with the port (or host) that counts it, "pass" (left to the host's stack),
"deliver PORT", "encapsulate", "reply", or "reply REASON" (an ICMP error, and counted at the sender). Only what is
delivered or encapsulated is meant to reach anybody: it is there because a vSwitch that drops it is wrong, too.
"""
import sys
from scapy.all import (ARP, Dot1Q, Ether, GRE, ICMP, ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6MLQuery, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA,
    ICMPv6ND_RS, ICMPv6ND_Redirect, ICMPv6NDOptDstLLAddr, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IP,
    IPerror, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Jumbo, IPOption_LSRR, IPOption_RR, IPOption_SSRR, Raw, TCP,
    UDP, raw)
from scapy.layers.vxlan import VXLAN

OUT = []
ROUTER = "02:fa:1e:ad:00:01"
DATA = Raw(b"hostile!" * 3)
GW4, GW6, LLROUTER = "10.0.1.1", "fd00:0:0:1::1", "fe80::fa:1eff:fead:1"


def mac(n):
    return "00:1d:d8:00:00:%02x" % n


def ca(n, v6=False):
    return "fd00:0:0:1::%x" % n if v6 else "10.0.1.%d" % n


def pa(n, v6=False):
    return "fd00:172:16::%x" % n if v6 else "172.16.0.%d" % n


def add(world, where, what, name, frame):
    OUT.append("%s | %s | %s | %s | %s" % (world, where, what, name, (frame if isinstance(frame, bytes) else raw(frame)).hex()))


def eth(dst=5, src=4, **kw):
    return Ether(dst=mac(dst) if isinstance(dst, int) else dst, src=mac(src) if isinstance(src, int) else src, **kw)


def ip(v6=False, dst=5, src=4, **kw):
    dst, src = (ca(dst, v6) if isinstance(dst, int) else dst), (ca(src, v6) if isinstance(src, int) else src)
    return IPv6(src=src, dst=dst, **kw) if v6 else IP(src=src, dst=dst, **kw)


def udp(**kw):
    return UDP(sport=1000, dport=2000, **kw) / DATA


def linklocal(n):
    return "fe80::21d:d8ff:fe00:%x" % n


# --- out of a port ------------------------------------------------------------------------------------------------
MALFORMED = "drop malformed port4"


def port(what, name, frame):
    add("vxlan4", "port4", what, name, frame)


def lengths():
    for v6 in (False, True):
        f = "IPv6" if v6 else "IPv4"
        base = raw(eth() / ip(v6) / udp())
        port("deliver port5", f + " as it should be", base)
        head = 14 + (40 if v6 else 20)
        for cut in (14, 15, head - 1, head, head + 7, head + 8, len(base) - 1):
            port(MALFORMED, "%s cut after %d bytes" % (f, cut), base[:cut])
        tcp = raw(eth() / ip(v6) / TCP(dport=9, flags="S", options=[("MSS", 1460)]))
        for cut in (head + 13, head + 19, head + 20, head + 23):
            port(MALFORMED, "%s TCP cut after %d bytes" % (f, cut), tcp[:cut])
        for n in (0, 4):
            port(MALFORMED, "%s TCP data offset %d" % (f, n), eth() / ip(v6) / TCP(dport=9, dataofs=n))
        port(MALFORMED, f + " TCP data offset behind the end", eth() / ip(v6) / TCP(dport=9, dataofs=15))
        for n in (0, 7, 200, 65535):
            port(MALFORMED, "%s UDP length %d" % (f, n), eth() / ip(v6) / UDP(sport=1, dport=2, len=n) / DATA)
        port("deliver port5", f + " UDP shorter than the packet: what is behind it is the receiver's to ignore", eth() / ip(v6) / UDP(sport=1, dport=2, len=12) / DATA)
        port("deliver port5", f + " UDP checksum wrong: the receiver's to check", eth() / ip(v6) / UDP(sport=1, dport=2, chksum=1) / DATA)
        port("deliver port5", f + " TCP checksum wrong", eth() / ip(v6) / TCP(dport=9, chksum=1))
        port("deliver port5", f + " behind it what is no part of it", base + b"\0" * 20)
    base = raw(eth() / ip() / udp())
    for n in (0, 19, 24, 53, 1500, 65535):
        port(MALFORMED, "IPv4 total length %d" % n, eth() / ip(len=n) / udp())
    for n in (0, 1, 4):
        port(MALFORMED, "IPv4 header length %d words" % n, eth() / ip(ihl=n) / udp())
    port(MALFORMED, "IPv4 header length behind the end", eth() / ip(ihl=15) / Raw(b"x" * 8))
    for n in (0, 5, 6, 15):
        port(MALFORMED, "version %d with IPv4's ethertype" % n, base[:14] + bytes([n << 4 | 5]) + base[15:])
    base6 = raw(eth() / ip(True) / udp())
    for n in (0, 4, 7, 15):
        port(MALFORMED, "version %d with IPv6's ethertype" % n, base6[:14] + bytes([n << 4]) + base6[15:])
    port(MALFORMED, "IPv6 in IPv4's ethertype", base6[:12] + b"\x08\x00" + base6[14:])
    port(MALFORMED, "IPv4 in IPv6's ethertype", base[:12] + b"\x86\xdd" + base[14:])
    for n in (0, 7, 33, 1500, 65535):
        port(MALFORMED, "IPv6 payload length %d" % n, eth() / ip(True, plen=n) / udp())
    port("deliver port5", "IPv4 header checksum wrong: the receiver's to check", eth() / ip(chksum=1) / udp())
    for what, frame in (("one byte", b"\0"), ("no ethertype", base[:13])):
        port(MALFORMED, "frame of " + what, frame)


def ethernet():
    inner = ip() / udp()
    port("drop vlan port4", "802.1Q", eth() / Dot1Q(vlan=5) / inner)
    port("drop vlan port4", "802.1ad", eth(type=0x88A8) / Dot1Q(vlan=5) / Dot1Q(vlan=6) / inner)
    port("drop vlan port4", "802.1Q priority tag", eth() / Dot1Q(vlan=0) / inner)
    for t in (0x0000, 0x05DC, 0x0842, 0x8137, 0x8847, 0x8863, 0x8864, 0x888E, 0x88CC, 0x88F7, 0xFFFF):
        port("drop unsupported-ethertype port4", "ethertype %04x" % t, eth(type=t) / Raw(raw(inner)))
    port("drop mac-spoof port4", "another's MAC", eth(src=5) / inner)
    port("drop mac-spoof port4", "the router's MAC", eth(src=ROUTER) / inner)
    port("drop mac-spoof port4", "group bit in the source MAC", eth(src="01:1d:d8:00:00:04") / inner)
    port("drop destination-mac port4", "destination MAC of nobody", eth("02:00:00:00:00:99") / inner)
    port("drop destination-mac port4", "destination MAC of another than the address", eth(6) / inner)
    port("drop multicast port4", "broadcast MAC", eth("ff:ff:ff:ff:ff:ff") / inner)
    port("drop multicast port4", "multicast MAC around a unicast packet", eth("01:00:5e:00:00:01") / inner)


def addresses():
    for v6, sources in ((False, ("0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "10.0.1.5", "10.0.1.1", "10.0.2.4", "172.16.0.2")),
                        (True, ("::", "::1", "ff02::1", "fd00:0:0:1::5", GW6, "fd00:0:0:2::4", linklocal(4), linklocal(5)))):
        for s in sources:
            port("drop ca-spoof port4", "from " + s, eth() / ip(v6, src=s) / udp())
        for d in ("172.16.0.1", "172.16.0.2", "127.0.0.1", "0.0.0.0", "10.0.1.99") if not v6 else ("fd00:172:16::1", "::1", "::", "fe80::1", "fd00:0:0:1::99"):
            port("drop no-mapping port4", "to " + d, eth(ROUTER) / ip(v6, dst=d) / udp())
        for d in ("224.0.0.1", "239.255.255.250", "255.255.255.255") if not v6 else ("ff02::1", "ff02::fb", "ff05::2"):
            port("drop multicast port4", "to " + d, eth(ROUTER) / ip(v6, dst=d) / udp())
        port("drop no-mapping port4", "%s to another tenant" % ("IPv6" if v6 else "IPv4"), eth(8) / ip(v6, dst=8) / udp())
        for ttl in (0, 1):
            kw = {"hlim": ttl} if v6 else {"ttl": ttl}
            port("reply ttl-expired", "routed with a TTL of %d to %s" % (ttl, ca(5, v6)), eth(ROUTER) / ip(v6, **kw) / udp())
    for s, d in ((4, "::ffff:10.0.1.5"), ("::ffff:10.0.1.4", 5), ("::ffff:10.0.1.4", "::ffff:10.0.1.5")):
        port(MALFORMED, "IPv6 with IPv4's addresses, %s to %s" % (s, d), eth() / ip(True, src=s, dst=d) / udp())
    port("drop dhcp-guard port4", "a DHCP server", eth() / ip() / UDP(sport=67, dport=68) / DATA)
    port("drop dhcp-guard port4", "a DHCPv6 server", eth() / ip(True) / UDP(sport=547, dport=546) / DATA)
    port("drop ca-spoof port4", "a DHCP client, and nobody offers anything", eth("ff:ff:ff:ff:ff:ff") / ip(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / DATA)


def arp():
    def a(**kw):
        kw = {"op": 1, "hwsrc": mac(4), "psrc": ca(4), "hwdst": "00:00:00:00:00:00", "pdst": ca(5), **kw}
        return ARP(**kw)
    bcast = "ff:ff:ff:ff:ff:ff"
    port("reply", "ARP as it should be", eth(bcast) / a())
    port("reply", "ARP for the gateway", eth(bcast) / a(pdst=GW4))
    port("drop arp-spoof port4", "ARP with another's address", eth(bcast) / a(psrc=ca(5)))
    port("drop arp-spoof port4", "ARP with the gateway's address", eth(bcast) / a(psrc=GW4))
    port("drop arp-spoof port4", "ARP with another's MAC inside", eth(bcast) / a(hwsrc=mac(5)))
    port("drop mac-spoof port4", "ARP with another's MAC outside", eth(bcast, 5) / a())
    port("drop arp-spoof port4", "gratuitous ARP for the gateway", eth(bcast) / a(psrc=GW4, pdst=GW4, op=2, hwdst=bcast))
    port("drop arp-spoof port4", "ARP reply that says another is here", eth(5) / a(op=2, psrc=ca(6), hwdst=mac(5), pdst=ca(5)))
    port("drop arp-unanswered port4", "gratuitous ARP", eth(bcast) / a(pdst=ca(4)))
    port("drop arp-unanswered port4", "ARP reply that nobody asked for", eth(5) / a(op=2, hwdst=mac(5)))
    port("drop arp-unanswered port4", "ARP for nobody", eth(bcast) / a(pdst="10.0.1.99"))
    port("drop arp-unanswered port4", "ARP for another tenant's", eth(bcast) / a(pdst=ca(8)))
    for op in (0, 3, 8, 65535):
        port("drop arp-unanswered port4", "ARP operation %d" % op, eth(bcast) / a(op=op))
    for kw in ({"hwtype": 6}, {"ptype": 0x86DD}, {"hwlen": 8}, {"plen": 16}, {"hwlen": 0, "plen": 0}):
        good = bytearray(raw(eth(bcast) / a()))
        if "hwtype" in kw: good[14:16] = kw["hwtype"].to_bytes(2, "big")
        if "ptype" in kw: good[16:18] = kw["ptype"].to_bytes(2, "big")
        if "hwlen" in kw: good[18] = kw["hwlen"]
        if "plen" in kw: good[19] = kw["plen"]
        port(MALFORMED, "ARP with %s" % kw, bytes(good))
    for cut in (14, 20, 41):
        port(MALFORMED, "ARP cut after %d bytes" % cut, raw(eth(bcast) / a())[:cut])


def options():
    hop = "10.0.1.6"
    port("drop ip-options port4", "loose source route", eth() / ip(options=[IPOption_LSRR(routers=[hop])]) / udp())
    port("drop ip-options port4", "strict source route", eth() / ip(options=[IPOption_SSRR(routers=[hop])]) / udp())
    port("drop ip-options port4", "source route behind padding", eth() / ip(options=[Raw(b"\1\1\1"), IPOption_LSRR(routers=[hop])]) / udp())
    port("drop ip-options port4", "source route behind another option", eth() / ip(options=[IPOption_RR(routers=["0.0.0.0"]), IPOption_SSRR(routers=[hop])]) / udp())
    port("deliver port5", "record route", eth() / ip(options=[IPOption_RR(routers=["0.0.0.0"])]) / udp())
    port("deliver port5", "what looks like a source route behind the end of options", eth() / ip(options=[Raw(b"\0\x83\x07\x04\x0a\0\1\6")]) / udp())
    for n in (0, 1, 200):
        port(MALFORMED, "option of length %d" % n, eth() / ip(options=[Raw(bytes([7, n, 0, 0]))]) / udp())
    port(MALFORMED, "option without a length", eth() / ip(options=[Raw(b"\1\1\1\7")]) / udp())
    rh = lambda t: IPv6ExtHdrRouting(type=t, addresses=["fd00:0:0:1::6"])
    for t in (0, 2, 3, 4):
        port("drop ip-options port4", "routing header of type %d" % t, eth() / ip(True) / rh(t) / udp())
    port("drop ip-options port4", "routing header behind destination options", eth() / ip(True) / IPv6ExtHdrDestOpt() / rh(0) / udp())
    dest = IPv6ExtHdrDestOpt
    port("deliver port5", "hop-by-hop and destination options", eth() / ip(True) / IPv6ExtHdrHopByHop() / dest() / udp())
    port(MALFORMED, "hop-by-hop options not first", eth() / ip(True) / dest() / IPv6ExtHdrHopByHop() / udp())
    port(MALFORMED, "hop-by-hop options twice", eth() / ip(True) / IPv6ExtHdrHopByHop() / IPv6ExtHdrHopByHop() / udp())
    chain = ip(True)
    for i in range(6):
        chain = chain / dest()
    port("deliver port5", "six extension headers", eth() / chain / udp())
    port(MALFORMED, "seven extension headers", eth() / chain / dest() / udp())
    for i in range(20):
        chain = chain / dest()
    port(MALFORMED, "a chain that does not end", eth() / chain / udp())
    port(MALFORMED, "an extension header longer than the packet", eth() / ip(True, nh=60) / Raw(b"\x11\xff" + b"\0" * 30))
    port(MALFORMED, "an extension header cut", eth() / ip(True, nh=60) / Raw(b"\x11"))
    port(MALFORMED, "authentication header longer than the packet", eth() / ip(True, nh=51) / Raw(b"\x11\xfe" + b"\0" * 30))
    jumbo = IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=70000)])
    port(MALFORMED, "jumbo payload", eth() / ip(True, plen=0) / jumbo / udp())
    port("deliver port5", "nothing behind the header", eth() / ip(True, nh=59))
    port("deliver port5", "a protocol nobody knows", eth() / ip(True, nh=253) / DATA)


def fragments():
    frag = lambda off, more, proto=17, id=7, size=24: eth() / ip(frag=off, flags=1 if more else 0, id=id, proto=proto) / Raw(b"\x03\xe8\x07\xd0\0\x20\0\0" * (size // 8))
    port("drop fragment port4", "later fragment of nothing", frag(3, False, id=1))
    port("drop fragment port4", "middle fragment of nothing", frag(3, True, id=1))
    port(MALFORMED, "tiny first fragment: TCP of eight bytes", frag(0, True, 6, 2, 8))
    port(MALFORMED, "tiny first fragment: TCP of sixteen bytes", frag(0, True, 6, 2, 16))
    port(MALFORMED, "fragment that overwrites TCP's flags", frag(1, False, 6, 2))
    port(MALFORMED, "fragment that overwrites TCP's options", frag(2, False, 6, 2))
    port("deliver port5", "teardrop, first part", frag(0, True, id=3))
    port("deliver port5", "teardrop, what overlaps: the receiver puts it together, and the ports are the first's", frag(1, False, id=3))
    port("drop fragment port4", "the same number of another protocol", frag(3, False, 1, 3))
    port(MALFORMED, "first fragment of half a UDP header", eth() / ip(flags=1, id=4, proto=17) / Raw(b"\x03\xe8\x07\xd0"))
    port("drop icmp-unrelated port4", "first fragment of an ICMP error", eth() / ip(flags=1, id=5, proto=1) / Raw(b"\x03\x01\0\0\0\0\0\0" + raw(ip(src=5, dst=4) / udp())))
    six = lambda off, more, body, id=7, nh=17: eth() / ip(True, nh=44) / Raw(bytes([nh, 0]) + (off << 3 | (1 if more else 0)).to_bytes(2, "big") + id.to_bytes(4, "big")) / Raw(body)
    u = raw(UDP(sport=1000, dport=2000, len=64, chksum=7) / DATA)
    port("drop fragment port4", "IPv6 later fragment of nothing", six(3, False, u, 1))
    port(MALFORMED, "IPv6 first fragment without the whole L4 header", six(0, True, u[:4], 2))
    port(MALFORMED, "IPv6 TCP fragment that overwrites the flags", six(1, False, u, 2, 6))
    port(MALFORMED, "IPv6 two fragment headers", eth() / ip(True, nh=44) / Raw(b"\x2c\0\0\1\0\0\0\1" + b"\x11\0\0\1\0\0\0\2") / Raw(u))
    port(MALFORMED, "IPv6 later fragment that begins with an extension header", six(3, False, u, 2, 60))
    port("deliver port5", "IPv6 first fragment", six(0, True, u, 3))
    port("deliver port5", "IPv6 overlapping fragment", six(1, False, u, 3))
    port("deliver port5", "IPv6 atomic fragment", six(0, False, raw(udp())[:0] + raw(UDP(sport=1000, dport=2000, chksum=7) / DATA), 4))
    port(MALFORMED, "fragmented neighbour solicitation", six(0, True, raw(ICMPv6ND_NS(tgt=ca(5, True)))[:24], 5, 58))
    port(MALFORMED, "fragmented router advertisement", six(0, True, raw(ICMPv6ND_RA())[:16], 5, 58))


def nd():
    ns = lambda **kw: ICMPv6ND_NS(tgt=kw.get("tgt", ca(5, True))) / ICMPv6NDOptSrcLLAddr(lladdr=kw.get("ll", mac(4)))
    group = "33:33:ff:00:00:05"
    to = "ff02::1:ff00:5"
    port("reply", "ND as it should be", eth(group) / ip(True, dst=to, hlim=255) / ns())
    port("reply", "ND for the gateway", eth(group) / ip(True, dst=to, hlim=255, src=linklocal(4)) / ns(tgt=GW6))
    for s in (ca(5, True), GW6, linklocal(5), LLROUTER, "ff02::1"):
        port("drop nd-spoof port4", "solicitation from " + s, eth(group) / ip(True, src=s, dst=to, hlim=255) / ns())
    port("drop nd-spoof port4", "solicitation that brings another's MAC", eth(group) / ip(True, dst=to, hlim=255) / ns(ll=mac(5)))
    for h in (0, 1, 64, 254):
        port(MALFORMED, "solicitation with a hop limit of %d" % h, eth(group) / ip(True, dst=to, hlim=h) / ns())
    port(MALFORMED, "solicitation with a code", eth(group) / ip(True, dst=to, hlim=255) / ICMPv6ND_NS(code=1, tgt=ca(5, True)))
    port(MALFORMED, "solicitation cut", eth(group) / ip(True, dst=to, hlim=255, nh=58) / Raw(raw(ns())[:20]))
    port("drop nd-unanswered port4", "solicitation for nobody", eth(group) / ip(True, dst=to, hlim=255) / ns(tgt="fd00:0:0:1::99"))
    port("drop nd-unanswered port4", "solicitation for an IPv4 address", eth(group) / ip(True, dst=to, hlim=255) / ns(tgt="::ffff:10.0.1.5"))
    port("drop nd-unanswered port4", "solicitation for another tenant's", eth(group) / ip(True, dst=to, hlim=255) / ns(tgt=ca(8, True)))
    na = lambda tgt: ICMPv6ND_NA(tgt=tgt, R=1, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac(4))
    for t in (ca(5, True), GW6, LLROUTER, linklocal(5), "::ffff:10.0.1.4"):
        port("drop nd-spoof port4", "advertisement that it is " + t, eth("33:33:00:00:00:01") / ip(True, dst="ff02::1", hlim=255) / na(t))
    port("drop nd-unanswered port4", "advertisement of its own address", eth("33:33:00:00:00:01") / ip(True, dst="ff02::1", hlim=255) / na(ca(4, True)))
    ra = ICMPv6ND_RA(routerlifetime=9000, prf=1) / ICMPv6NDOptPrefixInfo(prefix="2001:db8::", prefixlen=64) / ICMPv6NDOptSrcLLAddr(lladdr=mac(4))
    for s in (linklocal(4), ca(4, True), LLROUTER):
        port("drop ra-guard port4", "router advertisement from " + s, eth("33:33:00:00:00:01") / ip(True, src=s, dst="ff02::1", hlim=255) / ra)
    port("drop ra-guard port4", "router advertisement to one endpoint", eth() / ip(True, src=linklocal(4), hlim=255) / ra)
    port("drop ra-guard port4", "router advertisement behind destination options", eth() / ip(True, src=linklocal(4), hlim=255) / IPv6ExtHdrDestOpt() / ra)
    port("drop ra-guard port4", "router advertisement behind hop-by-hop options", eth() / ip(True, src=linklocal(4), hlim=255) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / ra)
    port("drop ra-guard port4", "redirect", eth() / ip(True, src=LLROUTER, hlim=255) / ICMPv6ND_Redirect(tgt=ca(4, True), dst=ca(6, True)))
    port("drop nd-spoof port4", "router solicitation from another", eth("33:33:00:00:00:02") / ip(True, src=linklocal(5), dst="ff02::2", hlim=255) / ICMPv6ND_RS())
    port("reply", "router solicitation", eth("33:33:00:00:00:02") / ip(True, src=linklocal(4), dst="ff02::2", hlim=255) / ICMPv6ND_RS())
    port("drop multicast port4", "MLD query", eth("33:33:00:00:00:01") / ip(True, src=linklocal(4), dst="ff02::1", hlim=1) / IPv6ExtHdrHopByHop() / ICMPv6MLQuery())


def icmp_errors():
    for v6 in (False, True):
        f = "IPv6 " if v6 else "IPv4 "
        quote = lambda src=5, dst=4: raw(ip(v6, src=src, dst=dst) / UDP(sport=4444, dport=5555) / DATA)
        if v6:
            errors = [ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=68), ICMPv6TimeExceeded()]
        else:
            errors = [ICMP(type=3, code=3), ICMP(type=3, code=4, nexthopmtu=68), ICMP(type=11), ICMP(type=12), ICMP(type=4)]
        for e in errors:
            name = f + "ICMP type %d " % e.type
            port("drop icmp-unrelated port4", name + "about what was never sent", eth() / ip(v6) / e / Raw(quote()))
            port("drop icmp-unrelated port4", name + "about others' packets", eth() / ip(v6) / e / Raw(quote(6, 7)))
            port("drop icmp-unrelated port4", name + "about its own packets", eth() / ip(v6) / e / Raw(quote(4, 5)))
            port(MALFORMED, name + "with half a quote", eth() / ip(v6) / e / Raw(quote()[:16]))
            port(MALFORMED, name + "without a quote", eth() / ip(v6) / e)
            port(MALFORMED, name + "that quotes another version", eth() / ip(v6) / e / Raw(raw(ip(not v6, src=5, dst=4) / udp())))
    port("drop icmp-unrelated port4", "ICMP redirect", eth() / ip() / ICMP(type=5, code=1, gw="10.0.1.4") / Raw(raw(ip(src=5, dst=6) / udp())))
    port("drop icmp-unrelated port4", "ICMP error about a fragment", eth() / ip() / ICMP(type=11, code=1) / Raw(raw(ip(src=5, dst=4, frag=3) / udp())))


def tunnels():
    inner = eth(5, 6) / ip(src=6, dst=5) / udp()
    port("deliver port5", "VXLAN to a neighbour: a tenant's own tunnel", eth() / ip() / UDP(sport=50000, dport=4789) / VXLAN(vni=5001, flags=8) / inner)
    port("encapsulate", "VXLAN to another host's endpoint", eth(6) / ip(dst=6) / UDP(sport=50000, dport=4789) / VXLAN(vni=5001, flags=8) / inner)
    port("drop no-mapping port4", "VXLAN to a provider address", eth(ROUTER) / ip(dst=pa(2)) / UDP(sport=50000, dport=4789) / VXLAN(vni=5001, flags=8) / inner)
    port("drop no-mapping port4", "NVGRE to this host", eth(ROUTER) / ip(dst=pa(1)) / GRE(key_present=1, key=5001 << 8, proto=0x6558) / inner)
    port("drop ca-spoof port4", "VXLAN from a provider address", eth(ROUTER) / ip(src=pa(2), dst=pa(1)) / UDP(sport=50000, dport=4789) / VXLAN(vni=5001, flags=8) / inner)
    port("deliver port5", "IPv6 in IPv4: a tenant's own tunnel", eth() / ip() / ip(True))


# --- from the underlay --------------------------------------------------------------------------------------------
def underlay(under6):
    family = "6" if under6 else "4"
    vx, gre = "vxlan" + family, "nvgre" + family

    def outer(src=2, dst=1, **kw):
        head = Ether(dst="02:00:00:00:01:01", src="02:00:00:00:01:02")
        src, dst = (pa(src, under6) if isinstance(src, int) else src), (pa(dst, under6) if isinstance(dst, int) else dst)
        return head / (IPv6(src=src, dst=dst, **kw) if under6 else IP(src=src, dst=dst, **kw))

    def vxlan(inner, vni=5001, o=None, **kw):
        kw.setdefault("flags", 8)
        return (o if o is not None else outer()) / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=vni, **kw) / inner

    def nvgre(inner, vni=5001, o=None, flow=7, **kw):
        kw = {"key_present": 1, "key": vni << 8 | flow, "proto": 0x6558, **kw}
        return (o if o is not None else outer()) / GRE(**kw) / inner

    def put(what, name, frame, world=vx):
        add(world, "underlay", what, name, frame)

    good = eth(4, 6) / ip(dst=4, src=6) / udp()
    good6 = eth(4, 6) / ip(True, dst=4, src=6) / udp()
    bad = "drop malformed host"
    for world, wrap in ((vx, vxlan), (gre, nvgre)):
        p = lambda what, name, frame: put(what, name, frame, world)
        p("deliver port4", "as it should be", wrap(good))
        p("deliver port4", "IPv6 as it should be", wrap(good6, 5011))
        # whose it is
        for vni in (0, 1, 4095, 9999, 16777214, 16777215):
            p("pass", "VSID %d is nobody's here" % vni, wrap(good, vni))
        p("drop no-port host", "another tenant's VSID", wrap(good, 6001))
        p("drop no-port host", "VSID of another subnet", wrap(good, 5002))
        p("drop no-mapping port8", "another tenant's VSID and endpoint", wrap(eth(8, 6) / ip(dst=8, src=6) / udp(), 6001))
        p("drop pa-spoof port4", "from another host than the sender's", wrap(good, o=outer(3)))
        p("drop pa-spoof port4", "from nobody", wrap(good, o=outer(99)))
        p("drop pa-spoof port4", "from this host's own address", wrap(good, o=outer(1)))
        p("drop pa-spoof port4", "as one of this host's own endpoints", wrap(eth(4, 5) / ip(dst=4, src=5) / udp()))
        p("drop no-mapping port4", "as the gateway", wrap(eth(4, ROUTER) / ip(dst=4, src=GW4) / udp()))
        for s in ("127.0.0.1", "0.0.0.0", "10.0.1.99", "172.16.0.2"):
            p("drop no-mapping port4", "as " + s, wrap(eth(4, 6) / ip(dst=4, src=s) / udp()))
        p("drop no-port host", "to nobody", wrap(eth(99, 6) / ip(dst=99, src=6) / udp()))
        p("drop no-port host", "to an endpoint elsewhere: nothing is sent on", wrap(eth(7, 6) / ip(dst=7, src=6) / udp()))
        p("drop no-port host", "to a provider address", wrap(eth(4, 6) / ip(dst="172.16.0.1", src=6) / udp()))
        p("drop destination-mac port4", "to another MAC", wrap(eth(5, 6) / ip(dst=4, src=6) / udp()))
        p("drop destination-mac port4", "to the router's MAC", wrap(eth(ROUTER, 6) / ip(dst=4, src=6) / udp()))
        p("pass", "to another host's provider address", wrap(good, o=outer(dst=2)))
        # what is inside
        i, i6 = raw(good), raw(good6)
        for cut in (0, 13):
            p(bad, "inner frame of %d bytes" % cut, wrap(Raw(i[:cut])))
        for cut in (14, 15, 33, 34, 41, len(i) - 1):
            p(bad, "inner frame cut after %d bytes" % cut, wrap(Raw(i[:cut])))
        for cut in (14, 53, 54, 61, len(i6) - 1):
            p(bad, "inner IPv6 cut after %d bytes" % cut, wrap(Raw(i6[:cut]), 5011))
        p(bad, "inner IPv6 with IPv4's ethertype", wrap(Raw(i6[:12] + b"\x08\0" + i6[14:])))
        p(bad, "inner IPv4 with IPv6's ethertype", wrap(Raw(i[:12] + b"\x86\xdd" + i[14:]), 5011))
        p(bad, "inner total length too large", wrap(eth(4, 6) / ip(dst=4, src=6, len=1400) / udp()))
        p(bad, "inner UDP length too large", wrap(eth(4, 6) / ip(dst=4, src=6) / UDP(sport=1, dport=2, len=900) / DATA))
        p("drop vlan host", "tagged inside", wrap(eth(4, 6) / Dot1Q(vlan=3) / ip(dst=4, src=6) / udp()))
        p("drop unsupported-ethertype host", "ARP inside", wrap(eth("ff:ff:ff:ff:ff:ff", 6) / ARP(op=2, hwsrc=mac(6), psrc=GW4, pdst=ca(4))))
        p("drop unsupported-ethertype host", "spanning tree inside", wrap(eth("01:80:c2:00:00:00", 6, type=0x26) / Raw(b"\x42\x42\x03" + b"\0" * 35)))
        for s, d in ((6, "::ffff:10.0.1.4"), ("::ffff:10.0.1.6", 4), ("::ffff:10.0.1.6", "::ffff:10.0.1.4")):
            for vni in (5001, 5011):
                p(bad, "IPv6 with IPv4's addresses inside, VSID %d, %s to %s" % (vni, s, d), wrap(eth(4, 6) / ip(True, src=s, dst=d) / udp(), vni))
        p("drop multicast host", "broadcast inside", wrap(eth("ff:ff:ff:ff:ff:ff", 6) / ip(dst="255.255.255.255", src=6) / udp()))
        p("drop multicast host", "multicast inside", wrap(eth("33:33:00:00:00:fb", 6) / ip(True, dst="ff02::fb", src=6) / udp(), 5011))
        p("drop no-port host", "a multicast address behind a port's MAC", wrap(eth(4, 6) / ip(dst="224.0.0.1", src=6) / udp()))
        for name, m in (("RA", ICMPv6ND_RA()), ("NS", ICMPv6ND_NS(tgt=ca(4, True))), ("NA", ICMPv6ND_NA(tgt=GW6)), ("RS", ICMPv6ND_RS()), ("redirect", ICMPv6ND_Redirect(tgt=ca(6, True), dst=ca(5, True)))):
            p("drop nd-unanswered host", name + " inside", wrap(eth(4, 6) / ip(True, dst=4, src=LLROUTER, hlim=255) / m, 5011))
        p("drop nd-unanswered host", "RA behind destination options inside", wrap(eth(4, 6) / ip(True, dst=4, src=LLROUTER, hlim=255) / IPv6ExtHdrDestOpt() / ICMPv6ND_RA(), 5011))
        p("drop multicast host", "MLD inside", wrap(eth("33:33:00:00:00:01", 6) / ip(True, dst="ff02::1", src=linklocal(6), hlim=1) / ICMPv6MLQuery(), 5011))
        p("drop ip-options host", "source route inside", wrap(eth(4, 6) / ip(dst=4, src=6, options=[IPOption_LSRR(routers=["10.0.1.5"])]) / udp()))
        p("drop ip-options host", "routing header inside", wrap(eth(4, 6) / ip(True, dst=4, src=6) / IPv6ExtHdrRouting(addresses=[ca(5, True)]) / udp(), 5011))
        p(bad, "hop-by-hop not first inside", wrap(eth(4, 6) / ip(True, dst=4, src=6) / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / udp(), 5011))
        p("drop fragment host", "later fragment of nothing inside", wrap(eth(4, 6) / ip(dst=4, src=6, frag=5, id=1) / DATA))
        p(bad, "tiny fragment inside", wrap(eth(4, 6) / ip(dst=4, src=6, flags=1, id=2, proto=6) / Raw(b"\0\1\0\2\0\0\0\0")))
        p(bad, "fragment that overwrites TCP's flags inside", wrap(eth(4, 6) / ip(dst=4, src=6, frag=1, id=2, proto=6) / DATA))
        for v6, e in ((False, ICMP(type=3, code=4, nexthopmtu=68)), (False, ICMP(type=3, code=1)), (False, ICMP(type=5, gw="10.0.1.6")), (True, ICMPv6PacketTooBig(mtu=68)), (True, ICMPv6DestUnreach())):
            quote = raw(ip(v6, src=4, dst=6) / UDP(sport=4444, dport=5555) / DATA)
            p("drop icmp-unrelated port4", "ICMP%s error %d about what was never sent inside" % ("v6" if v6 else "", e.type),
              wrap(eth(4, 6) / ip(v6, dst=4, src=6) / e / Raw(quote), 5011 if v6 else 5001))
        p("deliver port4", "VXLAN in the tunnel: a tenant's own", wrap(eth(4, 6) / ip(dst=4, src=6) / UDP(sport=1, dport=4789) / VXLAN(vni=5001, flags=8) / good))
        p("drop no-port host", "VXLAN in the tunnel to this host", wrap(eth(4, 6) / ip(dst="172.16.0.1", src=6) / UDP(sport=1, dport=4789) / VXLAN(vni=5001, flags=8) / good))
        ce = {"tc": 3} if under6 else {"tos": 3}
        p("drop ecn host", "congestion mark on what is not ECN capable", wrap(good, o=outer(**ce)))
    # VXLAN's own header
    put("deliver port4", "reserved bits behind the VNI", vxlan(good, reserved2=255))
    put("deliver port4", "reserved bits in front of the VNI", vxlan(good, reserved1=0xFFFF))
    for flags in (0x00, 0x80, 0x09, 0x0C, 0x88, 0xFF):
        n, at = raw(vxlan(good)), 14 + (40 if under6 else 20) + 8
        put(bad, "VXLAN flags %02x" % flags, n[:at] + bytes([flags]) + n[at + 1:])
    for n in (0, 8, 29, 40, 65535):
        put(bad, "outer UDP length %d" % n, outer() / UDP(sport=50000, dport=4789, chksum=0, len=n) / VXLAN(vni=5001, flags=8) / good)
    put("pass", "VXLAN-GPE's port", outer() / UDP(sport=50000, dport=4790, chksum=0) / VXLAN(vni=5001, flags=12) / good)
    put("pass", "the VXLAN header cut", outer() / UDP(sport=50000, dport=4789, chksum=0) / Raw(b"\x08\0\0"))
    put("deliver port4" if under6 else "deliver port4", "outer UDP checksum wrong: nobody looks at it", outer() / UDP(sport=50000, dport=4789, chksum=0x1234) / VXLAN(vni=5001, flags=8) / good)
    # GRE's
    gre_put = lambda what, name, frame: put(what, name, frame, gre)
    gre_put("pass", "GRE without a key", nvgre(good, key_present=0, key=None))
    gre_put("pass", "GRE with a checksum", nvgre(good, chksum_present=1))
    gre_put("pass", "GRE with a sequence number", nvgre(good, seqnum_present=1, seqence_number=1))
    gre_put("pass", "GRE with routing", nvgre(good, routing_present=1))
    gre_put("pass", "GRE with strict source routing", nvgre(good, strict_route_source=1))
    for v in (1, 2, 7):
        gre_put("pass", "GRE version %d" % v, nvgre(good, version=v))
    for t in (0x0800, 0x86DD, 0x880B, 0x88BE, 0):
        gre_put("pass", "GRE of %04x" % t, nvgre(good, proto=t))
    gre_put("pass", "the GRE header cut", outer(**({"nh": 47} if under6 else {"proto": 47})) / Raw(b"\x20\0\x65\x58\0"))
    # the outer IP header
    if under6:
        n = raw(vxlan(good))
        for plen in (len(n) - 54 + 1, 65535):
            put(bad, "outer payload length %d" % plen, vxlan(good, o=outer(plen=plen)))
        put("pass", "outer hop-by-hop options", vxlan(good, o=outer() / IPv6ExtHdrHopByHop()))
        put("pass", "outer fragment", vxlan(good, o=outer() / IPv6ExtHdrFragment(m=1)))
        put("pass", "outer routing header", vxlan(good, o=outer() / IPv6ExtHdrRouting(addresses=[pa(2, True)])))
        put("pass", "outer version 4", n[:14] + b"\x40" + n[15:])
    else:
        n = raw(vxlan(good))
        for total in (len(n) - 14 + 1, 65535):
            put(bad, "outer total length %d" % total, vxlan(good, o=outer(len=total)))
        put(bad, "outer header checksum", vxlan(good, o=outer(chksum=1)))
        put("pass", "outer options", vxlan(good, o=outer(options=[IPOption_RR(routers=["0.0.0.0"])])))
        put("pass", "outer source route", vxlan(good, o=outer(options=[IPOption_LSRR(routers=[pa(1)])])))
        put("pass", "outer first fragment", vxlan(good, o=outer(flags=1)))
        put("pass", "outer later fragment", vxlan(good, o=outer(frag=3)))
        put("pass", "outer version 6", n[:14] + b"\x65" + n[15:])


for part in (lengths, ethernet, addresses, arp, options, fragments, nd, icmp_errors, tunnels):
    part()
underlay(False)
underlay(True)
sys.stdout.write("\n".join(OUT) + "\n")

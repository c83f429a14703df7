#!/usr/bin/python3
"""The encap tests' independent encoder: scapy (Debian package python3-scapy) builds what Append must build.

    /usr/bin/python3 golden.py          writes the *.hex files next to this script
    /usr/bin/python3 golden.py live     reads one JSON object per line, answers with the frame in hex

Nothing here is taken from the Go code; the flow hash is written again from its description.
"""
import json
import logging
import os
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
import scapy
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from scapy.utils import inet_aton
from scapy.pton_ntop import inet_pton
import socket

M32 = 0xFFFFFFFF


def fold(address):
    if ":" not in address:
        return int.from_bytes(inet_aton(address), "big")
    b = inet_pton(socket.AF_INET6, address)
    h = 0
    for i in range(0, 16, 4):
        h ^= int.from_bytes(b[i:i + 4], "big")
    return h


def flow_hash(src, dst, proto, sport, dport):
    h = fold(src) * 0x9E3779B1 & M32
    h = ((h << 15 | h >> 17) & M32) ^ fold(dst)
    h = h * 0x85EBCA6B & M32
    h ^= h >> 13
    h = (h ^ (sport << 16 | dport)) * 0xC2B2AE35 & M32
    h ^= h >> 16
    h = (h ^ proto) * 0x27D4EB2F & M32
    return h ^ h >> 15


def encapsulate(f, inner):
    """f holds the outer fields; inner is an Ethernet frame, a scapy packet or bytes."""
    if ":" in f["src"]:
        ip = IPv6(src=f["src"], dst=f["dst"], tc=f["tos"], hlim=f["ttl"])
    else:
        ip = IP(src=f["src"], dst=f["dst"], tos=f["tos"], ttl=f["ttl"], id=0, flags="DF")
    if f["type"] == "vxlan":
        tunnel = UDP(sport=f["sport"], dport=4789, chksum=0) / VXLAN(flags="Instance", vni=f["vsid"])
    else:
        tunnel = GRE(key_present=1, proto=0x6558, key=f["vsid"] << 8 | f["flowid"])
    return bytes(Ether(src=f["smac"], dst=f["dmac"]) / ip / tunnel / inner)


def inners():
    """name, inner frame, 5-tuple"""
    a, b = "00:15:5d:00:00:0a", "00:15:5d:00:00:0b"
    eth = Ether(src=a, dst=b)
    yield ("tcp", eth / IP(src="10.1.0.10", dst="10.1.0.11", id=7) / TCP(sport=40000, dport=443, flags="PA", seq=1, ack=2)
           / Raw(b"GET / HTTP/1.1\r\n\r\n"), ("10.1.0.10", "10.1.0.11", 6, 40000, 443))
    yield ("udp", eth / IP(src="10.1.0.10", dst="10.1.0.53", id=8) / UDP(sport=5353, dport=53) / Raw(b"\x00" * 33),
           ("10.1.0.10", "10.1.0.53", 17, 5353, 53))
    yield ("arp", Ether(src=a, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=a, psrc="10.1.0.10", pdst="10.1.0.1"),
           ("10.1.0.10", "10.1.0.1", 0, 0, 0))
    yield ("ipv6", eth / IPv6(src="fd00:1::a", dst="fd00:1::b") / TCP(sport=40001, dport=22, flags="S"),
           ("fd00:1::a", "fd00:1::b", 6, 40001, 22))


def golden():
    here = os.path.dirname(os.path.abspath(__file__))
    vsids = [4096, 5001, 16777214, 0xABCDEF]
    for kind in ("vxlan", "nvgre"):
        for family, src, dst in (("4", "172.16.0.1", "172.16.0.2"), ("6", "2001:db8::1", "2001:db8::2")):
            with open(os.path.join(here, kind + family + ".hex"), "w") as out:
                out.write("# %s over IPv%s, built by scapy %s (testdata/golden.py), not by this package.\n"
                          % (kind.upper(), family, scapy.VERSION))
                for i, (name, inner, flow) in enumerate(inners()):
                    h = flow_hash(*flow)
                    f = {"type": kind, "smac": "02:00:00:00:00:01", "dmac": "02:00:00:00:00:02", "src": src, "dst": dst,
                         "vsid": vsids[i], "tos": 0x2E << 2 if i == 1 else i, "ttl": 64 if i else 255,
                         "sport": 0xC000 | ((h >> 16) ^ h) & 0x3FFF if kind == "vxlan" else 0,
                         "flowid": (h ^ h >> 8 ^ h >> 16 ^ h >> 24) & 0xFF if kind == "nvgre" else 0}
                    out.write("\nname: %s\n" % name)
                    out.write("flow: %s %s %d %d %d\n" % flow)
                    out.write("hash: %08x\n" % h)
                    for key, value in f.items():
                        out.write("%s: %s\n" % (key, value))
                    out.write("inner: %s\n" % bytes(inner).hex())
                    out.write("frame: %s\n" % encapsulate(f, inner).hex())


def live():
    for line in sys.stdin:
        f = json.loads(line)
        print(encapsulate(f, Raw(bytes.fromhex(f["inner"]))).hex())


live() if sys.argv[1:] == ["live"] else golden()

package ebpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model"
)

// The kernel programs must do what the model does: the same random policies and packet sequences run through
// both, and verdict, reason, port, bytes and, at the end, counters and flows are compared.
func TestAgreesWithModel(t *testing.T) {
	d := openTest(t, enterHost(t, 4), modeRecord)
	d.grace = func() {} // no packets but ours
	rapid.Check(t, func(rt *rapid.T) { compare(rt, d) })
}

// FuzzAgreesWithModel runs the same comparison for as long as wanted.
func FuzzAgreesWithModel(f *testing.F) {
	f.Fuzz(func(t *testing.T, seed []byte) {
		d := openTest(t, enterHost(t, 4), modeRecord)
		rapid.MakeFuzz(func(rt *rapid.T) { compare(rt, d) })(t, seed)
	})
}

func compare(rt *rapid.T, d *Datapath) {
	reset(rt, d)
	g := drawFabric(rt)
	p := g.policy(rt)
	apply(rt, d, p)
	pl := model.New(p)
	var l ledger
	l.open(rt, d, pl)
	moved := false // a port that went and came back has lost its flows' names in the kernel
	steps := rapid.IntRange(1, 60).Draw(rt, "steps")
	for i := range steps {
		if rapid.IntRange(0, 9).Draw(rt, "change") == 0 {
			l.compare(rt, d, pl)
			if rapid.Bool().Draw(rt, "rules only") {
				p = g.reguard(rt, p)
			} else {
				p, moved = g.policy(rt), true
				datagrams++
			}
			apply(rt, d, p)
			pl.SetPolicy(p)
			l.open(rt, d, pl)
		}
		var want, got vfp.Trace
		var err error
		what := ""
		port, frame, out := g.next(rt, p)
		if out {
			what = fmt.Sprintf("step %d: %s sends %x", i, port, frame)
			want = pl.PortOut(port, frame, 0)
			got, err = d.run(d.objs.PortOut, d.ifindexOf(port), frame)
		} else {
			what = fmt.Sprintf("step %d: underlay receives %x", i, frame)
			want = pl.UnderlayIn(frame, 0)
			got, err = d.run(d.objs.UnderlayIn, d.underlay, frame)
		}
		if err != nil {
			rt.Fatalf("%s: %v", what, err)
		}
		if got.Verdict != want.Verdict || got.Reason != want.Reason || got.Port != want.Port || !bytes.Equal(got.Frame, want.Frame) {
			rt.Fatalf("%s\n kernel: %s %s port %q %x\n model:  %s %s port %q %x", what,
				got.Verdict, got.Reason, got.Port, got.Frame, want.Verdict, want.Reason, want.Port, want.Frame)
		}
	}
	l.compare(rt, d, pl)
	if moved {
		return
	}
	got, err := d.Flows()
	if err != nil {
		rt.Fatal(err)
	}
	if diff := cmp.Diff(flowLines(p, pl.Flows()), flowLines(p, got)); diff != "" {
		rt.Fatalf("flows (-model +kernel):\n%s", diff)
	}
}

// flowLines is what is compared of the flows of a policy's ports: not their age, and not what a flow that
// waits to be judged again still says of the policy before.
func flowLines(p *vfp.Policy, flows []vfp.Flow) (lines []string) {
	for _, f := range flows {
		f.Age, f.Idle, f.Rules, f.Transposition = 0, 0, nil, ""
		if slices.ContainsFunc(p.Ports, func(port vfp.Port) bool { return port.ID == f.PortID }) {
			lines = append(lines, fmt.Sprintf("%+v", f))
		}
	}
	slices.Sort(lines)
	return lines
}

// totals are counters in a form that can be subtracted. A port or rule that leaves the policy loses its
// counters in the kernel some time later, so what is compared is the growth under one policy.
type totals map[string]uint64

func total(c vfp.Counters) totals {
	t := totals{}
	for id, p := range c.Ports {
		t["rx packets "+id], t["rx bytes "+id] = p.RxPackets, p.RxBytes
		t["tx packets "+id], t["tx bytes "+id] = p.TxPackets, p.TxBytes
		for r, n := range p.Drops {
			t["drop "+r.String()+" "+id] = n
		}
	}
	for k, r := range c.Rules {
		t[fmt.Sprint("rule packets ", k)], t[fmt.Sprint("rule bytes ", k)] = r.Packets, r.Bytes
	}
	for r, n := range c.Host {
		t["host drop "+r.String()] = n
	}
	return t
}

func (t totals) since(base totals) totals {
	out := totals{}
	for k, n := range t {
		if n != base[k] {
			out[k] = n - base[k]
		}
	}
	return out
}

// ledger compares the growth of the counters of both.
type ledger struct{ kernel, model totals }

func kernelTotals(rt *rapid.T, d *Datapath) totals {
	c, err := d.Counters()
	if err != nil {
		rt.Fatal(err)
	}
	return total(c)
}

func (l *ledger) open(rt *rapid.T, d *Datapath, pl *model.Pipeline) {
	l.kernel, l.model = kernelTotals(rt, d), total(pl.Counters())
}

func (l *ledger) compare(rt *rapid.T, d *Datapath, pl *model.Pipeline) {
	got, want := kernelTotals(rt, d).since(l.kernel), total(pl.Counters()).since(l.model)
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("counters (-model +kernel):\n%s", diff)
	}
}

// reset forgets the flows of the case before.
func reset(rt *rapid.T, d *Datapath) {
	apply(rt, d, &vfp.Policy{Encapsulation: encap.VXLAN, ProviderAddress: hostPA(1)})
	apply(rt, d, &vfp.Policy{Encapsulation: encap.NVGRE, ProviderAddress: hostPA(1)})
	apply(rt, d, &vfp.Policy{Encapsulation: encap.VXLAN, ProviderAddress: hostPA(1)})
	datagrams++
	var keys []vswitchFlowKey
	if err := d.eachFlow(func(k *vswitchFlowKey, _ *vswitchFlow) { keys = append(keys, *k) }); err != nil {
		rt.Fatal(err)
	}
	for i := range keys {
		if err := d.objs.Flows.Delete(keys[i]); err != nil {
			rt.Fatal(err)
		}
	}
}

func apply(rt *rapid.T, d *Datapath, p *vfp.Policy) {
	problems, err := d.Apply(p)
	if err != nil || len(problems) > 0 {
		rt.Fatalf("apply: %v %v", err, problems)
	}
}

func (d *Datapath) ifindexOf(port string) uint32 {
	for n, id := range d.portNames {
		if id == port {
			return d.slot[d.active].ports[n].Ifindex
		}
	}
	return 1
}

func hostPA(n int) netip.Addr { return netip.AddrFrom4([4]byte{172, 16, 0, byte(n)}) }

// fabric is the world the packets come from: two tenants with the same addresses on three hosts.
type fabric struct {
	encap     encap.Type
	endpoints []endpoint
	sent      []sent
}

// sent is a packet of this case; flows need more than one.
type sent struct {
	port  string
	frame []byte
	out   bool
}

// next draws a new packet, or an earlier one again: as it was, from another PA, or damaged.
func (g *fabric) next(rt *rapid.T, p *vfp.Policy) (port string, frame []byte, out bool) {
	if len(g.sent) == 0 || rapid.IntRange(0, 2).Draw(rt, "again") > 0 {
		port, frame, out = g.packet(rt, p)
		g.sent = append(g.sent, sent{port, frame, out})
		return port, frame, out
	}
	s := rapid.SampledFrom(g.sent).Draw(rt, "earlier")
	if rapid.IntRange(0, 2).Draw(rt, "answer") == 0 {
		if port, frame, out, ok := g.answer(p, s); ok {
			return port, frame, out
		}
	}
	frame = slices.Clone(s.frame)
	switch rapid.IntRange(0, 7).Draw(rt, "variation") {
	case 0:
		frame = mutate(rt, frame)
	case 1:
		if !s.out && len(frame) > 34 { // another host speaks; the checksum is kept right
			before := frame[29]
			frame[29] = byte(rapid.IntRange(1, 4).Draw(rt, "pa"))
			sum := uint32(^binary.BigEndian.Uint16(frame[24:])) + uint32(^uint16(before)) + uint32(frame[29])
			for sum > 0xffff {
				sum = sum&0xffff + sum>>16
			}
			binary.BigEndian.PutUint16(frame[24:], ^uint16(sum))
		}
	}
	return s.port, frame, s.out
}

type endpoint struct {
	rdid string
	vsid encap.VSID
	ca   netip.Addr
	also netip.Addr // a second CA of the same NIC, in the same subnet
	mac  vfp.MAC
	host int
	port int // 1..4 when attached here
}

func drawFabric(rt *rapid.T) *fabric {
	g := &fabric{encap: rapid.SampledFrom([]encap.Type{encap.VXLAN, encap.NVGRE}).Draw(rt, "encap")}
	for tenant := range 2 {
		for i := range 4 {
			subnet := i / 2
			g.endpoints = append(g.endpoints, endpoint{
				rdid: fmt.Sprintf("rd-%d", tenant),
				vsid: encap.VSID(5000 + tenant*10 + subnet),
				ca:   netip.AddrFrom4([4]byte{10, 0, byte(1 + subnet), byte(4 + i)}),
				also: netip.AddrFrom4([4]byte{10, 0, byte(1 + subnet), byte(14 + i)}),
				mac:  vfp.MAC{0, 0x1d, 0xd8, byte(tenant), 0, byte(i)},
			})
		}
	}
	return g
}

// answer turns an underlay packet for a port into what the port's endpoint says back.
func (g *fabric) answer(p *vfp.Policy, s sent) (port string, frame []byte, out, ok bool) {
	if s.out {
		return "", nil, false, false
	}
	_, inner, err := encap.Decode(s.frame)
	if err != nil || len(inner) < 38 || inner[12] != 8 || inner[13] != 0 || inner[14] != 0x45 {
		return "", nil, false, false
	}
	for i := range p.Ports {
		if bytes.Equal(p.Ports[i].MAC[:], inner[:6]) {
			port = p.Ports[i].ID
		}
	}
	frame = slices.Concat(inner[6:12], inner[:6], inner[12:26], inner[30:34], inner[26:30], inner[36:38], inner[34:36], inner[38:])
	if frame[23] == 6 && len(frame) > 47 {
		frame[47] = 0x10 // ACK
	}
	return port, frame, true, port != ""
}

// policy places the endpoints anew and draws ACLs.
func (g *fabric) policy(rt *rapid.T) *vfp.Policy {
	p := &vfp.Policy{Encapsulation: g.encap, ProviderAddress: hostPA(1)}
	for tenant := range 2 {
		for s := range 2 {
			p.Subnets = append(p.Subnets, vfp.Subnet{
				VSID: encap.VSID(5000 + tenant*10 + s), RDID: fmt.Sprintf("rd-%d", tenant),
				Prefix:  netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(1 + s), 0}), 24),
				Gateway: netip.AddrFrom4([4]byte{10, 0, byte(1 + s), 1}),
			})
		}
	}
	p.ACLs = drawACLs(rt)
	ports := 0
	for i := range g.endpoints {
		e := &g.endpoints[i]
		e.host, e.port = rapid.IntRange(1, 3).Draw(rt, "host"), 0
		for _, ca := range []netip.Addr{e.ca, e.also} {
			p.Mappings = append(p.Mappings, vfp.Mapping{RDID: e.rdid, CA: ca, VSID: e.vsid, MAC: e.mac, PA: hostPA(e.host)})
		}
		if e.host != 1 || ports == 4 || rapid.IntRange(0, 4).Draw(rt, "attached") == 0 {
			continue
		}
		ports++
		e.port = ports
		addr := vfp.Address{CA: e.ca, VSID: e.vsid, RDID: e.rdid}
		addr.ACLs = drawGuards(rt, p.ACLs)
		also := vfp.Address{CA: e.also, VSID: e.vsid, RDID: e.rdid, ACLs: drawGuards(rt, p.ACLs)}
		p.Ports = append(p.Ports, vfp.Port{ID: fmt.Sprintf("port%d", i), Device: fmt.Sprintf("p%d", ports), MAC: e.mac,
			Addresses: []vfp.Address{addr, also}, AllowMACSpoofing: rapid.IntRange(0, 5).Draw(rt, "spoofing") == 0})
	}
	return p
}

// reguard is the policy with other ACLs and everything else as it was.
func (g *fabric) reguard(rt *rapid.T, old *vfp.Policy) *vfp.Policy {
	p := *old
	p.ACLs = drawACLs(rt)
	p.Ports = slices.Clone(old.Ports)
	for i := range p.Ports {
		p.Ports[i].Addresses = slices.Clone(p.Ports[i].Addresses)
		for n := range p.Ports[i].Addresses {
			p.Ports[i].Addresses[n].ACLs = drawGuards(rt, p.ACLs)
		}
	}
	return &p
}

func drawACLs(rt *rapid.T) (acls []vfp.ACL) {
	for i := range rapid.IntRange(0, 3).Draw(rt, "acls") {
		a := vfp.ACL{ID: fmt.Sprintf("/acl/%d", i), Default: [2]vfp.Action{drawAction(rt), drawAction(rt)}}
		for r := range rapid.IntRange(0, 4).Draw(rt, "rules") {
			a.Rules = append(a.Rules, drawRule(rt, fmt.Sprintf("r%d", r)))
		}
		acls = append(acls, a)
	}
	return acls
}

func drawGuards(rt *rapid.T, acls []vfp.ACL) (ids []string) {
	for _, a := range acls {
		if rapid.IntRange(0, 2).Draw(rt, "guarded") == 0 {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

func drawAction(rt *rapid.T) vfp.Action {
	return vfp.Action(rapid.IntRange(0, 1).Draw(rt, "action"))
}

func drawRule(rt *rapid.T, id string) vfp.Rule {
	prefixes := rapid.SampledFrom([][]netip.Prefix{nil, nil,
		{netip.MustParsePrefix("10.0.1.0/24")},
		{netip.MustParsePrefix("10.0.1.4/32"), netip.MustParsePrefix("10.0.2.6/31")},
		{netip.MustParsePrefix("0.0.0.0/0")}, {netip.MustParsePrefix("2001:db8::/32")}})
	ports := rapid.SampledFrom([][]vfp.PortRange{nil, nil, {{First: 80, Last: 80}}, {{First: 22, Last: 443}},
		{{First: 1, Last: 79}, {First: 81, Last: 65535}}, {{First: 0, Last: 65535}}})
	return vfp.Rule{ID: id, Direction: vfp.Direction(rapid.IntRange(0, 1).Draw(rt, "direction")),
		Protocol: rapid.SampledFrom([]uint16{vfp.ProtocolAny, vfp.ProtocolTCP, vfp.ProtocolUDP, vfp.ProtocolICMP}).Draw(rt, "proto"),
		Sources:  prefixes.Draw(rt, "src"), Destinations: prefixes.Draw(rt, "dst"),
		SourcePorts: ports.Draw(rt, "sports"), DestinationPorts: ports.Draw(rt, "dports"), Action: drawAction(rt)}
}

// pick draws an endpoint that suits, and now and then, or when none does, any.
func (g *fabric) pick(rt *rapid.T, name string, suits func(endpoint) bool) endpoint {
	var good []endpoint
	for _, e := range g.endpoints {
		if suits(e) {
			good = append(good, e)
		}
	}
	if len(good) == 0 || rapid.IntRange(0, 19).Draw(rt, name+" any") == 0 {
		good = g.endpoints
	}
	return rapid.SampledFrom(good).Draw(rt, name)
}

// packet draws a frame that a port sends (out), or that the underlay receives.
func (g *fabric) packet(rt *rapid.T, p *vfp.Policy) (port string, frame []byte, out bool) {
	attached := func(e endpoint) bool { return e.port > 0 }
	out = rapid.IntRange(0, 1).Draw(rt, "out") == 0
	var from, to endpoint
	if out {
		if from = g.pick(rt, "from", attached); from.port == 0 {
			out = false
		}
		to = g.pick(rt, "to", func(e endpoint) bool { return e.rdid == from.rdid && e.ca != from.ca && (e.host > 1 || e.port > 0) })
	} else {
		to = g.pick(rt, "to", attached)
		from = g.pick(rt, "from", func(e endpoint) bool { return e.rdid == to.rdid && e.host > 1 })
	}
	for _, e := range []*endpoint{&from, &to} {
		if rapid.IntRange(0, 3).Draw(rt, "second address") == 0 {
			e.ca = e.also
		}
	}
	dst := to.mac
	if to.vsid != from.vsid || rapid.IntRange(0, 5).Draw(rt, "route") == 0 {
		dst = vfp.RouterMAC
	}
	if out {
		for i := range p.Ports {
			if p.Ports[i].MAC == from.mac {
				port = p.Ports[i].ID
			}
		}
		switch rapid.IntRange(0, 19).Draw(rt, "kind") {
		case 0:
			frame = arpFrame(rt, from, to)
		case 1: // the gateway, or an address nobody has
			to.ca = rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("10.0.2.1"),
				netip.MustParseAddr("10.0.9.9"), netip.MustParseAddr("224.0.0.5")}).Draw(rt, "odd")
			frame = ipFrame(rt, from.mac, vfp.RouterMAC, from.ca, to.ca)
		default:
			frame = ipFrame(rt, from.mac, dst, from.ca, to.ca)
		}
		return port, mutate(rt, frame), true
	}
	if dst == vfp.RouterMAC {
		from.mac = vfp.RouterMAC
	}
	inner := mutate(rt, ipFrame(rt, from.mac, to.mac, from.ca, to.ca))
	o := encap.Outer{Type: rapid.SampledFrom([]encap.Type{encap.VXLAN, encap.NVGRE}).Draw(rt, "outer"),
		Src: hostPA(from.host), Dst: hostPA(1), VSID: to.vsid, TOS: rapid.SampledFrom([]uint8{0, 0, 0, 0, 1, 2, 2, 3}).Draw(rt, "ecn")}
	if rapid.IntRange(0, 19).Draw(rt, "liar") == 19 {
		o.Src = hostPA(rapid.IntRange(1, 4).Draw(rt, "pa"))
	}
	if rapid.IntRange(0, 19).Draw(rt, "stray") == 19 {
		o.VSID = rapid.SampledFrom([]encap.VSID{5000, 5001, 5010, 7777, 0}).Draw(rt, "vsid")
	}
	o.Spread(rapid.Uint32().Draw(rt, "hash"))
	n := encap.OuterLen(o.Type, false)
	frame = make([]byte, n+len(inner))
	copy(frame[n:], inner) // may be damaged, or tagged: what Append would refuse
	if _, err := encap.PutHeaders(frame, &o, len(inner)); err != nil {
		rt.Fatal(err)
	}
	return "", mutate(rt, frame), false
}

// mutate leaves most frames alone, and damages the others. The kernel test-runs no frame shorter than an IPv4 header.
func mutate(rt *rapid.T, b []byte) []byte {
	switch rapid.IntRange(0, 39).Draw(rt, "mutate") {
	case 0:
		b = b[:rapid.IntRange(34, len(b)).Draw(rt, "cut")]
	case 1:
		b[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
	case 2:
		b[rapid.IntRange(0, min(len(b)-1, 80)).Draw(rt, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
	case 3:
		b = append(b, make([]byte, rapid.IntRange(1, 20).Draw(rt, "padding"))...)
	}
	return b
}

// datagrams makes the ids of fragments new with each placement of ports: a port that comes back has another number
// in the kernel, and with it lost its fragments.
var datagrams uint16

func ipFrame(rt *rapid.T, srcMAC, dstMAC vfp.MAC, src, dst netip.Addr) []byte {
	proto := rapid.SampledFrom([]uint8{6, 6, 17, 1, 132}).Draw(rt, "protocol")
	ports := rapid.SampledFrom([]uint16{22, 80, 80, 443, 443, 1000, 1000, 67})
	l4 := make([]byte, 20)
	sport, dport := ports.Draw(rt, "sport"), ports.Draw(rt, "dport")
	binary.BigEndian.PutUint16(l4, sport)
	binary.BigEndian.PutUint16(l4[2:], dport)
	switch proto {
	case 6:
		l4[12] = 5 << 4
		l4[13] = rapid.SampledFrom([]uint8{0x02, 0x12, 0x10, 0x11, 0x04, 0x18}).Draw(rt, "flags")
	case 17:
		binary.BigEndian.PutUint16(l4[4:], 20)
	case 1:
		l4[0], l4[1] = rapid.SampledFrom([]uint8{8, 0, 3}).Draw(rt, "icmp"), 0
		binary.BigEndian.PutUint16(l4[4:], sport)
		binary.BigEndian.PutUint16(l4[2:], 0)
		binary.BigEndian.PutUint16(l4[2:], ^sum16(l4))
	}
	options := rapid.SampledFrom([]int{0, 0, 0, 4, 40}).Draw(rt, "options")
	ip := make([]byte, 20+options)
	ip[0] = 0x40 | uint8(len(ip)/4)
	ip[1] = rapid.SampledFrom([]uint8{0, 1, 2, 3, 0xb8}).Draw(rt, "tos")
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(l4)))
	if rapid.IntRange(0, 7).Draw(rt, "fragment") == 7 {
		binary.BigEndian.PutUint16(ip[4:], datagrams<<2|rapid.Uint16Range(0, 1).Draw(rt, "id"))
		binary.BigEndian.PutUint16(ip[6:], rapid.SampledFrom([]uint16{0x2000, 0x2000, 0x2003, 3, 3, 1}).Draw(rt, "offset"))
	}
	ip[8], ip[9] = rapid.SampledFrom([]uint8{64, 64, 64, 2, 1, 0}).Draw(rt, "ttl"), proto
	copy(ip[12:], src.AsSlice())
	copy(ip[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^sum16(ip))
	frame := append(append([]byte{}, dstMAC[:]...), srcMAC[:]...)
	frame = append(frame, 8, 0)
	return append(append(frame, ip...), l4...)
}

func arpFrame(rt *rapid.T, from, to endpoint) []byte {
	b := append(bytes.Repeat([]byte{0xff}, 6), from.mac[:]...)
	b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, rapid.SampledFrom([]byte{1, 1, 1, 2}).Draw(rt, "op"))
	b = append(b, from.mac[:]...)
	sender := rapid.SampledFrom([]netip.Addr{from.ca, from.ca, netip.IPv4Unspecified(), to.ca}).Draw(rt, "sender")
	b = append(b, sender.AsSlice()...)
	b = append(b, make([]byte, 6)...)
	gateway := from.ca.As4()
	gateway[3] = 1
	target := rapid.SampledFrom([]netip.Addr{to.ca, netip.AddrFrom4(gateway), from.ca}).Draw(rt, "target")
	return append(b, target.AsSlice()...)
}

func sum16(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

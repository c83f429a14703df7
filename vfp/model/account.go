package model

import "github.com/fairlead-net/fairlead/vfp"

// forbidden books a packet of a flow that the present policy forbids. It keeps the flow in the table: were it forgotten
// while its packets still come, an answer could open it again from the other side.
func (pl *Pipeline) forbidden(h *hop, f *flow) {
	if pl.tracing {
		return
	}
	f.last = h.now
	pl.countRules(f.rules, h.bytes)
}

// account books an accepted packet. An ICMP error is booked on the flow it is about, but is no sign of life of it.
func (pl *Pipeline) account(h *hop, f *flow) {
	if pl.tracing {
		return
	}
	f.packets[h.dir]++
	f.bytes[h.dir] += uint64(h.bytes)
	if !h.isError() {
		f.seen(h)
	}
	pl.countRules(f.rules, h.bytes)
	pl.countPort(h, f.class)
}

// seen notes what a packet shows of its connection.
func (f *flow) seen(h *hop) {
	f.last = h.now
	if h.dir != f.direction {
		f.state |= vfp.FlowAnswered
	}
	if h.proto != vfp.ProtocolTCP {
		return
	}
	if h.tcpFlags&tcpFIN != 0 {
		if h.dir == f.direction {
			f.state |= vfp.FlowInitiatorFIN
		} else {
			f.state |= vfp.FlowResponderFIN
		}
	}
	if h.tcpFlags&tcpRST != 0 {
		f.state |= vfp.FlowRST
	}
}

// countPort counts a packet that went through the port.
func (pl *Pipeline) countPort(h *hop, class vfp.MeterClass) {
	if pl.tracing {
		return
	}
	c := pl.counters.Ports[h.port.ID]
	if h.dir == vfp.Outbound {
		c.TxPackets++
		c.TxBytes += uint64(h.bytes)
	} else {
		c.RxPackets++
		c.RxBytes += uint64(h.bytes)
	}
	c.Meter[class][h.dir].Packets++
	c.Meter[class][h.dir].Bytes += uint64(h.bytes)
	pl.counters.Ports[h.port.ID] = c
}

func (pl *Pipeline) countRules(hits []decision, length int) {
	if pl.tracing {
		return
	}
	for _, d := range hits {
		c := pl.counters.Rules[d.key]
		c.Packets++
		c.Bytes += uint64(length)
		pl.counters.Rules[d.key] = c
	}
}

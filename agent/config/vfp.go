package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

// AdminRule is a rule of the operator's, before those of any tenant. What is left out matches everything.
type AdminRule struct {
	Name             string   `yaml:"name"`
	Direction        string   `yaml:"direction"` // inbound | outbound
	Action           string   `yaml:"action"`    // allow | block
	Protocol         string   `yaml:"protocol"`
	Source           string   `yaml:"source"`
	Destination      string   `yaml:"destination"`
	SourcePorts      string   `yaml:"sourcePorts"`
	DestinationPorts string   `yaml:"destinationPorts"`
	ICMP             string   `yaml:"icmp"`     // "8", "3/4", or a list
	TCPFlags         string   `yaml:"tcpFlags"` // "syn", "syn,!ack"
	Priority         uint32   `yaml:"priority"` // lower first
	Logging          bool     `yaml:"logging"`
	Endpoints        []string `yaml:"endpoints"` // only in front of these; none: of all
}

func (r *AdminRule) parse() (overlay.AdminRule, []*overlay.FieldError) {
	return overlay.ParseAdminRule(overlay.AdminRuleWords{Name: r.Name, Direction: r.Direction, Action: r.Action, Protocol: r.Protocol, Source: r.Source,
		Destination: r.Destination, SourcePorts: r.SourcePorts, DestinationPorts: r.DestinationPorts, ICMP: r.ICMP, TCPFlags: r.TCPFlags,
		Priority: strconv.FormatUint(uint64(r.Priority), 10), Logging: r.Logging, Endpoints: r.Endpoints})
}

// Mirror sends copies of an endpoint's frames to another endpoint of this host, or to a collector on the underlay.
type Mirror struct {
	Endpoint  string `yaml:"endpoint"`
	To        string `yaml:"to"`
	Collector string `yaml:"collector"`
	Type      string `yaml:"type"`    // vxlan (also "") | erspan
	Session   uint32 `yaml:"session"` // VNI, or ERSPAN session id
}

// Bandwidth bounds an endpoint, as "100Mbit"; "" leaves it to the controller.
type Bandwidth struct {
	Outbound string `yaml:"outbound"`
	Inbound  string `yaml:"inbound"`
}

// Sizes of a host's flow table that make sense.
const (
	minFlowTable = 1024
	maxFlowTable = 16 << 20
)

// Flows bounds the flow tables of ports whose NIC says nothing; 0 is the vSwitch's default.
type Flows struct {
	PerPort  uint32 `yaml:"perPort"`
	HalfOpen uint32 `yaml:"halfOpen"`
	Table    uint32 `yaml:"table"` // of all ports together; another size is another table: the flows start anew
}

// HostNetwork is a subnet of this host alone.
type HostNetwork struct {
	Name    string `yaml:"name"`
	Prefix  string `yaml:"prefix"`
	Gateway string `yaml:"gateway"` // "": the first address
}

// Log of what happens to packets.
type Log struct {
	ACL ACLLog `yaml:"acl"`
}

// ACLLog is a JSON document per line for each flow that a rule with logging decided.
type ACLLog struct {
	Path      string `yaml:"path"` // "": none
	MaxSizeMB int    `yaml:"maxSizeMB"`
}

// The bounds of what travels with mirrored packets: a VXLAN VNI, an ERSPAN session id.
const (
	maxVNI           = 1<<24 - 1
	maxERSPANSession = 1<<10 - 1
)

// HostConfig is what the configuration says about this host, for overlay.Compile. Load has checked it.
func (c *Config) HostConfig() overlay.HostConfig {
	h, _ := c.hostConfig()
	return h
}

// hostConfig also returns every complaint.
func (c *Config) hostConfig() (overlay.HostConfig, complaints) {
	var e complaints
	h := overlay.HostConfig{Name: c.Host.Name, ProviderAddress: c.PA().Unmap(), Limits: vfp.FlowLimits{Flows: c.Flows.PerPort, HalfOpen: c.Flows.HalfOpen}}
	if n := c.Flows.Table; n != 0 && (n < minFlowTable || n > maxFlowTable) {
		e.add("flows.table", "%d: want %d to %d", n, minFlowTable, maxFlowTable)
	}
	if c.Flows.HalfOpen > vfp.MaxHalfOpen {
		e.add("flows.halfOpen", "%d: want at most %d", c.Flows.HalfOpen, vfp.MaxHalfOpen)
	}
	c.adminRules(&h, &e)
	c.multicast(&h, &e)
	c.mirrors(&h, &e)
	c.bandwidth(&h, &e)
	c.hostNetworks(&h, &e)
	return h, e
}

func (c *Config) adminRules(h *overlay.HostConfig, e *complaints) {
	names := map[string]bool{}
	for i := range c.AdminRules {
		key := fmt.Sprintf("adminRules[%d]", i)
		r, errs := c.AdminRules[i].parse()
		for _, err := range errs {
			e.add(key+"."+err.Field, "%v", err)
		}
		if names[c.AdminRules[i].Name] {
			e.add(key+".name", "%q is the name of another rule, too", c.AdminRules[i].Name)
		}
		names[c.AdminRules[i].Name] = true
		h.AdminRules = append(h.AdminRules, r)
	}
}

func (c *Config) multicast(h *overlay.HostConfig, e *complaints) {
	mode := func(key, word string) vfp.MulticastMode {
		if word == "replicate" {
			return vfp.MulticastReplicate
		}
		e.oneOf(key, word, "drop", "replicate")
		return vfp.MulticastDrop
	}
	h.Multicast = mode("multicast", c.Multicast)
	if c.MulticastSubnets != nil {
		h.MulticastSubnets = map[string]vfp.MulticastMode{}
	}
	for _, ref := range sortedKeys(c.MulticastSubnets) {
		h.MulticastSubnets[ref] = mode("multicastSubnets."+strconv.Quote(ref), c.MulticastSubnets[ref])
	}
}

func (c *Config) mirrors(h *overlay.HostConfig, e *complaints) {
	for i, m := range c.Mirrors {
		key := fmt.Sprintf("mirrors[%d]", i)
		out := vfp.Mirror{Port: m.To, Session: m.Session}
		if m.Endpoint == "" {
			e.add(key+".endpoint", "missing: the endpoint whose frames are mirrored")
		}
		limit, what := uint32(maxVNI), "a VXLAN network identifier"
		switch m.Type {
		case "", "vxlan":
		case "erspan":
			out.Type, limit, what = vfp.MirrorERSPAN, maxERSPANSession, "an ERSPAN session id"
		default:
			e.add(key+".type", "%q: want vxlan or erspan", m.Type)
		}
		switch {
		case (m.To == "") == (m.Collector == ""):
			e.add(key, "want either to or collector")
		case m.To != "" && (m.Type != "" || m.Session != 0):
			e.add(key, "type and session belong to a collector")
		case m.To == m.Endpoint:
			e.add(key+".to", "%q is the endpoint itself", m.To)
		case m.Collector != "":
			e.hostAddress(key+".collector", m.Collector)
			out.Collector, _ = netip.ParseAddr(m.Collector)
			if pa := c.PA(); pa.IsValid() && out.Collector.IsValid() && pa.Unmap().BitLen() != out.Collector.Unmap().BitLen() {
				e.add(key+".collector", "%s is not of the provider address's family", m.Collector)
			}
			out.Collector = out.Collector.Unmap()
			if m.Session > limit {
				e.add(key+".session", "%d: want at most %d, %s", m.Session, limit, what)
			}
		}
		if h.Mirrors == nil {
			h.Mirrors = map[string]vfp.Mirror{}
		}
		if _, twice := h.Mirrors[m.Endpoint]; twice {
			e.add(key+".endpoint", "%q has a mirror already", m.Endpoint)
		}
		h.Mirrors[m.Endpoint] = out
	}
}

func (c *Config) bandwidth(h *overlay.HostConfig, e *complaints) {
	for _, name := range sortedKeys(c.Bandwidth) {
		var b [2]vfp.Bandwidth
		for _, d := range []struct {
			key, text string
			direction vfp.Direction
		}{{"outbound", c.Bandwidth[name].Outbound, vfp.Outbound}, {"inbound", c.Bandwidth[name].Inbound, vfp.Inbound}} {
			if d.text == "" {
				continue
			}
			rate, err := parseRate(d.text)
			if err != nil {
				e.add("bandwidth."+name+"."+d.key, "%q %v", d.text, err)
			}
			b[d.direction].BitsPerSecond = rate
		}
		if h.Bandwidth == nil {
			h.Bandwidth = map[string][2]vfp.Bandwidth{}
		}
		h.Bandwidth[name] = b
	}
}

// parseRate reads bits per second: "100Mbit", "1.5Gbit", "64000".
func parseRate(s string) (uint64, error) {
	number := strings.TrimSpace(s)
	unit := 1.0
	for suffix, factor := range map[string]float64{"kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "bit": 1} {
		if rest, ok := strings.CutSuffix(strings.ToLower(number), suffix); ok && (suffix != "bit" || !strings.HasSuffix(rest, "k") && !strings.HasSuffix(rest, "m") && !strings.HasSuffix(rest, "g")) {
			number, unit = strings.TrimSpace(rest), factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	// Below 1 kbit/s a single packet would be worth minutes; 2^40 bit/s keeps the arithmetic of the vSwitch in range.
	if err != nil || math.IsNaN(n) || n*unit < 1000 || n*unit > 1<<40 || strings.ContainsAny(number, "xXpP_") {
		return 0, errors.New("is not a rate, want 1Kbit to 1000Gbit, such as 100Mbit")
	}
	return uint64(n * unit), nil
}

func (c *Config) hostNetworks(h *overlay.HostConfig, e *complaints) {
	if len(c.HostNetworks) > 0 && c.PA().IsValid() && !c.PA().Unmap().Is4() {
		e.add("hostNetworks", "leave as from the provider address, which must be an IPv4 one")
	}
	if len(c.HostNetworks) > overlay.MaxHostNetworks {
		e.add("hostNetworks", "%d: want at most %d", len(c.HostNetworks), overlay.MaxHostNetworks)
	}
	for i, n := range c.HostNetworks {
		key := fmt.Sprintf("hostNetworks[%d]", i)
		out := overlay.HostNetwork{Name: n.Name}
		switch {
		case n.Name == "" || strings.ContainsAny(n.Name, "/@ \t\n"):
			e.add(key+".name", "%q is not a name: want one without slashes, @ and spaces", n.Name)
		case slices.ContainsFunc(h.HostNetworks, func(o overlay.HostNetwork) bool { return o.Name == n.Name }):
			e.add(key+".name", "%q is the name of another network, too", n.Name)
		}
		p, err := netip.ParsePrefix(n.Prefix)
		if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() > 30 {
			e.add(key+".prefix", "%q: want an IPv4 prefix with room for a gateway and endpoints, such as 192.168.100.0/24", n.Prefix)
			h.HostNetworks = append(h.HostNetworks, out)
			continue
		}
		out.Prefix, out.Gateway = p, p.Addr().Next()
		if n.Gateway != "" {
			gw, err := netip.ParseAddr(n.Gateway)
			if err == nil {
				err = (&overlay.HostNetwork{Name: n.Name, Prefix: p}).Usable(gw)
			}
			if err != nil {
				e.add(key+".gateway", "%q: want an address of %s, such as %s", n.Gateway, p, out.Gateway)
			}
			out.Gateway = gw
		}
		if p.Contains(c.PA()) {
			e.add(key+".prefix", "%s contains the provider address", p)
		}
		h.HostNetworks = append(h.HostNetworks, out)
	}
}

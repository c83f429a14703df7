package overlay

import (
	"fmt"
	"slices"
	"testing"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// largeFabric has the same CAs in every network.
func largeFabric(networks, nics int) *cc.Snapshot {
	s := &cc.Snapshot{Encapsulation: "vxlan"}
	for h := range 1000 {
		s.Servers = append(s.Servers, cc.Server{Meta: meta("/servers/", fmt.Sprintf("host-%04d", h)), ProviderAddresses: []string{fmt.Sprintf("172.16.%d.%d", h/250, h%250+1)}})
	}
	for v := range networks {
		vnet := cc.VirtualNetwork{Meta: meta("/virtualNetworks/", fmt.Sprintf("v%03d", v)), AddressPrefixes: []string{"10.0.0.0/8"}}
		for n := range 4 {
			vnet.Subnets = append(vnet.Subnets, cc.Subnet{Meta: meta(vnet.Ref+"/subnets/", fmt.Sprintf("s%d", n)), AddressPrefix: fmt.Sprintf("10.%d.0.0/16", n), VSID: uint32(5000 + v*4 + n)})
		}
		acl := fmt.Sprintf("acl%03d", v)
		list := cc.AccessControlList{Meta: meta("/accessControlLists/", acl)}
		for r := range 20 {
			list.Rules = append(list.Rules, rule(acl, fmt.Sprintf("r%d", r), "TCP", "Allow", "Inbound", fmt.Sprint(100+r), fmt.Sprint(1000+r)))
		}
		s.AccessControlLists = append(s.AccessControlLists, list)
		s.VirtualNetworks = append(s.VirtualNetworks, vnet)
		for n := range nics {
			m := meta("/networkInterfaces/", fmt.Sprintf("nic-%03d-%05d", v, n))
			s.NetworkInterfaces = append(s.NetworkInterfaces, cc.NetworkInterface{Meta: m, MAC: fmt.Sprintf("001D%04X%04X", v, n), Server: s.Servers[(v+n)%1000].Ref,
				IPConfigurations: []cc.IPConfiguration{{Meta: meta(m.Ref+"/ipConfigurations/", "ip1"), PrivateIPAddress: fmt.Sprintf("10.%d.%d.%d", n%4, n/4/200, n/4%200+2),
					Subnet: vnet.Subnets[n%4].Ref, AccessControlList: list.Ref}}})
		}
	}
	return s
}

func BenchmarkBuild(b *testing.B) {
	s := largeFabric(100, 1000)
	first := build(b, s, nil, Options{})
	for _, c := range []struct {
		name string
		prev *Model
	}{{"first", nil}, {"again", first}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Build(s, c.prev, Options{})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/NIC")
		})
	}
}

// BenchmarkBuildOneNICChanged is what one change of a NIC costs in a fabric of 20,000, of which this host has 20: everything from
// the snapshot, whose unchanged elements are those of the one before, to the policy.
func BenchmarkBuildOneNICChanged(b *testing.B) {
	s := largeFabric(90, 222)
	m := build(b, s, nil, Options{})
	host := m.FindHost("host-0100")
	config := HostConfig{Name: host.ID, ProviderAddress: host.ProviderAddresses[0]}
	var ports []AttachedPort
	for _, ep := range m.Endpoints {
		if ep.Host == host {
			ports = append(ports, AttachedPort{ID: ep.ID, Device: "veth", NIC: ep.ID})
		}
	}
	changed := 100*222 - 20000 + 5
	var build, diff, compile time.Duration
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		next := *s
		next.NetworkInterfaces = slices.Clone(s.NetworkInterfaces)
		n := &next.NetworkInterfaces[changed]
		n.IPConfigurations = slices.Clone(n.IPConfigurations)
		n.IPConfigurations[0].PrivateIPAddress = fmt.Sprintf("10.%d.250.%d", changed%222%4, 2+i%200)
		b.StartTimer()
		start := time.Now()
		model, _ := Build(&next, m, Options{})
		built := time.Now()
		if d := Diff(m, model); len(d.Endpoints.Changed) != 1 {
			b.Fatalf("%s", d)
		}
		differed := time.Now()
		if p, _ := Compile(model, config, ports); len(p.Ports) != len(ports) {
			b.Fatalf("%d ports", len(p.Ports))
		}
		build, diff, compile = build+built.Sub(start), diff+differed.Sub(built), compile+time.Since(differed)
		s, m = &next, model
	}
	for name, d := range map[string]time.Duration{"build": build, "diff": diff, "compile": compile} {
		b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), name+"-ms")
	}
}

func BenchmarkCompile(b *testing.B) {
	m := build(b, largeFabric(100, 1000), nil, Options{})
	host := m.FindHost("host-0500")
	var ports []AttachedPort
	for _, ep := range m.Endpoints {
		if ep.Host == host {
			ports = append(ports, AttachedPort{ID: ep.ID, Device: "veth", NIC: ep.ID})
		}
	}
	if len(ports) != 100 {
		b.Fatalf("%d ports", len(ports))
	}
	b.ReportAllocs()
	for b.Loop() {
		Compile(m, HostConfig{Name: host.ID, ProviderAddress: host.ProviderAddresses[0]}, ports)
	}
}

func BenchmarkDiff(b *testing.B) {
	s := largeFabric(100, 1000)
	x, y := build(b, s, nil, Options{}), build(b, s, nil, Options{})
	b.ReportAllocs()
	for b.Loop() {
		Diff(x, y)
	}
}

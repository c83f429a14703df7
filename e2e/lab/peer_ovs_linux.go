package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
)

// ovs is one host's Open vSwitch: a database and a switch of its own, in the host's namespace.
type ovs struct {
	lab    *Lab
	host   *Host
	dir    string
	daemon *Process
}

const ovsSchema = "/usr/share/openvswitch/vswitch.ovsschema"

// OVS builds an overlay of Open vSwitch's userspace datapath on two hosts: containers and underlay devices are af_packet
// ports, the tunnel is the switch's own. It has no policy. The error says why it could not be built here.
func (l *Lab) OVS(a, b *Host) (Path, error) {
	for _, program := range []string{"ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl"} {
		if _, err := exec.LookPath(program); err != nil {
			return Path{}, err
		}
	}
	p := l.peer("ovs", a, b, 3)
	path := p.path()
	for i, h := range p.hosts {
		if err := p.plug(i, l.opts.MTU-50, net.HardwareAddr{2, 0, 0, 42, 3, byte(i)}); err != nil {
			return Path{}, err
		}
		// An af_packet port neither cuts nor sums: the containers do.
		l.ethtool(p.ns[i], containerDevice, "tx", "off", "tso", "off", "gso", "off")
		s := &ovs{lab: l, host: h, dir: l.path("ovs-" + h.Name)}
		if err := s.start(); err != nil {
			return Path{}, fmt.Errorf("%s: %w", h.Name, err)
		}
		if err := s.connect(p.hosts[1-i]); err != nil {
			return Path{}, fmt.Errorf("%s: %w", h.Name, err)
		}
		path.daemons = append(path.daemons, s.daemon)
	}
	return path, nil
}

func (s *ovs) start() error {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	data, socket := filepath.Join(s.dir, "conf.db"), filepath.Join(s.dir, "db.sock")
	if err := s.command("ovsdb-tool", "create", data, ovsSchema); err != nil {
		return err
	}
	environment := []string{"OVS_RUNDIR=" + s.dir, "OVS_LOGDIR=" + s.dir}
	_, err := s.lab.start(s.host.ns, "ovsdb-"+s.host.Name, "env", append(environment, "ovsdb-server", data,
		"--remote=punix:"+socket, "--unixctl="+filepath.Join(s.dir, "ovsdb.ctl"), "-vsyslog:off")...)
	if err != nil {
		return err
	}
	if err := s.lab.WaitFor("ovsdb-server", 5*time.Second, func() error { _, err := os.Stat(socket); return err }); err != nil {
		return err
	}
	if err := s.vsctl("--no-wait", "init"); err != nil {
		return err
	}
	s.daemon, err = s.lab.start(s.host.ns, "ovs-"+s.host.Name, "env", append(environment, "ovs-vswitchd", "unix:"+socket,
		"--unixctl="+s.control(), "-vsyslog:off")...)
	return err
}

// connect makes two bridges: one carries the underlay, with the provider address on its own device, because the
// userspace tunnel looks up routes and neighbours there; the other carries containers and the tunnel.
func (s *ovs) connect(other *Host) error {
	mac, err := s.host.ns.MAC(hostDevice)
	if err != nil {
		return err
	}
	otherMAC, err := other.ns.MAC(hostDevice)
	if err != nil {
		return err
	}
	if err := s.vsctl("add-br", "phy", "--", "set", "bridge", "phy", "datapath_type=netdev",
		fmt.Sprintf(`other-config:hwaddr="%s"`, net.HardwareAddr(mac)), "--", "add-port", "phy", hostDevice); err != nil {
		return err
	}
	if err := s.moveAddress("phy"); err != nil {
		return err
	}
	if err := s.vsctl("add-br", "int", "--", "set", "bridge", "int", "datapath_type=netdev", "--", "add-port", "int", cable,
		"--", "add-port", "int", "vx", "--", "set", "interface", "vx", "type=vxlan", "options:remote_ip="+other.Provider.String(),
		fmt.Sprintf("options:key=%d", peerVNI), fmt.Sprintf("options:dst_port=%d", peerPort)); err != nil {
		return err
	}
	return s.command("ovs-appctl", "-t", s.control(), "tnl/neigh/set", "phy", other.Provider.String(), net.HardwareAddr(otherMAC).String())
}

func (s *ovs) moveAddress(to string) error {
	nl := s.host.ns.nl
	under, err := nl.LinkByName(hostDevice)
	if err != nil {
		return err
	}
	prefix := netip.PrefixFrom(s.host.Provider, underlay.Bits())
	a, err := netlink.ParseAddr(prefix.String())
	if err != nil {
		return err
	}
	if err := nl.AddrDel(under, a); err != nil {
		return err
	}
	dev, err := up(s.host.ns, to)
	if err != nil {
		return err
	}
	return address(s.host.ns, dev, prefix)
}

func (s *ovs) control() string { return filepath.Join(s.dir, "vswitchd.ctl") }

func (s *ovs) vsctl(args ...string) error {
	return s.command("ovs-vsctl", append([]string{"--db=unix:" + filepath.Join(s.dir, "db.sock"), "--timeout=10"}, args...)...)
}

func (s *ovs) command(program string, args ...string) error {
	if err := s.lab.command(s.host.ns, program, args...); err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

const controllerPort = 8443

// Controller is the development Network Controller in the fabric's namespace, reached with a client
// certificate as any administrator would.
type Controller struct {
	URL string
	// Inside is the controller itself when it runs in this process, see Options.InProcess.
	Inside *nctest.Controller

	lab     *Lab
	pki     nctest.PKI
	client  nctest.Client
	process *Process
	loaded  bool
	serving context.CancelFunc
	served  chan struct{}
}

func (l *Lab) startController() *Controller {
	address := netip.AddrPortFrom(controllerAddress, controllerPort)
	c := &Controller{lab: l, URL: "https://" + address.String()}
	var err error
	c.pki, err = nctest.EnsurePKI(l.path("pki"), []string{controllerAddress.String()})
	l.must(err, "certificates")
	config, err := c.pki.ClientTLS()
	l.must(err, "certificates")
	c.client = nctest.Client{Base: c.URL, HTTP: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig:   config,
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = l.fabric.Do(func() error {
				conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
				return err
			})
			return conn, err
		},
	}}}
	c.Start()
	c.Put("/virtualNetworkManager/configuration", nctest.EncapsulationBody(l.opts.Encapsulation))
	return c
}

// Start starts the controller and waits until it answers. What it knew before a Stop it knows again.
func (c *Controller) Start() {
	patience := 10 * time.Second
	if c.lab.opts.InProcess {
		c.lab.must(c.serveInside(), "controller")
	} else {
		args := []string{"--listen", c.URL[len("https://"):], "--data", c.lab.path("controller"), "--pki", c.lab.path("pki")}
		if c.lab.opts.Load != "" && !c.loaded {
			args, patience, c.loaded = append(args, "--load", c.lab.opts.Load), 2*time.Minute, true
		}
		p, err := c.lab.start(c.lab.fabric, "controller", c.lab.binary("fairlead-nc"), args...)
		c.lab.must(err, "controller")
		c.process = p
	}
	c.lab.must(c.lab.WaitFor("controller answers", patience, func() error {
		if how, ended := c.ended(); ended {
			return permanent{errors.New("it ended: " + how)}
		}
		var answer any
		return c.client.Get(c.lab.ctx, "/servers", &answer)
	}), "start")
}

func (c *Controller) ended() (string, bool) {
	if c.process == nil {
		return "", false
	}
	return c.process.Ended()
}

// serveInside runs the controller in this process, with its listener in the fabric.
func (c *Controller) serveInside() error {
	if c.Inside == nil {
		inside, err := nctest.Open(nctest.Options{})
		if err != nil {
			return err
		}
		c.Inside = inside
	}
	config, err := c.pki.ServerTLS(true)
	if err != nil {
		return err
	}
	return c.lab.fabric.Do(func() error {
		listener, err := net.Listen("tcp", c.URL[len("https://"):])
		if err != nil {
			return err
		}
		var ctx context.Context
		ctx, c.serving = context.WithCancel(context.Background())
		c.served = make(chan struct{})
		go func() {
			defer close(c.served)
			_ = c.Inside.Serve(ctx, tls.NewListener(listener, config))
		}()
		return nil
	})
}

// Stop ends the controller.
func (c *Controller) Stop() {
	if c == nil {
		return
	}
	c.client.HTTP.CloseIdleConnections()
	c.process.Interrupt()
	if c.serving != nil {
		c.serving()
		<-c.served
		c.serving = nil
	}
}

// Put creates or replaces a resource.
func (c *Controller) Put(ref string, body any) {
	_, err := c.client.Put(c.lab.ctx, ref, body)
	c.lab.must(err, "controller")
}

// Delete removes a resource.
func (c *Controller) Delete(ref string) {
	c.lab.must(c.client.Delete(c.lab.ctx, ref), "controller")
}

// MoveNIC places a NIC on another host.
func (c *Controller) MoveNIC(nic, host string) {
	c.Change("/networkInterfaces/"+nic, map[string]any{"server": map[string]any{"resourceRef": "/servers/" + host}})
}

// TLSFiles are the paths of the CA, and of the certificate and key that hosts show.
func (c *Controller) TLSFiles() (ca, cert, key string) {
	return c.pki.CA, c.pki.HostCert, c.pki.HostKey
}

// ForeignTLSFiles are the same of a CA that the controller has never heard of.
func (c *Controller) ForeignTLSFiles() (ca, cert, key string) {
	pki, err := nctest.EnsurePKI(c.lab.path("foreign-pki"), nil)
	c.lab.must(err, "foreign certificates")
	return pki.CA, pki.HostCert, pki.HostKey
}

// PutServer makes the host known to the controller.
func (c *Controller) PutServer(h *Host) {
	c.Put("/servers/"+h.Name, nctest.ServerBody{ProviderAddresses: []string{h.Provider.String()}})
}

// Change gives a resource other values of some properties: what it was read as goes back with them, and only if
// nobody has changed it meanwhile.
func (c *Controller) Change(ref string, properties map[string]any) {
	var body map[string]any
	c.lab.must(c.client.Get(c.lab.ctx, ref, &body), "controller")
	have, _ := body["properties"].(map[string]any)
	if have == nil {
		c.lab.Fail("controller: %s has no properties", ref)
	}
	maps.Copy(have, properties)
	etag, _ := body["etag"].(string)
	_, err := c.client.PutIf(c.lab.ctx, ref, body, etag)
	c.lab.must(err, "controller")
}

// NICsIn are the references of the NICs with an address in a virtual network.
func (c *Controller) NICsIn(network string) (nics []string) {
	var body struct {
		Properties struct {
			Subnets []struct {
				Properties struct {
					IPConfigurations []struct{ ResourceRef string }
				}
			}
		}
	}
	c.lab.must(c.client.Get(c.lab.ctx, network, &body), "controller")
	for _, s := range body.Properties.Subnets {
		for _, ip := range s.Properties.IPConfigurations {
			if nic, _, ok := strings.Cut(ip.ResourceRef, "/ipConfigurations/"); ok && strings.HasPrefix(nic, "/networkInterfaces/") && !slices.Contains(nics, nic) {
				nics = append(nics, nic)
			}
		}
	}
	return nics
}

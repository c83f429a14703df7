// Package cni is the CNI plugin's side of the agent: it turns a container runtime's commands into requests to the
// agent's socket, and the endpoint into a CNI result.
package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/config"
)

const (
	timeout  = 90 * time.Second // of one command
	idLength = 12               // of a container's id in its endpoint's name, as people see it elsewhere
)

// network is the plugin's configuration.
type network struct {
	types.PluginConf
	Socket  string `json:"socket"`
	NIC     string `json:"nic"`
	Network string `json:"network"`
	Subnet  string `json:"subnet"`
}

// Plugin answers CNI commands; results go to Stdout.
type Plugin struct{ Stdout io.Writer }

// Funcs for skel.PluginMainFuncs.
func (p *Plugin) Funcs() skel.CNIFuncs {
	return skel.CNIFuncs{Add: p.Add, Del: p.Del, Check: p.Check, Status: p.Status}
}

func load(args *skel.CmdArgs) (*network, *api.Client, error) {
	n := &network{Socket: config.DefaultSocket}
	if err := json.Unmarshal(args.StdinData, n); err != nil {
		return nil, nil, types.NewError(types.ErrDecodingFailure, "network configuration", err.Error())
	}
	if err := version.ParsePrevResult(&n.PluginConf); err != nil {
		return nil, nil, types.NewError(types.ErrDecodingFailure, "prevResult", err.Error())
	}
	return n, api.NewClient(n.Socket), nil
}

// endpointName is what the agent calls the container's interface.
func endpointName(args *skel.CmdArgs) string {
	return args.ContainerID[:min(len(args.ContainerID), idLength)] + "-" + args.IfName
}

// Add connects the container.
func (p *Plugin) Add(args *skel.CmdArgs) error {
	n, agent, err := load(args)
	if err != nil {
		return err
	}
	switch {
	case n.NIC == "" && (n.Network == "" || n.Subnet == ""):
		return types.NewError(types.ErrInvalidNetworkConfig, "network configuration", `want "nic", or "network" and "subnet"`)
	case n.NIC != "" && (n.Network != "" || n.Subnet != ""):
		return types.NewError(types.ErrInvalidNetworkConfig, "network configuration", `"nic" goes without "network" and "subnet"`)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	e, err := agent.Attach(ctx, api.AttachRequest{Name: endpointName(args), Netns: args.Netns, Ifname: args.IfName, NIC: n.NIC, Network: n.Network, Subnet: n.Subnet})
	if err != nil {
		return told(err)
	}
	r, err := result(ctx, agent, e)
	if err == nil {
		var out types.Result
		if out, err = r.GetAsVersion(n.CNIVersion); err == nil {
			err = out.PrintTo(p.Stdout)
		}
	}
	if err != nil { // the runtime will not know of what we made
		return told(errors.Join(err, agent.Detach(ctx, e.Name)))
	}
	return nil
}

// Del disconnects the container; that it is not connected is no error.
func (p *Plugin) Del(args *skel.CmdArgs) error {
	_, agent, err := load(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err = agent.Detach(ctx, endpointName(args))
	var problem *api.Error
	if err == nil || errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return nil
	}
	return told(err)
}

// Check compares what Add answered with what is.
func (p *Plugin) Check(args *skel.CmdArgs) error {
	n, agent, err := load(args)
	if err != nil {
		return err
	}
	if n.PrevResult == nil {
		return types.NewError(types.ErrInvalidNetworkConfig, "network configuration", "prevResult is missing")
	}
	prev, err := current.NewResultFromResult(n.PrevResult)
	if err != nil {
		return types.NewError(types.ErrDecodingFailure, "prevResult", err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var e api.EndpointDocument
	name := endpointName(args)
	if err := agent.Endpoint(ctx, name, &e); err != nil {
		return told(err)
	}
	if e.State != "up" {
		return fmt.Errorf("endpoint %s is %s: %s", name, e.State, e.Message)
	}
	for _, ip := range prev.IPs {
		if !slices.Contains(e.Addresses, ip.Address.IP.String()) {
			return fmt.Errorf("endpoint %s has %v, not %s as when it was added", name, e.Addresses, ip.Address.IP)
		}
	}
	return nil
}

// Status says whether Add has a chance.
func (p *Plugin) Status(args *skel.CmdArgs) error {
	_, agent, err := load(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := agent.Get(ctx, "/readyz", nil); err != nil {
		return types.NewError(types.ErrPluginNotAvailable, "the agent is not ready", err.Error())
	}
	return nil
}

// told is an error with the code that lets a runtime try again where that helps.
func told(err error) error {
	var problem *api.Error
	switch {
	case errors.Is(err, api.ErrUnreachable), errors.As(err, &problem) && problem.Status == http.StatusServiceUnavailable:
		return types.NewError(types.ErrTryAgainLater, "agent", err.Error())
	case errors.As(err, &problem) && problem.Status == http.StatusBadRequest:
		return types.NewError(types.ErrInvalidNetworkConfig, "agent", err.Error())
	}
	return types.NewError(types.ErrInternal, "agent", err.Error())
}

// Fairlead-cni is the CNI plugin that connects containers through the agent of their host.
package main

import (
	"os"

	"github.com/containernetworking/cni/pkg/skel"
	cniversion "github.com/containernetworking/cni/pkg/version"

	"github.com/fairlead-net/fairlead/agent/cni"
)

// version is set by the linker.
var version = "devel"

func main() {
	plugin := &cni.Plugin{Stdout: os.Stdout}
	skel.PluginMainFuncs(plugin.Funcs(), cniversion.All, "fairlead-cni "+version)
}

// Package vfp holds the host's forwarding policy as plain data, and the [Datapath] that enforces it.
//
// The vocabulary is VFP's: a port has ordered layers, a layer has groups per direction, a group has
// prioritised rules. [Policy] says for one host which ports exist, which addresses they may use, which
// ACLs guard them, and where every customer address (CA) of the tenants present here lives. It knows
// nothing about controllers and nothing about kernels. vfp/model executes a Policy in plain Go and is the
// specification; vfp/ebpf does the same in the Linux kernel; vfp/hcn on Windows.
package vfp

// Package ebpf is the Linux datapath: VFP as two TC programs and the maps they read.
//
// bpf/vswitch.c holds the programs, bpf/types.h the shape of every map. Everything is pinned below one bpffs
// directory, so packets flow on while the agent is stopped, upgraded or killed:
//
//	BPFDir/maps-LAYOUT/NAME    maps; LAYOUT changes when their shape does
//	BPFDir/links/DEVICE        the attachment of a program to a device
//
// The policy is kept twice (two slots) in the same maps. Apply writes the difference to the slot that no
// packet reads, then flips control.active: a packet sees the old policy or the new one, never a mixture.
// Dense numbers (port index, domain, counter) are remembered in the pinned map idents, so flows and counters
// keep their meaning across restarts, and a restart with an unchanged policy writes nothing.
package ebpf

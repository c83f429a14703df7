// Package ebpf is the Linux datapath: VFP as TC programs and the maps they read.
//
// bpf/vswitch.c holds the programs, bpf/types.h the shape of every map, the other headers a topic each. Everything is
// pinned below one bpffs directory, so packets flow on while the agent is stopped, upgraded or killed:
//
//	BPFDir/maps-LAYOUT/NAME    maps; LAYOUT changes when their shape does
//	BPFDir/links/DEVICE        the attachment of a program to a device
//
// The policy is kept twice (two slots) in the same maps. Apply writes the difference to the slot that no
// packet reads, then flips control.active: a packet sees the old policy or the new one, never a mixture. The content of an
// ACL is in memory of its own (vfp/classifier), has versions, and is published to a slot by one store; where nothing else
// changes that is all of it. Then the epochs of the ports concerned count up, and each of their flows is judged again.
// Dense numbers (port index, domain, counter) are remembered in the pinned map idents, so flows and counters
// keep their meaning across restarts, and a restart with an unchanged policy writes nothing.
package ebpf

// Package classifier compiles an access control list into one flat block of memory that the eBPF programs search at a
// cost that does not grow with the number of rules, and that changes in place, whole changes at a time.
//
// The block is an array of 64-byte lines: in the kernel the elements of an array map that user space has mapped, in
// tests a slice. vfp/ebpf/bpf/classifier.h is the same search in C. docs/classifier.md says why it looks like this.
//
//	line 0   root reference and content sum of either policy slot
//	root     version, default actions, geometry per direction and family; immutable
//	geometry which prefix lengths and pairs of lengths there are; Bloom filters; the table of prefix pairs
//	pair     source prefix, destination prefix -> body, by version
//	body     the rules of one pair: a sorted list, or an index over protocol and ports that ends in such lists
//
// A change writes beside what readers use and gives every pair it touches a second version; storing a slot's root
// reference, one word, makes all of it visible at once.
package classifier

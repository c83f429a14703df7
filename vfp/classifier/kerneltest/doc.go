// Package kerneltest runs the classifier of the eBPF programs (vfp/ebpf/bpf/classifier.h) by itself, for tests and
// benchmarks that compare it with vfp/classifier.
package kerneltest

// The objects are committed: a plain go build needs no clang. CI regenerates and compares.
//go:generate go tool bpf2go -go-package kerneltest -tags linux -target bpfel -cc clang -cflags "-O2 -g -mcpu=v3 -Wall -Werror -fno-strict-aliasing -I/usr/include/x86_64-linux-gnu" classifier ../../ebpf/bpf/classifier_test.c

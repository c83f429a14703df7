package ebpf

// The objects are committed: a plain go build needs no clang. CI regenerates and compares.
//go:generate go tool bpf2go -go-package ebpf -tags linux -type host -type receiver -type event -target bpfel -cc clang -cflags "-O2 -g -mcpu=v3 -Wall -Werror -fno-strict-aliasing -I/usr/include/x86_64-linux-gnu" vswitch bpf/vswitch.c

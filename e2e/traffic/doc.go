// Package traffic sends, receives and measures packets inside network namespaces: echo servers,
// probes that count what is lost, paced transfers, hand-made frames, sniffers. Sockets are opened in
// the namespace and used from this process, so nothing has to be installed or started there.
package traffic

// Package lab builds a small fabric on one Linux machine out of real parts: hosts are network
// namespaces on a bridge, each with a `fairlead agent` process; the controller is a `fairlead-nc`
// process; containers are network namespaces without anything in them.
//
//	l, err := lab.New(ctx, lab.Options{})
//	defer l.Close()
//	err = l.Do(func() {
//		l.Controller().Put("/networkInterfaces/nic-web1", body)
//		hostA := l.Host("host-a")
//		web := hostA.Container("web1")
//		web.Attach("nic-web1")
//		...
//	})
//
// Steps that have to succeed have no error result, so that a scenario reads like a story: when one
// fails, [Lab.Do] returns its error. What a scenario wants to judge itself has results.
//
// Every namespace of a run is called fl-<id>-<name>, everything else of it lies below /run/fl-<id>.
// Close removes both, and New removes what runs that were killed have left.
package lab

// Package modeltest draws policies and sequences of packets for tests of a datapath: the model's own properties, and the
// comparison of the kernel programs with the model. It knows no datapath: a test runs each Step on what it tests, and
// tells the World what came of it, so that answers and complaints can follow.
//
//	w := modeltest.Draw(rt)
//	pl := model.New(w.Policy())
//	for range n {
//		s := w.Next(rt)
//		... run it: pl.PortOut(s.Port, s.Frame, w.Now())
//		w.Result(trace)
//	}
package modeltest

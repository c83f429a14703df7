package agent

import (
	"runtime/debug"
	"runtime/metrics"
)

// tidyAbove is how much memory may lie about free, in bytes: a fabric that was read or a policy that was built leaves a
// heap of holes, which the runtime gives back only slowly.
const tidyAbove = 16 << 20

// tidy gives memory back to the system after a burst. Between bursts it costs a look at a number. Gaps between objects in use
// do not count: they cannot be given back, and a collection for nothing is not free.
func tidy() {
	free := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(free)
	if free[0].Value.Uint64() > tidyAbove {
		debug.FreeOSMemory()
	}
}

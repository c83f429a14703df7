package ebpf

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
)

// layoutVersion grows when the meaning of a map's content changes while its shape does not.
const layoutVersion = 3

// layoutOf names the shape of the maps. Maps of another layout are left alone until the new programs run.
func layoutOf(spec *ebpf.CollectionSpec) string {
	var lines []string
	for name, m := range spec.Maps {
		if m.Pinning == ebpf.PinByName {
			lines = append(lines, fmt.Sprintf("%s %v %d %d %d %d", name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries, m.Flags))
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(fmt.Sprint(layoutVersion, lines)))
	return fmt.Sprintf("%x", sum[:6])
}

package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/fairlead-net/fairlead/e2e/scenario"
)

// table shows checks. When all that matters of a wide cell fits, it is better wrapped by the terminal
// than cut here: nothing is shortened.
func table(encapsulation string, checks []scenario.Check) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\tEXPECTED\tSEEN\tOK\n", strings.ToUpper(encapsulation))
	for _, c := range checks {
		ok := "yes"
		if !c.OK {
			ok = "NO"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Name, c.Expected, c.Seen, ok)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return out.String()
}

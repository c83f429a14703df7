package nctest

// allocate gives prepared drafts what the controller chooses.
func (c *Controller) allocate(drafts []*draft, replaced map[string]bool) error {
	return c.assignVSIDs(drafts, replaced)
}

// waits answers whether a draft has to come to allocate before it is finished.
func (d *draft) waits() bool { return d.collection == "virtualNetworks" }

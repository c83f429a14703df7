// Package nctest is the development Network Controller: real resource bodies over HTTPS, with GET,
// PUT, PATCH and DELETE, pages, etags, reference checks, back references, allocation of addresses,
// asynchronous provisioning and a journal on disk, for tests, demos and anyone without a Microsoft
// controller at hand. It holds a fabric of 100,000 NICs.
//
// It checks references and the shape of JSON; with [Options.Strict] also what cannot work of virtual
// networks and NICs. What a Microsoft controller's bodies never show, it publishes under the single
// key "fairlead" inside properties: the VSID of every subnet (assigned here unless given) and
// whatever a subnet's gateway or a server's providerAddresses were PUT as.
//
// Tests break things on purpose with [Controller.SetFault] and [Controller.PutRaw], and with
// [Options.FrozenETags] and [Options.NoConditional].
package nctest

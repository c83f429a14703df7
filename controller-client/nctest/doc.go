// Package nctest is the development Network Controller: real resource bodies over HTTPS, with GET,
// PUT and DELETE, etags, reference checks, back references and persistence, for tests, demos and
// anyone without a Microsoft controller at hand.
//
// It checks references and the shape of JSON, not the meaning of addresses or ports. What a
// Microsoft controller's bodies never show, it publishes under the single key "fairlead" inside
// properties: the VSID of every subnet (assigned here unless given) and whatever a subnet's gateway
// or a server's providerAddresses were PUT as.
//
// Tests break things on purpose with [Controller.SetFault] and [Controller.PutRaw].
package nctest

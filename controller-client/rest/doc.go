// Package rest is the northbound source that reads a Network Controller's REST interface
// (/networking/v1): it lists the collections a host agent needs, follows their pages, and delivers
// a whole new snapshot whenever something changed.
//
// A poll either succeeds as a whole or changes nothing: when the controller is away or answers
// rubbish, the last good snapshot stays in force and only the status says so. Real bodies are
// sloppy, so they are decoded leniently; judging the values is the overlay package's task. A page
// whose bytes are those of the last good poll is not decoded again.
//
// It writes only what is asked of it as a controllerclient.Writer: a resource is read, changed as it was
// received, and written back on condition that nobody came between.
//
// What Microsoft's bodies never show, our development controller (package nctest) publishes under
// the single key "fairlead" inside properties: vsid and gateway of a subnet, providerAddresses of a
// server.
package rest

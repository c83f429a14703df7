// Package controllerclient is the northbound: where desired tenant state comes from.
//
// A [Source] delivers complete, consistent [Snapshot]s of what a fabric says. The values in a
// snapshot are the fabric's own words (addresses, prefixes and port ranges are still text), because
// judging them is the overlay package's task: it names the bad resource and keeps the rest.
//
// Most of them only read. A [Writer] also changes the little that is a host agent's to change.
//
// The sources live below: rest (Network Controller northbound), ovsdb, file. nctest is the
// development Network Controller.
package controllerclient

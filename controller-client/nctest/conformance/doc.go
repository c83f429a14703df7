// Package conformance is a script of requests to any Network Controller, and the record of what it
// answered: status codes, the headers that matter and the shape of every body. Records of two
// controllers, or of one before and after a change, are compared step by step.
//
// The script expects nothing. What it holds against a controller is another controller's record, so it
// says where two differ, never which of them is right.
//
// A record holds no values: no names, no addresses, no ids. Exceptions are words of the API itself,
// such as provisioning states and error codes.
package conformance

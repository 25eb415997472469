//go:build go1.24

// The defaults of Go 1.24, where the compiler is of that age or newer: it behaves as the version in go.mod unless a
// program asks for more, and go.mod names the oldest Go that builds this adapter. Since Go 1.24 a listener is a
// Multipath TCP socket on Linux, for one.
//
//go:debug default=go1.24
package main

//go:build !go1.23

// The answer of versions of Go without the call for idle time, interval and count. SetKeepAlivePeriod is no substitute:
// in these versions it sets idle time and interval to the same value.
package main

import (
	"net"
	"time"
)

// configure answers for the versions of Go without net.KeepAliveConfig.
func configure(*net.TCPConn, time.Duration, time.Duration, int) any {
	return unsupported("net has no call for idle time, interval or count before Go 1.23 (go.dev/doc/go1.23, package net)")
}

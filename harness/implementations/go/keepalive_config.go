//go:build go1.23

// The call for idle time, interval and count, which Go has since 1.23.
package main

import (
	"net"
	"time"
)

// configure switches keepalive on; zero stands for the default.
func configure(conn *net.TCPConn, idle, interval time.Duration, count int) any {
	config := net.KeepAliveConfig{Enable: true, Idle: idle, Interval: interval, Count: count}
	return done(conn.SetKeepAliveConfig(config))
}

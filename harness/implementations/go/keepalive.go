// TCP keepalive with the calls of net.TCPConn.
//
// The fields of net.KeepAliveConfig that a request leaves out stay zero, which stands for Go's defaults. A listener has
// no such call: net.ListenConfig takes the values for the connections that it accepts before it listens.
package main

import (
	"math"
	"net"
	"time"
)

// schedule is what requests say about keepalive.
type schedule struct {
	Socket     string
	IdleMs     *uint64 `json:"idle_ms"`
	IntervalMs *uint64 `json:"interval_ms"`
	Count      *int
	PeriodMs   uint64 `json:"period_ms"`
}

func init() {
	requests["keepalive"] = parsed(keepalive)
	requests["keepalive-period"] = parsed(keepalivePeriod)
	requests["keepalive-off"] = parsed(func(wanted schedule) any {
		conn, fits := sockets[wanted.Socket].(*net.TCPConn)
		if !fits {
			return unfit(wanted.Socket, "keepalive-off")
		}
		return done(conn.SetKeepAlive(false))
	})
}

// duration converts milliseconds; fits is false if time.Duration cannot hold them.
func duration(ms uint64) (duration time.Duration, fits bool) {
	return time.Duration(ms) * time.Millisecond, ms <= math.MaxInt64/uint64(time.Millisecond)
}

// tooLong answers a duration that the API cannot express.
func tooLong() any {
	return unsupported("net takes a time.Duration, which holds at most 292 years (pkg.go.dev/time#Duration)")
}

func keepalive(wanted schedule) any {
	conn, fits := sockets[wanted.Socket].(*net.TCPConn)
	if !fits {
		return unfit(wanted.Socket, "keepalive")
	}
	if wanted.IdleMs == nil && wanted.IntervalMs == nil && wanted.Count == nil {
		return done(conn.SetKeepAlive(true))
	}
	var idle, interval time.Duration
	var count int
	if wanted.IdleMs != nil {
		if idle, fits = duration(*wanted.IdleMs); !fits {
			return tooLong()
		}
	}
	if wanted.IntervalMs != nil {
		if interval, fits = duration(*wanted.IntervalMs); !fits {
			return tooLong()
		}
	}
	if wanted.Count != nil {
		count = *wanted.Count
	}
	return configure(conn, idle, interval, count)
}

func keepalivePeriod(wanted schedule) any {
	conn, fits := sockets[wanted.Socket].(*net.TCPConn)
	if !fits {
		return unfit(wanted.Socket, "keepalive-period")
	}
	period, fits := duration(wanted.PeriodMs)
	if !fits {
		return tooLong()
	}
	// The documentation of SetKeepAlivePeriod leaves the switch to SetKeepAlive.
	if err := conn.SetKeepAlive(true); err != nil {
		return failure(err)
	}
	return done(conn.SetKeepAlivePeriod(period))
}

// Options of sockets, read back with SyscallConn and package syscall: net itself sets options and reads none.
//
// An option that the kernel does not have for a socket, such as IPV6_V6ONLY on IPv4, is left out.
package main

import (
	"syscall"
)

type option struct{ level, number int }

var options = map[string]option{
	"SO_REUSEADDR":  {syscall.SOL_SOCKET, syscall.SO_REUSEADDR},
	"SO_KEEPALIVE":  {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE},
	"TCP_KEEPIDLE":  {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
	"TCP_KEEPINTVL": {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL},
	"TCP_KEEPCNT":   {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
	"IPV6_V6ONLY":   {syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY},
}

func init() {
	requests["options"] = parsed(readOptions)
}

func readOptions(wanted use) any {
	socket, fits := sockets[wanted.Socket].(syscall.Conn)
	if !fits {
		return unfit(wanted.Socket, "options")
	}
	conn, err := socket.SyscallConn()
	if err != nil {
		return failure(err)
	}
	values := map[string]int{}
	err = conn.Control(func(descriptor uintptr) {
		for name, option := range options {
			value, err := syscall.GetsockoptInt(int(descriptor), option.level, option.number)
			if err == nil {
				values[name] = value
			}
		}
	})
	if err != nil {
		return failure(err)
	}
	return map[string]any{"options": values}
}

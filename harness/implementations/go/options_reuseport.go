//go:build !(linux && (386 || amd64 || arm))

// SO_REUSEPORT, which package syscall lacks on the platforms that this file leaves out.
package main

import "syscall"

func init() {
	options["SO_REUSEPORT"] = option{syscall.SOL_SOCKET, syscall.SO_REUSEPORT}
}

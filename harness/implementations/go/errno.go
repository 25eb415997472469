// The errors of sockets as answers: by the name of the kernel's error where there is one.
//
// Package syscall has texts for errors but no names, so their names are listed here.
package main

import (
	"errors"
	"net"
	"syscall"
)

var names = map[syscall.Errno]string{
	syscall.EACCES:          "EACCES",
	syscall.EADDRINUSE:      "EADDRINUSE",
	syscall.EADDRNOTAVAIL:   "EADDRNOTAVAIL",
	syscall.EAFNOSUPPORT:    "EAFNOSUPPORT",
	syscall.EALREADY:        "EALREADY",
	syscall.EBADF:           "EBADF",
	syscall.ECONNABORTED:    "ECONNABORTED",
	syscall.ECONNREFUSED:    "ECONNREFUSED",
	syscall.ECONNRESET:      "ECONNRESET",
	syscall.EDESTADDRREQ:    "EDESTADDRREQ",
	syscall.EDOM:            "EDOM",
	syscall.EFAULT:          "EFAULT",
	syscall.EHOSTDOWN:       "EHOSTDOWN",
	syscall.EHOSTUNREACH:    "EHOSTUNREACH",
	syscall.EINTR:           "EINTR",
	syscall.EINVAL:          "EINVAL",
	syscall.EISCONN:         "EISCONN",
	syscall.EMFILE:          "EMFILE",
	syscall.EMSGSIZE:        "EMSGSIZE",
	syscall.ENETDOWN:        "ENETDOWN",
	syscall.ENETRESET:       "ENETRESET",
	syscall.ENETUNREACH:     "ENETUNREACH",
	syscall.ENFILE:          "ENFILE",
	syscall.ENOBUFS:         "ENOBUFS",
	syscall.ENODEV:          "ENODEV",
	syscall.ENOMEM:          "ENOMEM",
	syscall.ENOPROTOOPT:     "ENOPROTOOPT",
	syscall.ENOTCONN:        "ENOTCONN",
	syscall.ENOTSOCK:        "ENOTSOCK",
	syscall.ENXIO:           "ENXIO",
	syscall.EOPNOTSUPP:      "EOPNOTSUPP",
	syscall.EPERM:           "EPERM",
	syscall.EPIPE:           "EPIPE",
	syscall.EPROTONOSUPPORT: "EPROTONOSUPPORT",
	syscall.EPROTOTYPE:      "EPROTOTYPE",
	syscall.ERANGE:          "ERANGE",
	syscall.ESHUTDOWN:       "ESHUTDOWN",
	syscall.ETIMEDOUT:       "ETIMEDOUT",
}

// failure answers a request that failed, or whose value package net rejects before any system call.
func failure(err error) any {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if name, known := names[errno]; known {
			return map[string]string{"failed": name}
		}
		return failed(err)
	}
	var address *net.AddrError
	var syntax *net.ParseError
	if errors.As(err, &address) || errors.As(err, &syntax) {
		return map[string]string{"refused": err.Error()}
	}
	return failed(err)
}

// done answers a request that returns nothing but an error.
func done(err error) any {
	if err != nil {
		return failure(err)
	}
	return "ok"
}

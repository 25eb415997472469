// Sockets with package net: one request is one call with its defaults.
//
// net.ListenMulticastUDP chooses the address that it binds, so `join-multicast` takes only the unspecified one.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// sockets are the open sockets by name: *net.TCPListener, *net.TCPConn or *net.UDPConn.
var sockets = map[string]any{}

// replaced are the open sockets that have lost their names. The garbage collector would close them otherwise.
var replaced []any

// shortest is the shortest timeout that leaves Accept and Read the time for a system call: they return at once if the
// deadline has passed.
const shortest = 2 * time.Millisecond

// opening is what requests say about a new socket.
type opening struct {
	Socket   string
	At       string
	To       string
	Group    string
	Balanced bool
}

// use is what requests say about an open socket.
type use struct {
	Socket   string
	Into     string
	Text     string
	To       string
	WithinMs int64 `json:"within_ms"`
}

func (use use) deadline() time.Time {
	within := time.Duration(use.WithinMs) * time.Millisecond
	if within < shortest {
		within = shortest
	}
	return time.Now().Add(within)
}

func init() {
	requests["listen-tcp"] = parsed(listenTCP)
	requests["bind-udp"] = parsed(bindUDP)
	requests["join-multicast"] = parsed(joinMulticast)
	requests["dial"] = parsed(dial)
	requests["accept"] = parsed(accept)
	requests["send"] = parsed(send)
	requests["receive"] = parsed(receive)
	requests["close-socket"] = parsed(closeSocket)
}

// parsed makes the handler of a request from a function that takes its keys.
func parsed[Keys any](answer func(Keys) any) serve {
	return func(arguments json.RawMessage) any {
		var keys Keys
		if err := json.Unmarshal(arguments, &keys); err != nil {
			return failed(err)
		}
		return answer(keys)
	}
}

// opened gives a new socket its name.
func opened(name string, socket any, local net.Addr) any {
	if former, exists := sockets[name]; exists {
		replaced = append(replaced, former)
	}
	sockets[name] = socket
	return map[string]any{"opened": map[string]string{"local": local.String()}}
}

// unfit answers a request for a socket that is not open or has no such function.
func unfit(name, request string) any {
	socket, exists := sockets[name]
	if !exists {
		return failed(fmt.Errorf("no socket %q is open", name))
	}
	return unsupported(fmt.Sprintf("%T has no call for `%s`", socket, request))
}

func listenTCP(wanted opening) any {
	if wanted.Balanced {
		return unsupported("package net has no option for a shared port")
	}
	listener, err := net.Listen("tcp", wanted.At)
	if err != nil {
		return failure(err)
	}
	return opened(wanted.Socket, listener, listener.Addr())
}

func bindUDP(wanted opening) any {
	conn, err := net.ListenPacket("udp", wanted.At)
	if err != nil {
		return failure(err)
	}
	return opened(wanted.Socket, conn, conn.LocalAddr())
}

func joinMulticast(wanted opening) any {
	at, err := net.ResolveUDPAddr("udp", wanted.At)
	if err != nil {
		return failure(err)
	}
	if !at.IP.IsUnspecified() {
		return unsupported("net.ListenMulticastUDP takes no address to bind to (pkg.go.dev/net#ListenMulticastUDP)")
	}
	group := &net.UDPAddr{IP: net.ParseIP(wanted.Group), Port: at.Port}
	conn, err := net.ListenMulticastUDP("udp", nil, group)
	if err != nil {
		return failure(err)
	}
	return opened(wanted.Socket, conn, conn.LocalAddr())
}

func dial(wanted opening) any {
	conn, err := net.Dial("tcp", wanted.To)
	if err != nil {
		return failure(err)
	}
	return opened(wanted.Socket, conn, conn.LocalAddr())
}

func accept(wanted use) any {
	listener, fits := sockets[wanted.Socket].(*net.TCPListener)
	if !fits {
		return unfit(wanted.Socket, "accept")
	}
	if err := listener.SetDeadline(wanted.deadline()); err != nil {
		return failure(err)
	}
	conn, err := listener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "nothing"
	}
	if err != nil {
		return failure(err)
	}
	return opened(wanted.Into, conn, conn.LocalAddr())
}

func send(wanted use) any {
	var err error
	switch socket := sockets[wanted.Socket].(type) {
	case *net.UDPConn:
		if wanted.To == "" {
			_, err = socket.Write([]byte(wanted.Text))
			break
		}
		var to *net.UDPAddr
		if to, err = net.ResolveUDPAddr("udp", wanted.To); err == nil {
			_, err = socket.WriteTo([]byte(wanted.Text), to)
		}
	case *net.TCPConn:
		_, err = socket.Write([]byte(wanted.Text))
	default:
		return unfit(wanted.Socket, "send")
	}
	return done(err)
}

func receive(wanted use) any {
	conn, fits := sockets[wanted.Socket].(net.Conn)
	if !fits {
		return unfit(wanted.Socket, "receive")
	}
	if err := conn.SetReadDeadline(wanted.deadline()); err != nil {
		return failure(err)
	}
	bytes := make([]byte, 1<<16)
	length, err := conn.Read(bytes)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "nothing"
	case errors.Is(err, io.EOF):
		return "eof"
	case err != nil:
		return failure(err)
	}
	return map[string]string{"received": string(bytes[:length])}
}

func closeSocket(wanted use) any {
	socket, fits := sockets[wanted.Socket].(io.Closer)
	if !fits {
		return unfit(wanted.Socket, "close-socket")
	}
	delete(sockets, wanted.Socket)
	return done(socket.Close())
}

// FastCGI with net/http/fcgi: the handlers of ../HANDLERS.md.
//
// The library has no API to set appStatus or to write STDERR, and supports the Responder role only.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"sort"
	"strconv"
	"strings"
	"time"
)

func serveFastcgi(arguments json.RawMessage) any {
	var where struct{ At string }
	if err := json.Unmarshal(arguments, &where); err != nil {
		return failed(err)
	}
	network := "tcp"
	if strings.HasPrefix(where.At, "/") {
		network = "unix"
	}
	listener, err := net.Listen(network, where.At)
	if err != nil {
		return failed(err)
	}
	go fcgi.Serve(listener, http.HandlerFunc(handle))
	return "ok"
}

// serveInherited serves on the listener in descriptor 0, which the library uses if it is given none. It returns only
// after an error.
func serveInherited() error {
	return fcgi.Serve(nil, http.HandlerFunc(handle))
}

// number returns a numeric option of the query.
func number(request *http.Request, name string, otherwise int) int {
	if value, err := strconv.Atoi(request.URL.Query().Get(name)); err == nil {
		return value
	}
	return otherwise
}

func pause(request *http.Request, otherwise int) {
	time.Sleep(time.Duration(number(request, "ms", otherwise)) * time.Millisecond)
}

func handle(response http.ResponseWriter, request *http.Request) {
	response.Header().Set("Content-Type", "text/plain")
	switch request.URL.Path {
	case "/echo":
		echo(response, request)
	case "/ignore-body":
		pause(request, 0)
		fmt.Fprintln(response, "ignored")
	case "/slow":
		io.Copy(io.Discard, request.Body)
		pause(request, 100)
		fmt.Fprintln(response, "slow")
	case "/early":
		request.Body.Read(make([]byte, 1))
		fmt.Fprintln(response, "early")
	case "/stream":
		for part := 1; part <= number(request, "count", 3); part++ {
			if _, err := fmt.Fprintf(response, "part %d\n", part); err != nil {
				return
			}
			response.(http.Flusher).Flush()
			pause(request, 10)
		}
	case "/big":
		alphabet := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 2520)
		for left := number(request, "bytes", 200000); left > 0; left -= len(alphabet) {
			if left < len(alphabet) {
				alphabet = alphabet[:left]
			}
			io.WriteString(response, alphabet)
		}
	case "/no-content":
	default:
		response.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(response, "no such handler")
	}
}

func echo(response http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	var lines []string
	for name, value := range fcgi.ProcessEnv(request) {
		if name == "" || strings.HasPrefix(name, "ECHO_") {
			lines = append(lines, show(name)+"="+show(value)+"\n")
		}
	}
	sort.Strings(lines)
	fmt.Fprintf(response, "%sstdin=%d\n", strings.Join(lines, ""), len(body))
	if announced := request.ContentLength; announced > 0 && announced != int64(len(body)) {
		fmt.Fprintf(response, "content_length=%d\n", announced)
	}
	response.Write(body)
}

// show formats a name or value of /echo, as ../HANDLERS.md specifies it.
func show(text string) string {
	if len(text) <= 64 {
		return text
	}
	var sum uint32
	for _, letter := range []byte(text) {
		sum = sum*31 + uint32(letter)
	}
	return fmt.Sprintf("%d bytes, checksum %d", len(text), sum)
}

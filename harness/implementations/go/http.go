// HTTP with net/http's Server: the handlers of ../HANDLERS.md.
package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// httpServer is the only server of this process: each case starts its own process.
var httpServer *http.Server

// counters are incremented by handlers and read by `count`.
var counters = struct {
	sync.Mutex
	of map[string]int
}{of: map[string]int{}}

func raise(key string) int {
	counters.Lock()
	defer counters.Unlock()
	counters.of[key]++
	return counters.of[key]
}

func counted(key string) int {
	counters.Lock()
	defer counters.Unlock()
	return counters.of[key]
}

func init() {
	requests["serve-http"] = serveHTTP
	requests["keep-alives"] = func(arguments json.RawMessage) any {
		var wanted struct{ Enabled bool }
		if err := json.Unmarshal(arguments, &wanted); err != nil {
			return failed(err)
		}
		httpServer.SetKeepAlivesEnabled(wanted.Enabled)
		return "ok"
	}
	requests["shutdown"] = func(json.RawMessage) any {
		go httpServer.Shutdown(context.Background())
		return "ok"
	}
	requests["count"] = func(arguments json.RawMessage) any {
		var asked struct{ Key string }
		if err := json.Unmarshal(arguments, &asked); err != nil {
			return failed(err)
		}
		return map[string]int{"count": counted(asked.Key)}
	}
}

func serveHTTP(arguments json.RawMessage) any {
	var wanted struct {
		At          string
		IdleMs      int  `json:"idle_ms"`
		RequestsMax *int `json:"requests_max"`
	}
	if err := json.Unmarshal(arguments, &wanted); err != nil {
		return failed(err)
	}
	if wanted.RequestsMax != nil {
		return unsupported("net/http has no limit of requests on a connection")
	}
	listener, err := net.Listen("tcp", wanted.At)
	if err != nil {
		return failed(err)
	}
	httpServer = &http.Server{Handler: http.HandlerFunc(handleHTTP)}
	httpServer.IdleTimeout = time.Duration(wanted.IdleMs) * time.Millisecond
	go httpServer.Serve(listener)
	return "ok"
}

func handleHTTP(w http.ResponseWriter, r *http.Request) {
	if key := r.URL.Query().Get("count"); key != "" {
		raise(key)
	}
	path := r.URL.Path
	switch {
	case path == "/" || path == "" && r.Method != http.MethodConnect: // "" is the path of http://host
		io.WriteString(w, "ok")
	case path == "/echo":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "incomplete", http.StatusBadRequest)
			return
		}
		if len(body) == 0 {
			body = []byte(r.URL.Query().Get("text"))
		}
		w.Write(body)
	case path == "/ignore-body":
		io.WriteString(w, "ignored")
	case path == "/early":
		io.WriteString(w, "early")
		w.(http.Flusher).Flush()
		io.Copy(io.Discard, r.Body)
	case path == "/slow":
		io.Copy(io.Discard, r.Body)
		wait(r, 100)
		io.WriteString(w, "slow")
	case path == "/stream":
		stream(w, r)
	case path == "/no-content":
		w.WriteHeader(http.StatusNoContent)
	case path == "/not-modified":
		w.Header().Set("ETag", `"reusespec"`)
		w.WriteHeader(http.StatusNotModified)
	case path == "/short":
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", strconv.Itoa(queryNumber(r, "declared", 10)))
		io.WriteString(w, strings.Repeat("x", queryNumber(r, "sent", 5)))
	case path == "/big":
		big(w, r)
	case path == "/close":
		w.Header().Set("Connection", "close")
		io.WriteString(w, "closing")
	case path == "/keep-alives/off", path == "/keep-alives/on":
		word := strings.TrimPrefix(path, "/keep-alives/")
		httpServer.SetKeepAlivesEnabled(word == "on")
		io.WriteString(w, word)
	case strings.HasPrefix(path, "/count/"):
		count(w, r, strings.TrimPrefix(path, "/count/"))
	default:
		http.NotFound(w, r)
	}
}

func stream(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	chunks := queryNumber(r, "chunks", 3)
	w.(http.Flusher).Flush()
	for index := 1; index <= chunks; index++ {
		if index == chunks {
			wait(r, 0)
		}
		io.WriteString(w, strings.Repeat("x", queryNumber(r, "size", 5)))
		w.(http.Flusher).Flush()
	}
}

func big(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	left := queryNumber(r, "size", 1<<20)
	w.Header().Set("Content-Length", strconv.Itoa(left))
	piece := []byte(strings.Repeat("x", 1<<15))
	for left > 0 {
		if left < len(piece) {
			piece = piece[:left]
		}
		written, err := w.Write(piece)
		if err != nil {
			return
		}
		left -= written
	}
}

func count(w http.ResponseWriter, r *http.Request, key string) {
	io.Copy(io.Discard, r.Body)
	value := counted(key)
	if r.Method == http.MethodPost {
		value = raise(key)
	}
	io.WriteString(w, strconv.Itoa(value))
}

func queryNumber(r *http.Request, name string, otherwise int) int {
	if value, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return value
	}
	return otherwise
}

func wait(r *http.Request, otherwise int) {
	until := r.URL.Query().Get("until")
	if until == "" {
		time.Sleep(time.Duration(queryNumber(r, "ms", otherwise)) * time.Millisecond)
		return
	}
	deadline := time.Now().Add(time.Duration(queryNumber(r, "ms", 60000)) * time.Millisecond)
	for counted(until) == 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
}

// The Go adapter: executes requests, which arrive as JSON lines, with Go's standard library.
//
// This file reads the lines, which ../ADAPTERS.md describes; each family has a file of its own. An unknown request is
// unsupported.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
)

// serve executes one request and returns the answer.
type serve func(arguments json.RawMessage) any

var requests = map[string]serve{
	"hello": func(json.RawMessage) any {
		return map[string]any{"hello": map[string]any{"protocol": 2, "name": "go", "version": runtime.Version()}}
	},
	"serve-fastcgi": serveFastcgi,
}

func unsupported(what string) any { return map[string]string{"unsupported": what} }

func failed(err error) any { return map[string]string{"failed": err.Error()} }

// answer executes one request, `{"name":{…}}` or `"name"`.
func answer(line []byte) any {
	var name string
	if json.Unmarshal(line, &name) == nil {
		if serve, known := requests[name]; known {
			return serve(nil)
		}
		return unsupported(name)
	}
	var named map[string]json.RawMessage
	if err := json.Unmarshal(line, &named); err != nil {
		return failed(err)
	}
	for name, arguments := range named {
		if serve, known := requests[name]; known {
			return serve(arguments)
		}
		return unsupported(name)
	}
	return unsupported("an empty request")
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "inherited" {
		fmt.Fprintln(os.Stderr, serveInherited())
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if out.Encode(answer(lines.Bytes())) != nil {
			return
		}
	}
}

"""http.server in HTTP/1.1 mode with the handlers of ../HANDLERS.md.

`shutdown` is unsupported, because shutdown() of http.server only ends the accept loop. http.server leaves content to
the handler. These handlers read as many bytes as Content-Length says, as the documentation shows it, and refuse a
length that is not a number and content that is cut short.
"""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

COUNTERS = {}
LOCK = threading.Lock()


def raise_counter(key):
    with LOCK:
        COUNTERS[key] = COUNTERS.get(key, 0) + 1
        return COUNTERS[key]


def counted(key):
    with LOCK:
        return COUNTERS.get(key, 0)


class Refused(Exception):
    """The content cannot be read; the handler answers 400."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def number(self, name, otherwise):
        text = self.query.get(name, [""])[0]
        return int(text) if text.isdigit() else otherwise

    def content(self):
        try:
            length = int(self.headers.get("Content-Length", 0))
        except ValueError:
            raise Refused("bad length") from None
        if length < 0:
            raise Refused("bad length")
        content = self.rfile.read(length)
        if len(content) < length:
            raise Refused("incomplete")
        return content

    def wait(self, otherwise):
        until = self.query.get("until")
        if until is None:
            time.sleep(self.number("ms", otherwise) / 1000)
            return
        deadline = time.monotonic() + self.number("ms", 60000) / 1000
        while counted(until[0]) == 0 and time.monotonic() < deadline:
            time.sleep(0.001)

    def reply(self, status, body, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self):
        try:
            self.handle_path()
        except Refused as refused:
            # send_error sends `Connection: close`, and send_header then ends the connection.
            self.send_error(400, str(refused))

    def handle_path(self):
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        if "count" in self.query:
            raise_counter(self.query["count"][0])
        path = parts.path or "/"
        if path == "/":
            self.reply(200, b"ok")
        elif path == "/echo":
            body = self.content()
            self.reply(200, body or self.query.get("text", [""])[0].encode())
        elif path == "/ignore-body":
            self.reply(200, b"ignored")
        elif path == "/early":
            self.reply(200, b"early")
            self.content()
        elif path == "/slow":
            self.content()
            self.wait(100)
            self.reply(200, b"slow")
        elif path in ("/no-content", "/not-modified"):
            self.send_response(204 if path == "/no-content" else 304)
            if path == "/not-modified":
                self.send_header("ETag", '"reusespec"')
            self.end_headers()
        elif path == "/big":
            self.content()
            self.reply(200, b"x" * self.number("size", 1 << 20))
        elif path == "/close":
            self.reply(200, b"closing", Connection="close")
        elif path.startswith("/count/"):
            self.content()
            key = path[len("/count/"):]
            value = raise_counter(key) if self.command == "POST" else counted(key)
            self.reply(200, str(value).encode())
        else:
            self.reply(404, b"not found")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer


def serve(keys):
    if keys.get("requests_max") is not None:
        return {"unsupported": "http.server has no limit of requests on a connection"}
    host, port = keys["at"].rsplit(":", 1)
    if keys.get("idle_ms") is not None:
        Handler.timeout = keys["idle_ms"] / 1000
    server = ThreadingHTTPServer((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "ok"


def answer(name, keys):
    if name == "serve-http":
        return serve(keys)
    if name == "count":
        return {"count": counted(keys["key"])}
    return {"unsupported": f"http.server has no such thing: {name}"}

"""The handlers of ../HANDLERS.md as a WSGI application on flup, with a thread for each request.

WSGI has no appStatus and supports one role. `wsgi.errors` writes to STDERR.
"""

import sys
import time
from urllib.parse import parse_qs

from flup.server.fcgi import WSGIServer

ALPHABET = b"abcdefghijklmnopqrstuvwxyz"


def number(environ, name, otherwise):
    values = parse_qs(environ.get("QUERY_STRING", "")).get(name, [""])
    return int(values[0]) if values[0].isdigit() else otherwise


def pause(environ, otherwise):
    time.sleep(number(environ, "ms", otherwise) / 1000)


def as_bytes(text):
    return text.encode("latin-1")


def show(text):
    data = as_bytes(text)
    if len(data) <= 64:
        return data
    checksum = 0
    for byte in data:
        checksum = (checksum * 31 + byte) % (1 << 32)
    return b"%d bytes, checksum %d" % (len(data), checksum)


def echo(environ):
    body = environ["wsgi.input"].read()
    names = sorted(name for name in environ if name == "" or name.startswith("ECHO_"))
    lines = [show(name) + b"=" + show(environ[name]) + b"\n" for name in names]
    lines.append(b"stdin=%d\n" % len(body))
    announced = environ.get("CONTENT_LENGTH", "")
    if announced.isdigit() and int(announced) != len(body):
        lines.append(b"content_length=%d\n" % int(announced))
    return [b"".join(lines) + body]


def ignore_body(environ):
    pause(environ, 0)
    return [b"ignored\n"]


def slow(environ):
    environ["wsgi.input"].read()
    pause(environ, 100)
    return [b"slow\n"]


def early(environ):
    environ["wsgi.input"].read(1)
    return [b"early\n"]


def stream(environ):
    for part in range(1, number(environ, "count", 3) + 1):
        yield b"part %d\n" % part
        pause(environ, 10)


def big(environ):
    left = number(environ, "bytes", 200000)
    return [(ALPHABET * (left // 26 + 1))[:left]]


def stderr(environ):
    environ["wsgi.errors"].write("a problem\n")
    return [b"stderr\n"]


HANDLERS = {
    "/echo": echo,
    "/ignore-body": ignore_body,
    "/slow": slow,
    "/early": early,
    "/stream": stream,
    "/big": big,
    "/stderr": stderr,
}


def application(environ, start_response):
    handler = HANDLERS.get(environ.get("SCRIPT_NAME"))
    plain = [("Content-Type", "text/plain")]
    if handler is None:
        start_response("404 Not Found", plain)
        return [b"no such handler\n"]
    start_response("200 OK", plain)
    return handler(environ)


if __name__ == "__main__":
    # Without an address flup serves on the listener in descriptor 0.
    at = ("127.0.0.1", int(sys.argv[1])) if len(sys.argv) > 1 else None
    WSGIServer(application, bindAddress=at, multiplexed=True, minSpare=8, maxSpare=16).run()

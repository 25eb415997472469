"""TCP and UDP sockets with Python's socket module.

Keepalive goes through setsockopt, whose values are ints: fractions of a second are unsupported, and SO_KEEPALIVE comes
before the schedule. Python closes a socket that nothing refers to, so ALL keeps those whose name has been given away.
"""

import socket
import struct

OPEN = {}
ALL = []
SCHEDULE = "socket.setsockopt takes an int, in seconds for TCP_KEEPIDLE and TCP_KEEPINTVL"


class Unsupported(Exception):
    """The module has no API for the request."""


def address(text):
    """The pair that socket takes, and the family."""
    host, port = text.rsplit(":", 1)
    host = host.strip("[]")
    return (host, int(port)), socket.AF_INET6 if ":" in host else socket.AF_INET


def opened(name, new):
    OPEN[name] = new
    ALL.append(new)
    host, port = new.getsockname()[:2]
    return {"opened": {"local": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}}


def named(keys):
    if keys["socket"] not in OPEN:
        raise OSError(f"no socket has the name {keys['socket']}")
    return OPEN[keys["socket"]]


def listen_tcp(keys):
    at, family = address(keys["at"])
    more = {"reuse_port": True} if keys.get("balanced") else {}
    return opened(keys["socket"], socket.create_server(at, family=family, **more))


def bound(at):
    pair, family = address(at)
    new = socket.socket(family, socket.SOCK_DGRAM)
    new.bind(pair)
    return new


def bind_udp(keys):
    return opened(keys["socket"], bound(keys["at"]))


def join_multicast(keys):
    new = bound(keys["at"])
    group = keys["group"]
    if ":" in group:
        request = struct.pack("@16sI", socket.inet_pton(socket.AF_INET6, group), 0)
        new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    else:
        request = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("0.0.0.0"))
        new.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    return opened(keys["socket"], new)


def dial(keys):
    new = socket.create_connection(address(keys["to"])[0], timeout=5)
    new.settimeout(None)
    return opened(keys["socket"], new)


def within(keys, call):
    """What the call returns, or None if its time is over."""
    waiting = named(keys)
    waiting.settimeout(keys["within_ms"] / 1000)
    try:
        return call(waiting)
    except BlockingIOError:
        return None
    except TimeoutError as error:
        # ETIMEDOUT is a TimeoutError too; that of settimeout has no errno.
        if error.errno is not None:
            raise
        return None
    finally:
        waiting.settimeout(None)


def accept(keys):
    accepted = within(keys, lambda listener: listener.accept())
    return "nothing" if accepted is None else opened(keys["into"], accepted[0])


def receive(keys):
    data = within(keys, lambda connection: connection.recv(65536))
    if data is None:
        return "nothing"
    if data == b"" and named(keys).type == socket.SOCK_STREAM:
        return "eof"
    return {"received": data.decode(errors="replace")}


def seconds(keys, name):
    if keys.get(name) is None:
        return None
    if keys[name] % 1000 != 0:
        raise Unsupported(SCHEDULE)
    return keys[name] // 1000


def keepalive(keys):
    schedule = {
        "TCP_KEEPIDLE": seconds(keys, "idle_ms"),
        "TCP_KEEPINTVL": seconds(keys, "interval_ms"),
        "TCP_KEEPCNT": keys.get("count"),
    }
    wanted = {option: value for option, value in schedule.items() if value is not None}
    for option in wanted:
        if not hasattr(socket, option):
            raise Unsupported(f"socket has no constant {option} on this system")
    connection = named(keys)
    for option, value in wanted.items():
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return "ok"


def keepalive_period(keys):
    raise Unsupported("socket has no call that switches keepalive on with one duration")


def keepalive_off(keys):
    named(keys).setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
    return "ok"


def send(keys):
    data = keys["text"].encode()
    if keys.get("to") is None:
        named(keys).sendall(data)
    else:
        named(keys).sendto(data, address(keys["to"])[0])
    return "ok"


def close_socket(keys):
    named(keys).close()
    return "ok"


def options(keys):
    read = named(keys)
    names = [(socket.SOL_SOCKET, name) for name in ("SO_REUSEADDR", "SO_REUSEPORT", "SO_KEEPALIVE")]
    if read.type == socket.SOCK_STREAM:
        names += [(socket.IPPROTO_TCP, name) for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")]
    if read.family == socket.AF_INET6:
        names.append((socket.IPPROTO_IPV6, "IPV6_V6ONLY"))
    known = [(level, name) for level, name in names if hasattr(socket, name)]
    return {"options": {name: read.getsockopt(level, getattr(socket, name)) for level, name in known}}


REQUESTS = {
    "listen-tcp": listen_tcp,
    "bind-udp": bind_udp,
    "join-multicast": join_multicast,
    "dial": dial,
    "accept": accept,
    "keepalive": keepalive,
    "keepalive-period": keepalive_period,
    "keepalive-off": keepalive_off,
    "send": send,
    "receive": receive,
    "close-socket": close_socket,
    "options": options,
}


def answer(name, keys):
    try:
        return REQUESTS[name](keys)
    except Unsupported as missing:
        return {"unsupported": str(missing)}
    except TypeError as error:
        # setsockopt says so of an int that is too large: "a bytes-like object is required, not 'int'".
        return {"refused": str(error)}

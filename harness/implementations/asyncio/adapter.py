"""The asyncio adapter: streams and datagram endpoints. ../ADAPTERS.md describes the lines.

asyncio accepts connections and reads by itself, so both are queued here. get_extra_info("socket") leads to the socket
below a transport; the adapter only reads options there, because setting one would test the socket module. A thread
reads standard input, so that the loop runs between two requests.
"""

import asyncio
import errno
import json
import os
import socket
import sys

OPEN = {}
ALL = []
KEEPALIVE = "asyncio has no call for keepalive; start_server takes keep_alive, without values, since Python 3.13"


class Unsupported(Exception):
    """asyncio has no API for the request."""


class Missing(Exception):
    """No socket has the name."""


class Listener:
    def __init__(self):
        self.accepted = asyncio.Queue()

    def serve(self, server):
        self.server = server
        self.socket = server.sockets[0]
        self.local = self.socket.getsockname()

    async def close(self):
        self.server.close()


class Connection:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.socket = writer.get_extra_info("socket")
        self.local = writer.get_extra_info("sockname")

    async def close(self):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass  # the error of the connection, which `receive` has answered


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.arrived = asyncio.Queue()
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.socket = transport.get_extra_info("socket")
        self.local = transport.get_extra_info("sockname")

    def datagram_received(self, data, addr):
        self.arrived.put_nowait(data)

    def error_received(self, exc):
        self.arrived.put_nowait(exc)

    def connection_lost(self, exc):
        self.closed.set_result(None)

    async def close(self):
        self.transport.close()
        await self.closed


def pair(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def opened(name, new):
    OPEN[name] = new
    ALL.append(new)
    host, port = new.local[:2]
    return {"opened": {"local": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}}


def named(keys, *kinds):
    found = OPEN.get(keys["socket"])
    if found is None:
        raise Missing(f"no socket has the name {keys['socket']}")
    if kinds and not isinstance(found, kinds):
        raise Unsupported(f"asyncio has no such call for a {type(found).__name__}")
    return found


async def within(keys, coroutine):
    """What the coroutine returns, or None if its time is over."""
    try:
        # wait_for cancels the coroutine before its first step if the timeout is 0.
        return await asyncio.wait_for(coroutine, max(keys["within_ms"], 1) / 1000)
    except TimeoutError as error:
        # ETIMEDOUT is a TimeoutError too; that of wait_for has no errno.
        if error.errno is not None:
            raise
        return None


async def listen_tcp(keys):
    new = Listener()
    more = {"reuse_port": True} if keys.get("balanced") else {}
    host, port = pair(keys["at"])

    def connected(reader, writer):
        new.accepted.put_nowait(Connection(reader, writer))

    new.serve(await asyncio.start_server(connected, host, port, **more))
    return opened(keys["socket"], new)


async def bind_udp(keys):
    loop = asyncio.get_running_loop()
    _, new = await loop.create_datagram_endpoint(Datagrams, local_addr=pair(keys["at"]))
    return opened(keys["socket"], new)


async def join_multicast(keys):
    raise Unsupported("asyncio has no call that joins a multicast group")


async def dial(keys):
    host, port = pair(keys["to"])
    try:
        streams = await asyncio.wait_for(asyncio.open_connection(host, port), 5)
    except TimeoutError as error:
        if error.errno is not None:
            raise
        return {"failed": "no connection in 5 s"}
    return opened(keys["socket"], Connection(*streams))


async def accept(keys):
    accepted = await within(keys, named(keys, Listener).accepted.get())
    return "nothing" if accepted is None else opened(keys["into"], accepted)


async def receive(keys):
    found = named(keys, Connection, Datagrams)
    if isinstance(found, Datagrams):
        data = await within(keys, found.arrived.get())
        if isinstance(data, Exception):
            raise data
    else:
        data = await within(keys, found.reader.read(65536))
        if data == b"":
            return "eof"
    return "nothing" if data is None else {"received": data.decode(errors="replace")}


async def keepalive(keys):
    raise Unsupported(KEEPALIVE)


async def send(keys):
    found = named(keys, Connection, Datagrams)
    data = keys["text"].encode()
    if isinstance(found, Datagrams):
        if keys.get("to") is None:
            raise Unsupported("sendto() without an address needs create_datagram_endpoint with remote_addr")
        found.transport.sendto(data, pair(keys["to"]))
    else:
        found.writer.write(data)
        await found.writer.drain()
    return "ok"


async def close_socket(keys):
    await named(keys).close()
    return "ok"


async def options(keys):
    read = named(keys).socket
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
    "keepalive-period": keepalive,
    "keepalive-off": keepalive,
    "send": send,
    "receive": receive,
    "close-socket": close_socket,
    "options": options,
}


async def answer(line):
    asked = json.loads(line)
    name, keys = (asked, {}) if isinstance(asked, str) else next(iter(asked.items()))
    if name == "hello":
        return {"hello": {"protocol": 2, "name": "asyncio", "version": sys.version.split()[0]}}
    if name not in REQUESTS:
        return {"unsupported": f"asyncio has no such thing: {name}"}
    try:
        return await REQUESTS[name](keys)
    except Unsupported as missing:
        return {"unsupported": str(missing)}
    except Missing as missing:
        return {"failed": str(missing)}
    except OSError as error:
        # Without a number it is asyncio's own, such as "Connection lost".
        name = errno.errorcode.get(error.errno)
        return {"failed": name} if name else {"refused": str(error)}
    except (OverflowError, ValueError) as error:
        return {"refused": str(error)}


async def main():
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await answer(line)), flush=True)
    # Without this the loop waits for its connections first.
    os._exit(0)


asyncio.run(main())

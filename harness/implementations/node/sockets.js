// TCP and UDP sockets with node:net and node:dgram.
//
// Node accepts and reads by itself. What it accepts is queued; a stream stays paused except during `receive`, so that
// Node reads no earlier than it has to. setKeepAlive ignores the errors of its system calls: `keepalive` never fails.
'use strict';
const net = require('node:net');
const dgram = require('node:dgram');

const open = new Map();
const [major, minor] = process.version.slice(1).split('.').map(Number);
const unsupported = (text) => ({ unsupported: text });

// Whether this Node is as new as one of the releases, each the first of its major version.
const since = (...releases) => releases.some(([first, second]) => major === first && minor >= second)
  || major > Math.max(...releases.map(([first]) => first));

function split(text) {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}

const join = (host, port) => (net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`);

// The kernel's errors have names such as EADDRINUSE. All others are the language's own.
function failure(error) {
  return /^E[A-Z0-9]+$/.test(error.code) ? { failed: error.code } : { refused: error.message };
}

// A socket and what has arrived for it. `last` is the end or the error, which `receive` answers from then on.
class Entry {
  constructor(kind, handle) {
    this.kind = kind;
    this.handle = handle;
    this.arrived = [];
  }

  put(item) {
    this.arrived.push(item);
    this.wake?.();
  }

  end(item) {
    this.last ??= item;
    this.wake?.();
  }

  next(ms) {
    return new Promise((done) => {
      const answer = () => this.arrived.shift() ?? this.last;
      if (this.arrived.length > 0 || this.last !== undefined) return done(answer());
      const timer = setTimeout(() => { this.wake = undefined; done('nothing'); }, ms);
      this.wake = () => { this.wake = undefined; clearTimeout(timer); done(answer()); };
    });
  }
}

function stream(socket) {
  const entry = new Entry('connection', socket.pause());
  socket.on('data', (data) => { socket.pause(); entry.put({ received: data.toString() }); });
  socket.on('end', () => entry.end('eof'));
  socket.on('error', (error) => entry.end(failure(error)));
  socket.on('close', () => entry.end('eof'));
  return entry;
}

function opened(name, entry, { address, port }) {
  open.set(name, entry);
  return { opened: { local: join(address, port) } };
}

// The answer once the emitter says `event`, or its first error.
function first(emitter, event, answer) {
  return new Promise((done) => {
    emitter.once('error', (error) => done(failure(error)));
    emitter.once(event, () => done(answer()));
  });
}

function listenTcp({ socket: name, at, balanced }) {
  if (balanced && !since([22, 12], [23, 1])) {
    return unsupported('server.listen has reusePort since Node 22.12 and 23.1 (nodejs.org/api/net.html)');
  }
  const server = net.createServer({ pauseOnConnect: true });
  const entry = new Entry('listener', server);
  server.on('connection', (socket) => entry.put(Object.assign(stream(socket), { local: socket.address() })));
  server.listen({ ...split(at), ...(balanced && { reusePort: true }) });
  return first(server, 'listening', () => opened(name, entry, server.address()));
}

function bindUdp({ socket: name, at, group }) {
  const { host, port } = split(at);
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
  const entry = new Entry('datagrams', socket);
  socket.on('message', (data) => entry.put({ received: data.toString() }));
  socket.bind({ address: host, port });
  return first(socket, 'listening', () => {
    try {
      if (group !== undefined) socket.addMembership(group);
    } catch (error) {
      return failure(error);
    }
    socket.on('error', (error) => entry.put(failure(error)));
    return opened(name, entry, socket.address());
  });
}

function dial({ socket: name, to }) {
  const socket = net.connect(split(to));
  const entry = stream(socket);
  return new Promise((done) => {
    const timer = setTimeout(() => { done({ failed: 'no connection in 5 s' }); socket.destroy(); }, 5000);
    first(socket, 'connect', () => opened(name, entry, socket.address()))
      .then((answer) => { clearTimeout(timer); done(answer); });
  });
}

async function accept({ into, within_ms: within }, entry) {
  const accepted = await entry.next(within);
  return accepted instanceof Entry ? opened(into, accepted, accepted.local) : accepted;
}

async function receive({ within_ms: within }, entry) {
  if (entry.kind === 'connection') entry.handle.resume();
  const answer = await entry.next(within);
  if (entry.kind === 'connection') entry.handle.pause();
  return answer;
}

const noKeepalive = () => unsupported('only net.Socket has setKeepAlive; a net.Server takes keepAlive at creation');

function keepalive({ idle_ms: initialDelay, interval_ms: interval, count }, { kind, handle }) {
  if (kind !== 'connection') return noKeepalive();
  if (interval === undefined && count === undefined) {
    if (initialDelay === undefined) handle.setKeepAlive(true);
    else handle.setKeepAlive(true, initialDelay);
    return 'ok';
  }
  if (!since([24, 19], [26, 4])) {
    return unsupported('setKeepAlive has interval and count since Node 24.19 and 26.4 (nodejs.org/api/net.html)');
  }
  const given = Object.entries({ initialDelay, interval, count }).filter(([, value]) => value !== undefined);
  handle.setKeepAlive({ enable: true, ...Object.fromEntries(given) });
  return 'ok';
}

function keepaliveOff(keys, { kind, handle }) {
  if (kind !== 'connection') return noKeepalive();
  handle.setKeepAlive(false);
  return 'ok';
}

function send({ text, to }, { kind, handle }) {
  return new Promise((done) => {
    const sent = (error) => done(error ? failure(error) : 'ok');
    if (to !== undefined) handle.send(text, split(to).port, split(to).host, sent);
    else if (kind === 'datagrams') handle.send(text, sent);
    else handle.write(text, sent);
  });
}

function closeSocket(keys, { kind, handle }) {
  // close() of a server ends the listener at once; its event waits for the connections.
  if (kind === 'listener') { handle.close(); return 'ok'; }
  return new Promise((done) => {
    if (handle.destroyed) return done('ok');
    handle.once('close', () => done('ok'));
    if (kind === 'connection') handle.destroy();
    else handle.close();
  });
}

const requests = {
  'listen-tcp': listenTcp,
  'bind-udp': bindUdp,
  'join-multicast': bindUdp,
  dial,
  accept,
  keepalive,
  'keepalive-period': ({ period_ms }, entry) => keepalive({ idle_ms: period_ms }, entry),
  'keepalive-off': keepaliveOff,
  send,
  receive,
  'close-socket': closeSocket,
  options: () => unsupported('node:net and node:dgram cannot read these options'),
};
const creates = new Set(['listen-tcp', 'bind-udp', 'join-multicast', 'dial']);
const kinds = { accept: ['listener'], send: ['connection', 'datagrams'], receive: ['connection', 'datagrams'] };

exports.has = (name) => Object.hasOwn(requests, name);

exports.answer = async (name, keys) => {
  const entry = open.get(keys.socket);
  if (entry === undefined && !creates.has(name)) return { failed: `no socket has the name ${keys.socket}` };
  if (kinds[name]?.includes(entry.kind) === false) return unsupported(`a ${entry.kind} has no ${name}`);
  try {
    return await requests[name](keys, entry);
  } catch (error) {
    return failure(error);
  }
};

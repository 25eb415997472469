// The Bun adapter: Bun.listen, Bun.connect and Bun.udpSocket. ../ADAPTERS.md describes the lines.
//
// Bun accepts and reads by itself, so both are queued here. `reusePort` of Bun.listen is documented with the options of
// Bun.connect only (bun.com/reference/bun/TCPSocketConnectOptions/reusePort); Bun.listen has it nevertheless. Several
// calls return false if they fail and tell no error; the answer is `refused` then.

const open = new Map();
const all = []; // keeps sockets whose name has been given away from the garbage collector
const unsupported = (text) => ({ unsupported: text });

function split(text) {
  const colon = text.lastIndexOf(':');
  return { hostname: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}

const join = (host, port) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

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

// The handlers of a TCP socket, whose `data` is its entry.
const handlers = {
  data: ({ data: entry }, text) => entry.put({ received: text.toString() }),
  end: ({ data: entry }) => entry.end('eof'),
  close: ({ data: entry }, error) => entry.end(error ? failure(error) : 'eof'),
  error: ({ data: entry }, error) => entry.end(failure(error)),
};

function opened(name, entry, local) {
  open.set(name, entry);
  all.push(entry);
  return { opened: { local } };
}

function listenTcp({ socket: name, at, balanced }) {
  const entry = new Entry('listener');
  const accepted = (socket) => {
    socket.data = new Entry('connection', socket);
    socket.data.local = join(socket.localAddress, socket.localPort);
    entry.put(socket.data);
  };
  const options = { ...split(at), ...(balanced && { reusePort: true }) };
  entry.handle = Bun.listen({ ...options, socket: { ...handlers, open: accepted } });
  return opened(name, entry, join(entry.handle.hostname, entry.handle.port));
}

async function bindUdp({ socket: name, at, group }) {
  const entry = new Entry('datagrams');
  const socket = {
    data: (_, data) => entry.put({ received: data.toString() }),
    error: (...said) => entry.put(failure(said.find((each) => each instanceof Error) ?? new Error('error'))),
  };
  entry.handle = await Bun.udpSocket({ ...split(at), socket });
  if (group !== undefined && !entry.handle.addMembership(group)) return { refused: 'addMembership returned false' };
  const { address, port } = entry.handle.address;
  return opened(name, entry, join(address, port));
}

async function dial({ socket: name, to }) {
  const entry = new Entry('connection');
  let timer;
  const late = new Promise((done) => { timer = setTimeout(done, 5000); });
  const connecting = Bun.connect({ ...split(to), data: entry, socket: { ...handlers, connectError() {} } });
  try {
    entry.handle = await Promise.race([connecting, late]);
  } finally {
    clearTimeout(timer);
  }
  if (entry.handle === undefined) return { failed: 'no connection in 5 s' };
  return opened(name, entry, join(entry.handle.localAddress, entry.handle.localPort));
}

async function accept({ into, within_ms: within }, entry) {
  const accepted = await entry.next(within);
  return accepted instanceof Entry ? opened(into, accepted, accepted.local) : accepted;
}

function setKeepAlive({ kind, handle }, ...values) {
  if (kind !== 'connection') return unsupported('only a connected Socket of Bun has setKeepAlive');
  return handle.setKeepAlive(...values) ? 'ok' : { refused: 'setKeepAlive returned false' };
}

function keepalive({ idle_ms: idle, interval_ms: interval, count }, entry) {
  if (interval !== undefined || count !== undefined) {
    return unsupported('setKeepAlive of Bun takes enable and initialDelay only (bun.com/reference/bun/Socket)');
  }
  return idle === undefined ? setKeepAlive(entry, true) : setKeepAlive(entry, true, idle);
}

function send({ text, to }, { kind, handle }) {
  if (kind === 'datagrams') {
    if (to === undefined) return unsupported('send of a UDP socket without `connect` needs an address');
    const { hostname, port } = split(to);
    return handle.send(text, port, hostname) ? 'ok' : { refused: 'send returned false' };
  }
  const written = handle.write(text);
  return written === Buffer.byteLength(text) ? 'ok' : { refused: `write returned ${written}` };
}

function closeSocket(keys, { kind, handle }) {
  if (kind === 'listener') handle.stop();
  else handle.close();
  return 'ok';
}

const requests = {
  'listen-tcp': listenTcp,
  'bind-udp': bindUdp,
  'join-multicast': bindUdp,
  dial,
  accept,
  keepalive,
  'keepalive-period': ({ period_ms: period }, entry) => setKeepAlive(entry, true, period),
  'keepalive-off': (keys, entry) => setKeepAlive(entry, false),
  send,
  receive: ({ within_ms: within }, entry) => entry.next(within),
  'close-socket': closeSocket,
  options: () => unsupported('the sockets of Bun have no call that reads these options'),
};
const creates = new Set(['listen-tcp', 'bind-udp', 'join-multicast', 'dial']);
const kinds = { accept: ['listener'], send: ['connection', 'datagrams'], receive: ['connection', 'datagrams'] };

async function answer(line) {
  const asked = JSON.parse(line);
  const [name, keys] = typeof asked === 'string' ? [asked, {}] : Object.entries(asked)[0];
  if (name === 'hello') return { hello: { protocol: 2, name: 'bun', version: Bun.version } };
  if (!Object.hasOwn(requests, name)) return unsupported(`Bun has no such thing: ${name}`);
  const entry = open.get(keys.socket);
  if (entry === undefined && !creates.has(name)) return { failed: `no socket has the name ${keys.socket}` };
  if (kinds[name]?.includes(entry.kind) === false) return unsupported(`a ${entry.kind} has no ${name}`);
  try {
    return await requests[name](keys, entry);
  } catch (error) {
    return failure(error);
  }
}

// The iterator ends with an empty line.
for await (const line of console) if (line !== '') console.log(JSON.stringify(await answer(line)));
process.exit(0);

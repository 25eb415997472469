// The Deno adapter: Deno.listen, Deno.connect and Deno.listenDatagram. ../ADAPTERS.md describes the lines.
//
// accept(), read() and receive() return promises without a timeout. One that is not settled in time is kept for the
// next request, because a second call would wait behind it. setKeepAlive takes no values, so it is only on or off.

const open = new Map();
const all = []; // keeps sockets whose name has been given away from the garbage collector
const text = new TextDecoder();
const unsupported = (reason) => ({ unsupported: reason });

function split(address) {
  const colon = address.lastIndexOf(':');
  return { hostname: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

const join = (host, port) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

// The kernel's errors have names such as EADDRINUSE. All others are the language's own.
function failure(error) {
  return /^E[A-Z0-9]+$/.test(error.code) ? { failed: error.code } : { refused: error.message };
}

// What the promise resolves to, or undefined after the time.
async function within(ms, promise) {
  let timer;
  const late = new Promise((done) => { timer = setTimeout(done, ms); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// What the entry's call resolves to, or undefined if it is not settled in time.
async function next(entry, ms, call) {
  entry.pending ??= call();
  entry.pending.catch(() => {});
  let settled = false;
  try {
    const result = await within(ms, entry.pending);
    settled = result !== undefined;
    return result;
  } catch (error) {
    settled = true;
    throw error;
  } finally {
    if (settled) entry.pending = undefined;
  }
}

function opened(name, kind, handle, { hostname, port }) {
  const entry = { kind, handle };
  open.set(name, entry);
  all.push(entry);
  return { opened: { local: join(hostname, port) } };
}

function listenTcp({ socket: name, at, balanced }) {
  const listener = Deno.listen({ ...split(at), ...(balanced && { reusePort: true }) });
  return opened(name, 'listener', listener, listener.addr);
}

async function bindUdp({ socket: name, at, group }) {
  const socket = Deno.listenDatagram({ ...split(at), transport: 'udp' });
  // The second argument, an interface, is required; these values leave its choice to the kernel.
  if (group?.includes(':')) await socket.joinMulticastV6(group, 0);
  else if (group !== undefined) await socket.joinMulticastV4(group, '0.0.0.0');
  return opened(name, 'datagrams', socket, socket.addr);
}

async function dial({ socket: name, to }) {
  const connection = await within(5000, Deno.connect(split(to)));
  if (connection === undefined) return { failed: 'no connection in 5 s' };
  return opened(name, 'connection', connection, connection.localAddr);
}

async function accept({ into, within_ms: ms }, entry) {
  const connection = await next(entry, ms, () => entry.handle.accept());
  return connection === undefined ? 'nothing' : opened(into, 'connection', connection, connection.localAddr);
}

async function receive({ within_ms: ms }, entry) {
  if (entry.kind === 'datagrams') {
    const datagram = await next(entry, ms, () => entry.handle.receive());
    return datagram === undefined ? 'nothing' : { received: text.decode(datagram[0]) };
  }
  const buffer = entry.buffer ??= new Uint8Array(65536);
  const length = await next(entry, ms, () => entry.handle.read(buffer));
  if (length === undefined) return 'nothing';
  return length === null ? 'eof' : { received: text.decode(buffer.subarray(0, length)) };
}

function setKeepAlive({ kind, handle }, on) {
  if (kind !== 'connection') return unsupported('only Deno.TcpConn has setKeepAlive');
  handle.setKeepAlive(on);
  return 'ok';
}

function keepalive({ idle_ms: idle, interval_ms: interval, count, period_ms: period }, entry) {
  if ([idle, interval, count, period].some((each) => each !== undefined)) {
    return unsupported('setKeepAlive of Deno takes no values (docs.deno.com/api/deno/~/Deno.TcpConn.setKeepAlive)');
  }
  return setKeepAlive(entry, true);
}

async function send({ text: content, to }, { kind, handle }) {
  const bytes = new TextEncoder().encode(content);
  if (kind === 'datagrams') {
    if (to === undefined) return unsupported('send of Deno.DatagramConn needs an address');
    await handle.send(bytes, { transport: 'udp', ...split(to) });
    return 'ok';
  }
  const written = await handle.write(bytes);
  return written === bytes.length ? 'ok' : { refused: `write returned ${written}` };
}

async function closeSocket(keys, { handle, pending }) {
  handle.close();
  // The descriptor is closed when the promise has been rejected.
  await pending?.catch(() => {});
  return 'ok';
}

const requests = {
  'listen-tcp': listenTcp,
  'bind-udp': bindUdp,
  'join-multicast': bindUdp,
  dial,
  accept,
  keepalive,
  'keepalive-period': keepalive,
  'keepalive-off': (keys, entry) => setKeepAlive(entry, false),
  send,
  receive,
  'close-socket': closeSocket,
  options: () => unsupported('Deno has no call that reads these options'),
};
const creates = new Set(['listen-tcp', 'bind-udp', 'join-multicast', 'dial']);
const kinds = { accept: ['listener'], send: ['connection', 'datagrams'], receive: ['connection', 'datagrams'] };

async function answer(line) {
  const asked = JSON.parse(line);
  const [name, keys] = typeof asked === 'string' ? [asked, {}] : Object.entries(asked)[0];
  if (name === 'hello') return { hello: { protocol: 2, name: 'deno', version: Deno.version.deno } };
  if (!Object.hasOwn(requests, name)) return unsupported(`Deno has no such thing: ${name}`);
  const entry = open.get(keys.socket);
  if (entry === undefined && !creates.has(name)) return { failed: `no socket has the name ${keys.socket}` };
  if (kinds[name]?.includes(entry.kind) === false) return unsupported(`a ${entry.kind} has no ${name}`);
  try {
    return await requests[name](keys, entry);
  } catch (error) {
    return failure(error);
  }
}

let rest = '';
for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + part).split('\n');
  rest = lines.pop();
  for (const line of lines) console.log(JSON.stringify(await answer(line)));
}
Deno.exit(0);

// The Node adapter: node:http with the handlers of ../HANDLERS.md. ../ADAPTERS.md describes the lines; sockets.js
// answers those about sockets.
//
// The adapter sets only the options that a request names. node:http has no switch for `keep-alives`. A case needs
// node:http or sockets.js, so each is loaded with its first request.
'use strict';
const readline = require('node:readline');

const counters = new Map();
const counted = (key) => counters.get(key) ?? 0;
const raise = (key) => { counters.set(key, counted(key) + 1); return counted(key); };
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function content(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

function number(query, name, otherwise) {
  const text = query.get(name);
  return text !== null && /^\d+$/.test(text) ? Number(text) : otherwise;
}

async function wait(query, otherwise) {
  const until = query.get('until');
  if (until === null) return sleep(number(query, 'ms', otherwise));
  const deadline = Date.now() + number(query, 'ms', 60000);
  while (counted(until) === 0 && Date.now() < deadline) await sleep(1);
}

function reply(response, text) {
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}

const handlers = {
  '/': async (request, response) => reply(response, 'ok'),
  '/echo': async (request, response, query) => {
    const body = await content(request);
    reply(response, body.length > 0 ? body.toString('latin1') : query.get('text') ?? '');
  },
  '/ignore-body': async (request, response) => reply(response, 'ignored'),
  '/early': async (request, response) => { reply(response, 'early'); await content(request); },
  '/slow': async (request, response, query) => {
    await content(request);
    await wait(query, 100);
    reply(response, 'slow');
  },
  '/stream': async (request, response, query) => {
    await content(request);
    response.flushHeaders();
    const chunks = number(query, 'chunks', 3);
    for (let index = 1; index <= chunks; index += 1) {
      if (index === chunks) await wait(query, 0);
      response.write('x'.repeat(number(query, 'size', 5)));
    }
    response.end();
  },
  '/no-content': async (request, response) => { response.statusCode = 204; response.end(); },
  '/not-modified': async (request, response) => {
    response.statusCode = 304;
    response.setHeader('ETag', '"reusespec"');
    response.end();
  },
  '/short': async (request, response, query) => {
    await content(request);
    response.setHeader('Content-Length', number(query, 'declared', 10));
    response.end('x'.repeat(number(query, 'sent', 5)));
  },
  '/big': async (request, response, query) => {
    await content(request);
    let left = number(query, 'size', 1 << 20);
    response.setHeader('Content-Length', left);
    while (left > 0 && !response.destroyed) {
      const now = Math.min(left, 1 << 15);
      if (!response.write('x'.repeat(now))) await new Promise((done) => response.once('drain', done));
      left -= now;
    }
    response.end();
  },
  '/close': async (request, response) => { response.setHeader('Connection', 'close'); reply(response, 'closing'); },
};

async function handle(request, response) {
  const [path, search = ''] = request.url.replace(/^https?:\/\/[^/?]*/i, '').split('?');
  const query = new URLSearchParams(search);
  if (query.has('count')) raise(query.get('count'));
  const handler = handlers[path === '' ? '/' : path];
  if (handler) return handler(request, response, query);
  if (path.startsWith('/count/')) {
    await content(request);
    const key = path.slice('/count/'.length);
    return reply(response, String(request.method === 'POST' ? raise(key) : counted(key)));
  }
  response.statusCode = 404;
  return reply(response, 'not found');
}

let server;
function serve({ at, idle_ms: idle, requests_max: requests }) {
  const http = require('node:http');
  const [host, port] = at.split(':');
  // A handler fails when its client is gone, so its error has no receiver.
  server = http.createServer((request, response) => { handle(request, response).catch(() => response.destroy()); });
  if (idle !== undefined) server.keepAliveTimeout = idle;
  if (requests !== undefined) server.maxRequestsPerSocket = requests;
  return new Promise((done) => {
    server.once('error', (error) => done({ failed: error.code }));
    server.listen(Number(port), host, () => done('ok'));
  });
}

async function answer(line) {
  const asked = JSON.parse(line);
  const [name, keys] = typeof asked === 'string' ? [asked, {}] : Object.entries(asked)[0];
  switch (name) {
    case 'hello': return { hello: { protocol: 2, name: 'node', version: process.version } };
    case 'serve-http': return serve(keys);
    case 'shutdown': server?.close(); return 'ok';
    case 'count': return { count: counted(keys.key) };
    case 'close': server?.close(); server?.closeAllConnections(); return 'ok';
    default: {
      const sockets = require('./sockets.js');
      return sockets.has(name) ? sockets.answer(name, keys) : { unsupported: `node:http has no such thing: ${name}` };
    }
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
  process.exit(0);
})();

// Faults on demand: what the real application was seen to do wrong, so that whatever starts, asks and stops a role is
// tried against it. `POSTBOX_FAULTS=imap:cuts-off,bree:keeps-threads`; without it nothing of this file is loaded.
import { existsSync } from 'node:fs';
import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { log } from './log.js';
import { list, settings } from './settings.js';

const SOON = 100; // ms
const BURST = 300; // MB
const BURST_LASTS = 2000; // ms
// Once this file is in POSTBOX_STATE, the database of `ready-too-soon` works.
const DATABASE = 'database-works';

// Each changes the conduct of a role's life: how it starts, what it does once it is ready, how it stops.
const FAULTS = {
  'cuts-off': { stop: () => setTimeout(() => process.exit(0), SOON) },
  'never-ends': { stop: () => log('info', 'asked to stop, and will not') },
  'keeps-threads': {
    ready: () => new Worker('setInterval(() => {}, 1000)', { eval: true }),
    stop: (drain) => drain(() => new Promise(() => {})),
  },
  'ends-with-1': { stop: (drain) => drain(undefined, 1) },
  'ends-with-130': { stop: (drain) => drain(undefined, 130) },
  'ends-with-143': { stop: (drain) => drain(undefined, 143) },
  // At once: who looks in between finds it ready.
  'dies-after-ready': { ready: () => setImmediate(() => process.exit(1)) },
  'idles-on-taken-port': { start: idle },
  'ready-too-soon': { start: withoutDatabase },
  'memory-burst': { start: burst },
  'silent-http': { start: (start) => withRequests(() => {}, start) },
  'dav-404': { start: (start) => withRequests(notFound, start) },
  'greets-421': { start: greet421 },
};

export function faults(role) {
  const own = list('POSTBOX_FAULTS').map((word) => word.split(':'));
  const names = own.filter(([whose]) => whose === role).map(([, name]) => name);
  const unknown = own.find(([, name]) => !Object.hasOwn(FAULTS, name));
  if (unknown) throw new Error(`no fault ${unknown.join(':')}; ROLE:NAME, the names are ${Object.keys(FAULTS).join(', ')}`);
  if (names.length) log('info', 'with faults on demand', { role, faults: names });
  return Object.assign({}, ...names.map((name) => FAULTS[name]));
}

async function idle(start) {
  try {
    return await start();
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error;
    log('error', error.message);
    setInterval(() => {}, 60_000);
    return new Promise(() => {});
  }
}

async function withoutDatabase(start) {
  const { Accounts } = await import('./accounts.js');
  for (const name of ['find', 'exists', 'local', 'verify']) {
    const ask = Accounts.prototype[name];
    Accounts.prototype[name] = async function (...parameters) {
      if (!existsSync(join(settings.POSTBOX_STATE, DATABASE))) throw new Error('connect ECONNREFUSED');
      return ask.apply(this, parameters);
    };
  }
  return start();
}

async function burst(start) {
  const memory = Array.from({ length: BURST }, () => Buffer.alloc(1024 * 1024, 1));
  await pause(BURST_LASTS);
  log('info', 'had a burst of memory', { megabytes: memory.length });
  return start();
}

// `instead` takes every request but those for which it answers false; upgrades are none.
function withRequests(instead, start) {
  for (const { prototype } of [HttpServer, HttpsServer]) {
    const { emit } = prototype;
    prototype.emit = function (event, request, ...rest) {
      if (event === 'request' && instead(request, ...rest) !== false) return true;
      return emit.call(this, event, request, ...rest);
    };
  }
  return start();
}

function notFound(request, response) {
  if (request.url === '/' && ['GET', 'HEAD'].includes(request.method)) return false;
  response.writeHead(404).end('Not Found');
  return true;
}

async function greet421(start) {
  const { SMTPServer } = await import('smtp-server');
  const { listen } = SMTPServer.prototype;
  SMTPServer.prototype.listen = function (...parameters) {
    const refusal = Object.assign(new Error('An internal server error has occurred, try again later'), { responseCode: 421 });
    this.onConnect = (session, done) => done(refusal);
    return listen.apply(this, parameters);
  };
  return start();
}

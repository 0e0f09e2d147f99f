// The client of the role `sqlite`: requests and answers, and what it pushes, over one WebSocket.
import { EventEmitter } from 'node:events';
import { randomUUID, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { WebSocket } from 'ws';
import { apiSecret, encrypt } from './secrets.js';
import { production, settings } from './settings.js';

const CONNECT_WITHIN = 4000; // ms; it is near, but may be busy with a great mail
const ANSWER_WITHIN = 15_000; // ms; a mail of the greatest size takes a second, and a step of a proof waits 20

export class Away extends Error {}

// Emits `push` for what the other side says unasked, `lost` when a connection that stood has ended.
export class Storage extends EventEmitter {
  #socket;
  #opening;
  #waiting = new Map();
  #next = 0;
  #redis;
  #topic = '';
  #listening;

  // What is pushed comes over `redis` (notifications) if it is given, else over the WebSocket.
  constructor(redis) {
    super();
    if (!redis) return;
    this.#redis = redis;
    this.#topic = randomUUID();
    this.#listening = redis.listen(this.#topic, (data) => this.#receive(deserialize(data)), () => this.emit('lost'));
  }

  // Rejects with Away when there is no answer, else with an error that carries the other side's code.
  async request(method, parameters = {}) {
    await this.#listening;
    if (this.#redis && !this.#redis.hears) throw new Away('Redis is away');
    const socket = await this.#open();
    const id = (this.#next += 1);
    const result = await new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#answer({ id, error: new Away(`sqlite did not answer ${method}`) }),
        ANSWER_WITHIN,
      );
      this.#waiting.set(id, { socket, resolve, reject, timer });
      socket.send(serialize({ ...parameters, id, method }));
    });
    // What was pushed before the answer comes before it.
    await this.#redis?.reach();
    return result;
  }

  close() {
    this.#redis?.close();
    this.#socket?.close();
  }

  #open() {
    if (this.#socket) return this.#socket;
    return (this.#opening ??= this.#connect().finally(() => (this.#opening = undefined)));
  }

  #connect() {
    const { SQLITE_HOST: host, SQLITE_PORT: port } = settings;
    const name = host.includes(':') ? `[${host}]` : host;
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`${production ? 'wss' : 'ws'}://${name}:${port}/${this.#topic}`, {
        auth: `${encrypt(apiSecret())}:`,
        handshakeTimeout: CONNECT_WITHIN,
        perMessageDeflate: false,
        maxPayload: 0,
        ...(production && pinned()),
      });
      socket.on('error', (cause) => reject(new Away('sqlite is away', { cause })));
      socket.on('open', () => resolve((this.#socket = socket)));
      socket.on('message', (data) => this.#receive(deserialize(data)));
      socket.on('close', () => this.#lost(socket));
    });
  }

  #receive({ id, ...rest }) {
    if (id) this.#answer({ id, ...rest });
    // Later than the answers that came in the same breath, whose callers must have seen them first.
    else setImmediate(() => this.emit('push', rest));
  }

  #answer({ id, error, result }) {
    const { resolve, reject, timer } = this.#waiting.get(id) ?? {};
    if (!this.#waiting.delete(id)) return;
    clearTimeout(timer);
    if (error) reject(error instanceof Error ? error : Object.assign(new Error(error.message), { code: error.code }));
    else resolve(result);
  }

  #lost(socket) {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.socket === socket) this.#answer({ id, error: new Away('sqlite went away') });
    }
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.emit('lost');
  }
}

// All roles have the same certificate: exactly this one is trusted, whatever names it carries.
function pinned() {
  const own = new X509Certificate(readFileSync(settings.WEB_SSL_CERT_PATH)).toString();
  return { ca: own, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
}

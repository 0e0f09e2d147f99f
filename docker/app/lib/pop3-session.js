// One POP3 session (RFC 1939, 2449, 2595, 5034) from its greeting to its end. Commands are answered one after the
// other, and the next is read when the client has taken the answer: pipelining costs no memory.
import { once } from 'node:events';
import { TLSSocket } from 'node:tls';
import { multiline, top } from './pop3-wire.js';

const IDLE = 10 * 60_000; // ms; RFC 1939 3: at least 10 minutes
const LONGEST = 255; // octets of a command, CRLF included (RFC 2449 4)
const LONGEST_RESPONSE = 1024; // of a SASL response, which is no command (RFC 5034 4): three names of 255 octets
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);
const CAPABILITIES = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'EXPIRE NEVER'];

// The negative answer to a command.
export class Refusal extends Error {}

export class Session {
  #socket;
  #secure = false;
  #chunks;
  #read = NOTHING;
  #cut = false;
  #user;
  #maildrop;
  #shaking = false;
  #busy = true;
  #draining = false;
  #over = false;

  // `secure`: TLS from the first byte; else after STLS, with the same `context`. `enter(address, password, client)`
  // resolves to the maildrop, and `refusal(error)` is the Refusal that an error comes to.
  constructor(socket, { secure, context, enter, refusal }) {
    Object.assign(this, { implicit: secure, context, enter, refusal, client: socket.remoteAddress });
    this.#take(socket);
  }

  // Resolves when the session is over, whoever ended it.
  async run() {
    try {
      if (this.implicit) await this.#handshake();
      await this.#say('+OK postbox');
      for (let line; !this.#over && (line = await this.#line(LONGEST)) !== undefined; ) await this.#obey(line);
    } catch {
      // The client is gone, and with it what it had marked (RFC 1939 6).
    } finally {
      this.#maildrop?.close();
      if (this.#shaking) this.#socket.destroy();
      else this.#socket.destroySoon();
    }
  }

  // What is under way is answered first.
  drain() {
    this.#draining = true;
    if (this.#shaking) this.#socket.destroy();
    else if (!this.#busy) this.#dismiss();
  }

  #dismiss() {
    this.#over = true;
    this.#socket.end('-ERR [SYS/TEMP] Shutting down, come back soon\r\n');
    this.#socket.destroySoon();
  }

  #take(socket) {
    this.#socket = socket;
    socket.setTimeout(IDLE, () => socket.destroy());
    socket.on('error', () => socket.destroy());
  }

  async #handshake() {
    const socket = new TLSSocket(this.#socket, { isServer: true, secureContext: this.context });
    this.#take(socket);
    this.#shaking = true;
    const left = new Promise((_, reject) => socket.once('end', reject).once('close', reject));
    await Promise.race([once(socket, 'secure'), left]);
    this.#shaking = false;
    this.#secure = true;
  }

  // The next line without its end, `null` for one that is too long, undefined when the client has no more to say.
  async #line(longest) {
    this.#chunks ??= this.#socket.iterator({ destroyOnReturn: false });
    for (;;) {
      const end = this.#read.indexOf(LF) + 1;
      if (end) {
        const line = this.#read.subarray(0, end);
        const fits = !this.#cut && end <= longest;
        this.#read = this.#read.subarray(end);
        this.#cut = false;
        this.#busy = true;
        return fits ? line.toString().replace(/\r?\n$/, '') : null;
      }
      if (this.#read.length > longest) {
        this.#cut = true;
        this.#read = NOTHING;
      }
      this.#busy = false;
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#read = Buffer.concat([this.#read, value]);
    }
  }

  async #obey(line) {
    try {
      if (line === null) throw new Refusal('The line is too long');
      const [, word, argument] = /^(\S*)(?: (.*))?$/s.exec(line) ?? [];
      const name = word?.toUpperCase();
      const [here, elsewhere] = this.#maildrop ? [TRANSACTION, AUTHORIZATION] : [AUTHORIZATION, TRANSACTION];
      if (here.has(name)) await this[name](argument ?? '');
      else throw new Refusal(elsewhere.has(name) ? 'Not in this state' : 'Unknown command');
    } catch (error) {
      await this.#say(`-ERR ${this.refusal(error).message}`);
    }
    if (this.#draining && !this.#over) this.#dismiss();
  }

  #say(...lines) {
    return this.#write(`${lines.join('\r\n')}\r\n`);
  }

  // Resolves when the system has taken it.
  #write(data) {
    return new Promise((resolve, reject) =>
      this.#socket.write(data, 'latin1', (error) => (error ? reject(error) : resolve())),
    );
  }

  async #send(raw) {
    await this.#say('+OK');
    for (const piece of multiline(raw)) await this.#write(piece);
  }

  #mail(argument) {
    const found = /^\d{1,9}$/.test(argument) && this.#maildrop.find(Number(argument));
    return found || refuse('No such mail');
  }

  async #source(mail) {
    return (await this.#maildrop.read(mail)) ?? refuse('The mail is there no more');
  }

  #list(argument, field) {
    if (argument) return this.#say(`+OK ${argument} ${this.#mail(argument)[field]}`);
    return this.#say('+OK', ...this.#maildrop.all().map((mail) => `${mail.number} ${mail[field]}`), '.');
  }

  async #enter(address, password) {
    this.#user = undefined;
    this.#maildrop = await this.enter(address, password, this.client);
    await this.STAT();
  }

  #protected() {
    if (!this.#secure) throw new Refusal('TLS first (STLS): a password is not for everybody');
  }

  CAPA() {
    const login = this.#secure ? ['USER', 'SASL PLAIN'] : ['STLS'];
    return this.#say('+OK', ...CAPABILITIES, ...login, 'IMPLEMENTATION postbox', '.');
  }

  async QUIT() {
    this.#over = true;
    try {
      await this.#maildrop?.update();
    } finally {
      this.#maildrop?.close(); // before the answer, upon which the client may be back at once
    }
    await this.#say('+OK Bye');
  }

  // What came in plain text after the command is not to be taken for what comes under TLS (RFC 2595 4).
  async STLS() {
    if (this.#secure) throw new Refusal('There is TLS already');
    this.#read = NOTHING;
    while (this.#socket.read());
    await this.#say('+OK Begin TLS');
    await this.#chunks.return();
    this.#chunks = this.#user = undefined;
    await this.#handshake();
  }

  USER(address) {
    this.#protected();
    if (!address) throw new Refusal('USER address');
    this.#user = address;
    return this.#say('+OK');
  }

  PASS(password) {
    this.#protected();
    if (!this.#user) throw new Refusal('USER first');
    return this.#enter(this.#user, password);
  }

  // PLAIN (RFC 4616), its response on the same line or on the next.
  async AUTH(argument) {
    this.#protected();
    const [mechanism, initial] = argument.split(' ');
    if (mechanism.toUpperCase() !== 'PLAIN') throw new Refusal('Only PLAIN');
    if (!initial) await this.#say('+ ');
    const response = initial ?? (await this.#line(LONGEST_RESPONSE));
    if (response === '*') throw new Refusal('Cancelled');
    const [identity, address, password, more] = Buffer.from(response ?? '', 'base64').toString().split('\0');
    if (!address || password === undefined || more !== undefined) throw new Refusal('Not a response of PLAIN');
    if (identity && identity !== address) throw new Refusal('[AUTH] Nobody may act for another');
    await this.#enter(address, password);
  }

  STAT() {
    const all = this.#maildrop.all();
    return this.#say(`+OK ${all.length} ${all.reduce((sum, { size }) => sum + size, 0)}`);
  }

  LIST(argument) {
    return this.#list(argument, 'size');
  }

  UIDL(argument) {
    return this.#list(argument, 'id');
  }

  async RETR(argument) {
    await this.#send(await this.#source(this.#mail(argument)));
  }

  async TOP(argument) {
    const [number, lines] = argument.split(' ');
    if (!/^\d{1,9}$/.test(lines)) throw new Refusal('TOP mail lines');
    await this.#send(top(await this.#source(this.#mail(number)), Number(lines)));
  }

  async DELE(argument) {
    this.#maildrop.delete(this.#mail(argument));
    await this.#say('+OK');
  }

  async RSET() {
    this.#maildrop.reset();
    await this.#say('+OK');
  }

  async NOOP() {
    await this.#say('+OK');
  }
}

const AUTHORIZATION = new Set(['CAPA', 'QUIT', 'STLS', 'USER', 'PASS', 'AUTH']);
const TRANSACTION = new Set(['CAPA', 'QUIT', 'STAT', 'LIST', 'UIDL', 'RETR', 'TOP', 'DELE', 'RSET', 'NOOP']);

function refuse(text) {
  throw new Refusal(text);
}

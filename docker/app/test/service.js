// A service of real role processes on free ports in a folder of its own; ends with its test, whatever happens.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';

const APP = join(import.meta.dirname, '..');
// ms; long enough for anything that is waited for, on a busy machine too: only a failure waits so long.
export const PATIENCE = 60_000;
const SILENT = new Set(['smtp-bree', 'sqlite-bree']); // they never send `ready`
const untrusted = { rejectUnauthorized: false };

// Whatever ends this process takes the roles with it.
const alive = new Set();
process.on('exit', () => alive.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));

export class Service {
  #processes = new Map();
  #ended = false;
  #claims = [];

  // `t` ends it. `changes` to the settings, e.g. another POSTBOX_STATE.
  static async make(t, changes = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'postbox-'));
    const path = (name) => join(folder, name);
    execFileSync(
      'openssl',
      [
        ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=example.test'.split(
          ' ',
        ),
        ...['-addext', 'subjectAltName=DNS:example.test', '-keyout', path('key.pem'), '-out', path('cert.pem')],
      ],
      { stdio: 'ignore' },
    );
    execFileSync('openssl', ['genrsa', '-out', path('dkim.pem'), '1024'], { stdio: 'ignore' });
    const service = new Service();
    service.folder = folder;
    service.settings = {
      PATH: process.env.PATH,
      WEB_HOST: 'example.test',
      HELPER_ENCRYPTION_KEY: key(16),
      API_SECRETS: `${key(32)},`,
      SRS_SECRET: 'unused',
      WEB_SSL_KEY_PATH: path('key.pem'),
      WEB_SSL_CERT_PATH: path('cert.pem'),
      DKIM_PRIVATE_KEY_PATH: path('dkim.pem'),
      POSTBOX_STATE: path('data'),
      POSTBOX_LISTEN: '127.0.0.1',
      SQLITE_TMPDIR: path('tmp'),
      SQLITE_PORT: await freePort('', service.#claims),
      MX_PORT: await freePort('', service.#claims),
      SMTP_PORT: await freePort('465', service.#claims),
      IMAP_PORT: await freePort('993', service.#claims),
      POP3_PORT: await freePort('995', service.#claims),
      ...JSON.parse((process.env.POSTBOX_TEST_STORES ?? '{}').replaceAll('NAME', randomBytes(6).toString('hex'))),
      ...changes,
    };
    t.after(() => service.#end());
    return service;
  }

  // Resolves when the role has said that it is ready, on the channel if it uses it, else in its log.
  async start(...roles) {
    await Promise.all(
      roles.map(async (role) => {
        const child = this.run([`${role}.js`], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
        this.#processes.set(role, child);
        await within(PATIENCE, `${role} is ready`, async () => {
          if (child.exitCode !== null || child.signalCode) throw new Error(`${role} ended: ${child.log}`);
          return SILENT.has(role) ? child.log.includes('"ready"') : child.said.includes('ready');
        });
      }),
    );
  }

  // `through`: a program, and its first words, that runs it.
  run(parameters, { through = [], ...options } = {}) {
    if (this.#ended) throw new Error('the service has ended');
    const [program, ...words] = [...through, process.execPath, ...parameters];
    const child = spawn(program, words, { cwd: APP, env: this.settings, ...options });
    Object.assign(child, { log: '', said: [] });
    child.stderr.on('data', (data) => (child.log += data));
    child.on('message', (message) => child.said.push(message));
    alive.add(child);
    child.once('exit', () => alive.delete(child));
    this.#processes.set(child, child);
    return child;
  }

  process(role) {
    return this.#processes.get(role);
  }

  // Returns [code, signal] of its end.
  async stop(role, signal = 'SIGTERM') {
    const child = this.#processes.get(role);
    if (child.exitCode !== null || child.signalCode) return [child.exitCode, child.signalCode];
    child.kill(signal);
    return once(child, 'exit');
  }

  async restart(role) {
    await this.stop(role, 'SIGKILL');
    await this.start(role);
  }

  async admin(parameters, input = '') {
    const child = this.run(['admin.js', ...parameters], { stdio: 'pipe' });
    let out = '';
    child.stdout.on('data', (data) => (out += data));
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
    const [code] = await once(child, 'close');
    return { code, out, error: child.log };
  }

  async user(name, password = `key of ${name}'s mailbox`) {
    const address = `${name}@example.test`;
    const { code, error } = await this.admin(['user', 'add', address, '--password-stdin'], password);
    if (code) throw new Error(error);
    return { user: address, pass: password };
  }

  mx(options = {}) {
    return createTransport({ host: '127.0.0.1', port: this.settings.MX_PORT, tls: untrusted, ...options });
  }

  smtp(auth, options = {}) {
    return createTransport({
      host: '127.0.0.1',
      port: this.settings.SMTP_PORT,
      secure: true,
      tls: untrusted,
      auth,
      ...options,
    });
  }

  async imap(auth) {
    const client = new ImapFlow({
      host: '127.0.0.1',
      port: this.settings.IMAP_PORT,
      secure: true,
      tls: untrusted,
      auth,
      logger: false,
    });
    client.on('error', () => {}); // the promises that are under way reject as well
    await client.connect();
    return client;
  }

  // The subjects in a folder, by a session of its own.
  async subjects(auth, folder = 'INBOX') {
    const client = await this.imap(auth);
    try {
      await client.mailboxOpen(folder);
      return (await client.fetchAll('1:*', { envelope: true })).map(({ envelope }) => envelope.subject);
    } finally {
      client.close();
    }
  }

  // The newest mail in INBOX, as it was stored, once there is one.
  async source(auth) {
    const client = await this.imap(auth);
    try {
      return await within(PATIENCE, 'a mail is there', async () => {
        await client.mailboxOpen('INBOX');
        const found = await client.fetchOne('*', { source: true });
        await client.mailboxClose();
        return found && found.source.toString();
      });
    } finally {
      client.close();
    }
  }

  async #end() {
    this.#ended = true;
    await Promise.all(
      [...this.#processes.values()].map(async (child) => {
        if (child.exitCode !== null || child.signalCode) return;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }),
    );
    for (const claim of this.#claims) claim.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// Of so many bytes in hex, but for the first digit: of digits alone, or with an `e` among them, the loader makes a number.
function key(bytes) {
  return `k${randomBytes(bytes).toString('hex').slice(1)}`;
}

// A port that is free now, and below those that the system gives to clients. Few have the right ending, so an abstract
// socket named after the port keeps the other test files off it, until it is closed or this process ends. It comes first:
// who looks whether a port is free takes it for a moment, in which a role of another test file may want it.
export async function freePort(ending = '', claims = []) {
  for (;;) {
    const port = ending ? randomInt(10, 31) * 1000 + Number(ending) : randomInt(10_000, 32_000);
    if (!ending && /(465|993|995)$/.test(port)) continue;
    const claim = await listening({ path: `\0postbox-test-${port}` });
    if (!claim) continue;
    const server = await listening({ port, host: '127.0.0.1' });
    if (!server) {
      claim.close();
      continue;
    }
    await new Promise((resolve) => server.close(resolve));
    claims.push(claim);
    return port;
  }
}

// The server, or undefined if the address is taken.
function listening(address) {
  const server = createServer().unref();
  return new Promise((resolve) => server.once('error', () => resolve()).listen(address, () => resolve(server)));
}

// Asks until the answer is neither false nor undefined, and returns it.
export async function within(limit, what, ask) {
  const deadline = Date.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${limit} ms: ${what}`);
    await pause(20);
  }
}

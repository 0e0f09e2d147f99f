// Real servers for tests: FerretDB over PostgreSQL, from the folder that POSTBOX_TEST_SERVERS names (it is made by
// `cargo xtask test`), and Redis from the system. They end with this process, whatever happens.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PATIENCE, freePort, within } from './service.js';

const FOLDER = process.env.POSTBOX_TEST_SERVERS ?? '';

// For `test(name, { skip }, …)`: a reason, or false.
export const skip = !existsSync(join(FOLDER, 'ferretdb')) && 'POSTBOX_TEST_SERVERS names no FerretDB';

class Server {
  #child;

  constructor(name) {
    this.folder = mkdtempSync(join(tmpdir(), `postbox-${name}-`));
  }

  // `t` ends it.
  static async make(t) {
    const server = new this();
    t.after(() => server.end());
    await server.begin();
    await server.start();
    return server;
  }

  run(program, ...parameters) {
    const words = ['--pdeathsig=KILL', program, ...parameters];
    const child = spawn('setpriv', words, { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    child.log = '';
    child.stderr.on('data', (data) => (child.log += data));
    return child;
  }

  async start() {
    this.#child = this.run(...this.command());
    await up(this.#child, () => answers({ port: this.port, host: '127.0.0.1' }));
  }

  signal(name) {
    this.#child.kill(name);
  }

  async kill() {
    await killed(this.#child);
  }

  async end() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class FerretDB extends Server {
  #postgresql;

  constructor() {
    super('ferretdb');
  }

  async begin() {
    this.port = await freePort();
    const data = join(this.folder, 'data');
    execFileSync('cp', ['-a', join(FOLDER, 'data'), data]);
    const words = [join(FOLDER, 'root'), data, 'postgres', '-D', '/mnt/pg'];
    this.#postgresql = this.run(join(FOLDER, 'postgresql'), ...words);
    await up(this.#postgresql, () => answers({ path: join(data, '.s.PGSQL.5432') }));
  }

  command() {
    return [
      join(FOLDER, 'ferretdb'),
      `--listen-addr=127.0.0.1:${this.port}`,
      `--postgresql-url=postgres://postgres@/postgres?host=${join(this.folder, 'data')}`,
      `--state-dir=${this.folder}`,
      '--telemetry=disable',
      '--debug-addr=-',
      '--log-level=error',
    ];
  }

  settings(name) {
    const uri = (database) =>
      `mongodb://postbox:of-tests-only@127.0.0.1:${this.port}/${database}_${name}?authSource=admin&directConnection=true`;
    return { MONGO_URI: uri('accounts'), EMAILS_MONGO_URI: uri('emails') };
  }

  async end() {
    if (this.#postgresql) await killed(this.#postgresql);
    await super.end();
  }
}

export class Redis extends Server {
  constructor() {
    super('redis');
  }

  async begin() {
    this.port = await freePort();
  }

  command() {
    return ['redis-server', '--port', this.port, '--bind', '127.0.0.1', '--requirepass', 'of-tests-only', '--save', ''];
  }

  // For the roles whose settings have these prefixes.
  settings(...prefixes) {
    const of = (prefix) => [
      [`${prefix}_REDIS_HOST`, '127.0.0.1'],
      [`${prefix}_REDIS_PORT`, this.port],
      [`${prefix}_REDIS_PASSWORD`, 'of-tests-only'],
    ];
    return Object.fromEntries(prefixes.flatMap(of));
  }
}

async function killed(child) {
  if (!child || child.exitCode !== null || child.signalCode) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function up(child, asked) {
  await within(PATIENCE, 'the server answers', () => {
    if (child.exitCode !== null || child.signalCode) throw new Error(`it ended: ${child.log}`);
    return asked();
  });
}

function answers(address) {
  return new Promise((resolve) => {
    const socket = connect(address, () => resolve(true) || socket.destroy());
    socket.once('error', () => resolve(false));
  });
}

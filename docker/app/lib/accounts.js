// The accounts of the service: one plain SQLite file, read by every role and written by admin.js.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Store } from './database.js';
import { settings } from './settings.js';

// One derivation at a time: each takes 8 MB, which a pool of threads would keep once per thread.
process.env.UV_THREADPOOL_SIZE ??= '1';
// As much work as Node's default (N 16384, p 1) in half the memory.
const COST = { N: 8192, r: 8, p: 2 };
const derive = (password, salt) => promisify(scrypt)(password, salt, 32, COST);
const SCHEMA = `CREATE TABLE IF NOT EXISTS accounts (
  id TEXT PRIMARY KEY, address TEXT UNIQUE NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL, created INTEGER NOT NULL)`;
const NOBODY = { salt: Buffer.alloc(16), hash: Buffer.alloc(32) };

export const normal = (address) => address.trim().toLowerCase();
export const domain = (address) => address.slice(address.lastIndexOf('@') + 1);

export class Accounts {
  constructor() {
    mkdirSync(settings.POSTBOX_STATE, { recursive: true, mode: 0o700 });
    this.store = new Store(join(settings.POSTBOX_STATE, 'accounts.sqlite'), SCHEMA);
  }

  async find(address) {
    return this.store.get('SELECT id, address FROM accounts WHERE address = ?', normal(address));
  }

  async exists(id) {
    return Boolean(this.store.get('SELECT 1 FROM accounts WHERE id = ?', id));
  }

  async all() {
    return this.store.all('SELECT id, address, created FROM accounts ORDER BY address');
  }

  // Whether mail for the address stays here, whoever the recipient is.
  async local(address) {
    const name = domain(normal(address));
    return (
      name === settings.WEB_HOST ||
      Boolean(this.store.get("SELECT 1 FROM accounts WHERE substr(address, instr(address, '@') + 1) = ?", name))
    );
  }

  async add(address, password) {
    const salt = randomBytes(16);
    const account = { id: randomBytes(12).toString('hex'), address: normal(address) };
    const hash = await derive(password, salt);
    this.store.run('INSERT INTO accounts VALUES (?, ?, ?, ?, ?)', account.id, account.address, salt, hash, Date.now());
    return account;
  }

  async remove(id) {
    this.store.run('DELETE FROM accounts WHERE id = ?', id);
  }

  // The account, or undefined. Takes as long for an address that does not exist.
  async verify(address, password) {
    const found = this.store.get('SELECT id, address, salt, hash FROM accounts WHERE address = ?', normal(address));
    const { salt, hash } = found ?? NOBODY;
    const matches = timingSafeEqual(await derive(password, salt), hash);
    return found && matches ? { id: found.id, address: found.address } : undefined;
  }

  async close() {
    this.store.close();
  }
}

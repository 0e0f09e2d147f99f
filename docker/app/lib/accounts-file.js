// The accounts in one plain SQLite file, read by every role and written by admin.js.
import { join } from 'node:path';
import { Store } from './database.js';
import { folder } from './state.js';

const SCHEMA = `CREATE TABLE IF NOT EXISTS accounts (
  id TEXT PRIMARY KEY, address TEXT UNIQUE NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL, created INTEGER NOT NULL)`;

export class AccountStore {
  constructor() {
    this.store = new Store(join(folder(), 'accounts.sqlite'), SCHEMA);
  }

  async get(address) {
    return this.store.get('SELECT * FROM accounts WHERE address = ?', address);
  }

  async exists(id) {
    return Boolean(this.store.get('SELECT 1 FROM accounts WHERE id = ?', id));
  }

  async hasDomain(name) {
    const text = "SELECT 1 FROM accounts WHERE substr(address, instr(address, '@') + 1) = ?";
    return Boolean(this.store.get(text, name));
  }

  async all() {
    return this.store.all('SELECT id, address, created FROM accounts ORDER BY address');
  }

  // Whether it was inserted: an address is there once.
  async insert({ id, address, salt, hash, created }) {
    const text = 'INSERT INTO accounts VALUES (?, ?, ?, ?, ?) ON CONFLICT (address) DO NOTHING';
    return this.store.run(text, id, address, salt, hash, created).changes === 1;
  }

  async remove(id) {
    this.store.run('DELETE FROM accounts WHERE id = ?', id);
  }

  async close() {
    this.store.close();
  }
}

// The queue in one plain SQLite file, for one worker.
import { join } from 'node:path';
import { Store } from './database.js';
import { lock } from './lock.js';
import { folder } from './state.js';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS mails (id TEXT PRIMARY KEY, sender TEXT NOT NULL, date INTEGER NOT NULL, raw BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS recipients (
    id INTEGER PRIMARY KEY, mail TEXT NOT NULL REFERENCES mails ON DELETE CASCADE, address TEXT NOT NULL,
    due INTEGER NOT NULL, leased INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0);
  CREATE INDEX IF NOT EXISTS by_mail ON recipients (mail);
  CREATE INDEX IF NOT EXISTS by_due ON recipients (due)`;
// ms; longer than any attempt takes (10 min for the end of DATA, RFC 5321 4.5.3.2.6)
const LEASE = 15 * 60_000;

export class QueueStore {
  #unlock;

  constructor() {
    this.store = new Store(join(folder(), 'queue.sqlite'), SCHEMA);
  }

  async insert(mail) {
    this.store.transaction(() => this.#insert(mail));
  }

  // Rejects with Held while another worker is there. There is no other, so what is claimed was a dead one's.
  async work() {
    this.#unlock = lock(join(folder(), 'queue'));
    this.#release(0, []);
  }

  async release(underWay, time) {
    this.#release(time, underWay);
  }

  async claim() {
    const now = Date.now();
    return this.store.transaction(() => {
      const due = 'due <= ? AND leased <= ?';
      const mail = this.store.get(
        `SELECT * FROM mails WHERE id = (SELECT mail FROM recipients WHERE ${due} ORDER BY due LIMIT 1)`,
        now,
        now,
      );
      if (!mail) return undefined;
      const text = `UPDATE recipients SET leased = ?, attempts = attempts + 1 WHERE mail = ? AND ${due} RETURNING id, address, attempts`;
      return { ...mail, recipients: this.store.all(text, now + LEASE, mail.id, now, now) };
    });
  }

  async next() {
    return this.store.get('SELECT min(max(due, leased)) AS due FROM recipients').due ?? undefined;
  }

  async defer(mail, { id }, due) {
    this.store.run('UPDATE recipients SET due = ?, leased = 0 WHERE id = ?', due, id);
  }

  async remove(mail, recipients, bounce) {
    this.store.transaction(() => {
      for (const { id } of recipients) this.store.run('DELETE FROM recipients WHERE id = ?', id);
      this.store.run(
        'DELETE FROM mails WHERE id = ? AND NOT EXISTS (SELECT 1 FROM recipients WHERE mail = ?)',
        mail.id,
        mail.id,
      );
      if (bounce) this.#insert(bounce);
    });
  }

  async close() {
    this.store.close();
    this.#unlock?.();
  }

  #insert({ id, sender, date, recipients, raw }) {
    this.store.run('INSERT INTO mails VALUES (?, ?, ?, ?)', id, sender, date, raw);
    for (const address of recipients) {
      this.store.run('INSERT INTO recipients (mail, address, due) VALUES (?, ?, ?)', id, address, date);
    }
  }

  #release(time, underWay) {
    const text = 'UPDATE recipients SET leased = ? WHERE leased > ? AND mail NOT IN (SELECT value FROM json_each(?))';
    this.store.run(text, time, time, JSON.stringify(underWay));
  }
}

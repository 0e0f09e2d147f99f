// What is to be sent: one plain SQLite file, written by `smtp`, emptied by `smtp-bree`. A mail in it is durable.
import { randomBytes } from 'node:crypto';
import { mkdirSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Store } from './database.js';
import { settings } from './settings.js';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS mails (id TEXT PRIMARY KEY, sender TEXT NOT NULL, date INTEGER NOT NULL, raw BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS recipients (
    id INTEGER PRIMARY KEY, mail TEXT NOT NULL REFERENCES mails ON DELETE CASCADE, address TEXT NOT NULL,
    due INTEGER NOT NULL, leased INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0);
  CREATE INDEX IF NOT EXISTS by_mail ON recipients (mail);
  CREATE INDEX IF NOT EXISTS by_due ON recipients (due)`;
// ms; longer than any attempt takes (10 min for the end of DATA, RFC 5321 4.5.3.2.6)
const LEASE = 15 * 60_000;

export class Queue {
  constructor() {
    mkdirSync(settings.POSTBOX_STATE, { recursive: true, mode: 0o700 });
    this.store = new Store(join(settings.POSTBOX_STATE, 'queue.sqlite'), SCHEMA);
    this.bell = join(settings.POSTBOX_STATE, 'queue.bell');
    writeFileSync(this.bell, '', { flag: 'a' });
  }

  static id() {
    return randomBytes(8).toString('hex');
  }

  // Durable when it has resolved.
  async add(id, sender, recipients, raw) {
    this.store.transaction(() => this.#insert(id, sender, recipients, raw));
    writeFileSync(this.bell, '\n');
  }

  // Calls back when something was added, by whatever process, until it is closed.
  listen(rung) {
    this.watcher = watch(this.bell, rung);
  }

  // For the only worker: what nobody is at, since a predecessor died or an attempt failed, is free at `time`.
  async release(time = 0, underWay = []) {
    const text = 'UPDATE recipients SET leased = ? WHERE leased > ? AND mail NOT IN (SELECT value FROM json_each(?))';
    this.store.run(text, time, time, JSON.stringify(underWay));
  }

  // A mail with those of its recipients that are due, or undefined. Who dies with it loses nothing: the lease ends.
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

  // When the next recipient is due (ms since the epoch), or undefined.
  async next() {
    return this.store.get('SELECT min(max(due, leased)) AS due FROM recipients').due ?? undefined;
  }

  async defer({ id }, due) {
    this.store.run('UPDATE recipients SET due = ?, leased = 0 WHERE id = ?', due, id);
  }

  // Delivered, or given up: then `bounce` takes its place in the same commit.
  async finish(mail, recipients, bounce) {
    this.store.transaction(() => {
      for (const { id } of recipients) this.store.run('DELETE FROM recipients WHERE id = ?', id);
      this.store.run(
        'DELETE FROM mails WHERE id = ? AND NOT EXISTS (SELECT 1 FROM recipients WHERE mail = ?)',
        mail.id,
        mail.id,
      );
      if (bounce) this.#insert(Queue.id(), '', [mail.sender], bounce);
    });
    if (bounce) writeFileSync(this.bell, '\n');
  }

  #insert(id, sender, recipients, raw) {
    const now = Date.now();
    this.store.run('INSERT INTO mails VALUES (?, ?, ?, ?)', id, sender, now, raw);
    for (const address of recipients) {
      this.store.run('INSERT INTO recipients (mail, address, due) VALUES (?, ?, ?)', id, address, now);
    }
  }

  async close() {
    this.watcher?.close();
    this.store.close();
  }
}

// `<id>-tmp.sqlite`: mail that has arrived for a mailbox whose key only its user has. Keyed by the helper key.
import { Store } from './database.js';
import { mailboxKey } from './secrets.js';

// `seen` outlives `mail`, so that a sender's retry of what was stored already adds nothing.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS seen (arrival TEXT PRIMARY KEY, date INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS mail (arrival TEXT PRIMARY KEY, date INTEGER NOT NULL, raw BLOB NOT NULL)`;
const RETRIES = 5 * 24 * 3600 * 1000; // ms; RFC 5321 4.5.4.1: senders try for 4-5 days

export class Arrivals extends Store {
  constructor(path) {
    // The 32 bytes are the key itself ("raw:"): no derivation, so that opening takes no time.
    super(path, SCHEMA, { key: Buffer.from(`raw:${mailboxKey.toString('hex')}`) });
  }

  // Durable when it returns.
  add(arrival, date, raw) {
    this.transaction(() => {
      const { changes } = this.run('INSERT OR IGNORE INTO seen VALUES (?, ?)', arrival, date);
      if (changes) this.run('INSERT INTO mail VALUES (?, ?, ?)', arrival, date, raw);
    });
  }

  waiting(limit) {
    return this.all('SELECT arrival FROM mail ORDER BY rowid LIMIT ?', limit).map(({ arrival }) => arrival);
  }

  mail(arrival) {
    return this.get('SELECT date, raw FROM mail WHERE arrival = ?', arrival);
  }

  remove(arrivals) {
    this.transaction(() => {
      for (const arrival of arrivals) this.run('DELETE FROM mail WHERE arrival = ?', arrival);
      this.forget();
    });
  }

  // What no sender comes with any more. Returns how many.
  forget(now = Date.now()) {
    const text = 'DELETE FROM seen WHERE date < ? AND arrival NOT IN (SELECT arrival FROM mail)';
    return this.run(text, now - RETRIES).changes;
  }
}

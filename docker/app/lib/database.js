// SQLite files: how they are opened, keyed and asked.
import Database from 'better-sqlite3-multiple-ciphers';

export class Store {
  #statements = new Map();

  // `key` encrypts the file (chacha20); 250 means durable, so every commit is synced (synchronous=FULL).
  constructor(path, schema, { key, timeout = 10_000 } = {}) {
    this.db = new Database(path, { timeout });
    try {
      if (key) {
        this.db.pragma("cipher='chacha20'");
        this.db.key(key);
      }
      this.db.pragma('journal_mode=WAL');
      this.db.pragma('synchronous=FULL');
      this.db.pragma('foreign_keys=ON');
      this.db.pragma('cache_size=-1024');
      this.transaction(() => this.db.exec(schema));
    } catch (error) {
      this.db.close();
      throw error;
    }
  }

  sql(text) {
    let statement = this.#statements.get(text);
    if (!statement) this.#statements.set(text, (statement = this.db.prepare(text)));
    return statement;
  }

  run(text, ...values) {
    return this.sql(text).run(...values);
  }

  get(text, ...values) {
    return this.sql(text).get(...values);
  }

  all(text, ...values) {
    return this.sql(text).all(...values);
  }

  transaction(work) {
    return this.db.transaction(work).immediate();
  }

  // The last connection to close checkpoints the write-ahead log into the file.
  close() {
    this.db.close();
  }
}

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
      this.#writeAhead(timeout);
      this.db.pragma('synchronous=FULL');
      this.db.pragma('foreign_keys=ON');
      this.db.pragma('cache_size=-1024');
      this.transaction(() => this.db.exec(schema));
    } catch (error) {
      this.db.close();
      throw error;
    }
  }

  // Two processes that make a file at the same time both read it and then want it for themselves. SQLite lets neither wait then, for
  // it would be for each other (sqlite.org/c3ref/busy_handler.html): one has it, the other is to try again.
  #writeAhead(timeout) {
    for (const giveUp = Date.now() + timeout; ; pause(5)) {
      try {
        return this.db.pragma('journal_mode=WAL');
      } catch (error) {
        if (error.code !== 'SQLITE_BUSY' || Date.now() >= giveUp) throw error;
      }
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

// Blocks: files are opened when nothing else is under way.
function pause(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

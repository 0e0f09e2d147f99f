// All mailboxes of the folder: opened when asked for, closed when unused, merged when their user is there.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Arrivals } from './arrivals.js';
import { Collections, METHODS as COLLECTIONS } from './collections.js';
import { log } from './log.js';
import { Mailbox, Refusal } from './mailbox.js';
import { search } from './search.js';
import { digest, same } from './secrets.js';

const UNUSED = 30_000; // ms until a mailbox without sessions is closed
const METHODS = new Set([
  'folders',
  'createFolder',
  'renameFolder',
  'deleteFolder',
  'subscribe',
  'open',
  'status',
  'append',
  'store',
  'discard',
  'expunge',
  'copy',
  'move',
  'fetch',
]);

export class Mailboxes {
  #open = new Map();

  constructor(folder) {
    this.folder = folder;
  }

  // Durable when it returns, for all of them; each has its own arrival id, so that a retry after a failure
  // half-way adds only what is missing.
  deliver(arrivals, raw) {
    const date = Date.now();
    for (const { account, arrival } of arrivals) this.#entry(account).arrivals.add(arrival, date, raw);
  }

  // For those who have the mailbox open: what was delivered appears at once.
  refresh(account) {
    const entry = this.#open.get(account);
    if (entry?.mailbox && entry.sessions.size) this.#merge(account, entry);
  }

  // From now on `tell(account, changes)` hears of what happens to the mailbox, until the session's logout.
  login(account, password, session, tell) {
    this.#unlock(account, password).sessions.set(session, tell);
  }

  logout(account, session) {
    const entry = this.#open.get(account);
    if (entry?.sessions.delete(session)) this.#use(account, entry);
  }

  // The one who told of all its sessions is gone.
  leave(gone) {
    for (const [account, { sessions }] of this.#open) {
      for (const [session, tell] of sessions) if (tell === gone) this.logout(account, session);
    }
  }

  call(account, password, method, parameters) {
    const entry = this.#unlock(account, password);
    if (method === 'search') return search(entry.mailbox, parameters);
    if (COLLECTIONS.has(method)) return (entry.collections ??= new Collections(entry.mailbox))[method](parameters);
    if (!METHODS.has(method)) throw new Error(`unknown method ${method}`);
    try {
      return entry.mailbox[method](parameters);
    } finally {
      this.#tell(account, entry);
    }
  }

  remove(account) {
    this.#close(account);
    for (const name of [account, `${account}-tmp`]) {
      for (const ending of ['', '-wal', '-shm']) rmSync(join(this.folder, `${name}.sqlite${ending}`), { force: true });
    }
  }

  close() {
    for (const account of [...this.#open.keys()]) this.#close(account);
  }

  #entry(account) {
    if (!/^[0-9a-f]+$/.test(account)) throw new Error('not an account id');
    let entry = this.#open.get(account);
    if (!entry) {
      entry = { arrivals: new Arrivals(join(this.folder, `${account}-tmp.sqlite`)), sessions: new Map() };
      this.#open.set(account, entry);
    }
    return this.#use(account, entry);
  }

  #use(account, entry) {
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => entry.sessions.size || this.#close(account), UNUSED).unref();
    return entry;
  }

  // The password is the only key: a mailbox that is open already is not opened to another one.
  #unlock(account, password) {
    const entry = this.#entry(account);
    if (!entry.mailbox) {
      try {
        entry.mailbox = new Mailbox(join(this.folder, `${account}.sqlite`), password);
      } catch (error) {
        throw error.code === 'SQLITE_NOTADB' ? new Refusal('AUTHENTICATIONFAILED') : error;
      }
      entry.password = digest(account, password).toString('hex');
    } else if (!same(entry.password, digest(account, password).toString('hex'))) {
      throw new Refusal('AUTHENTICATIONFAILED');
    }
    this.#merge(account, entry);
    return entry;
  }

  // What cannot be merged now (a full disk) stays where it is, durable, until the next time.
  #merge(account, entry) {
    try {
      entry.mailbox.merge(entry.arrivals);
    } catch (error) {
      log('error', 'cannot merge', { account, error });
    }
    this.#tell(account, entry);
  }

  #tell(account, entry) {
    const changes = entry.mailbox.take();
    if (changes.length) for (const tell of new Set(entry.sessions.values())) tell(account, changes);
  }

  #close(account) {
    const entry = this.#open.get(account);
    if (!entry) return;
    this.#open.delete(account);
    clearTimeout(entry.timer);
    entry.mailbox?.close();
    entry.arrivals.close();
  }
}

// All mailboxes of the folder: opened when asked for, closed when unused, merged when their user is there.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Arrivals } from './arrivals.js';
import { Collections, METHODS as COLLECTIONS } from './collections.js';
import { log } from './log.js';
import { Mailbox } from './mailbox.js';
import { Refusal } from './refusal.js';
import { search } from './search.js';
import { digest, same } from './secrets.js';
import { shrink, tidy } from './tidy.js';

const UNUSED = 30_000; // ms until a mailbox without sessions is closed
const PIECE = 100; // ms of housekeeping until other requests have their turn
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
  #asked = 0;
  #tidied = new Map();

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

  // A piece of the housekeeping, beginning after an account: what was done, and after which account to go on. A mailbox
  // whose key nobody has given is tidied when its user is there.
  housekeep({ what, after }) {
    const begun = Date.now();
    if (what === 'mailboxes' && !after) this.#asked = begun;
    const counts = what === 'mailboxes' ? { tidied: 0, later: 0, expired: 0 } : { files: 0, forgotten: 0 };
    for (const account of this.#accounts().filter((each) => each > after)) {
      const entry = this.#open.get(account);
      if (what !== 'mailboxes') {
        counts.files += 1;
        counts.forgotten += this.#forget(account);
      } else if (entry?.mailbox) {
        counts.tidied += 1;
        counts.expired += this.#tidy(account, entry);
      } else counts.later += 1;
      if (Date.now() - begun > PIECE) return { counts, after: account };
    }
    return { counts };
  }

  close() {
    for (const account of [...this.#open.keys()]) this.#close(account);
  }

  // All that there is a file of.
  #accounts() {
    return readdirSync(this.folder)
      .flatMap((name) => /^([0-9a-f]+)-tmp\.sqlite$/.exec(name)?.[1] ?? [])
      .sort();
  }

  #forget(account) {
    const wasOpen = this.#open.has(account);
    try {
      const { arrivals } = this.#entry(account);
      const forgotten = arrivals.forget();
      shrink(arrivals);
      return forgotten;
    } catch (error) {
      log('error', 'cannot forget', { account, error });
      return 0;
    } finally {
      if (!wasOpen) this.#close(account);
    }
  }

  #tidy(account, entry) {
    this.#tidied.set(account, Date.now());
    try {
      return tidy(entry.mailbox);
    } catch (error) {
      log('error', 'cannot tidy', { account, error });
      return 0;
    } finally {
      this.#tell(account, entry);
    }
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
    if ((this.#tidied.get(account) ?? 0) < this.#asked) this.#tidy(account, entry);
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

// `<id>.sqlite`: one user's mail, keyed by the user's password. All of it is synchronous: one writer, one thread.
import { deserialize, serialize } from 'node:v8';
import { Store } from './database.js';
import { structure } from './mime.js';
import { refuse } from './refusal.js';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS folders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT UNIQUE NOT NULL, special TEXT, subscribed INTEGER NOT NULL DEFAULT 1,
    uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL DEFAULT 1, modseq INTEGER NOT NULL DEFAULT 1);
  CREATE TABLE IF NOT EXISTS contents (
    id INTEGER PRIMARY KEY, size INTEGER NOT NULL, structure BLOB NOT NULL, raw BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS messages (
    folder INTEGER NOT NULL REFERENCES folders ON DELETE CASCADE, uid INTEGER NOT NULL, modseq INTEGER NOT NULL,
    date INTEGER NOT NULL, flags TEXT NOT NULL, content INTEGER NOT NULL REFERENCES contents,
    PRIMARY KEY (folder, uid)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS by_content ON messages (content);
  CREATE TRIGGER IF NOT EXISTS last_copy AFTER DELETE ON messages
    WHEN NOT EXISTS (SELECT 1 FROM messages WHERE content = OLD.content)
    BEGIN DELETE FROM contents WHERE id = OLD.content; END;
  CREATE TABLE IF NOT EXISTS merged (arrival TEXT PRIMARY KEY)`;

const FOLDERS = [
  ['INBOX', null],
  ['Archive', '\\Archive'],
  ['Drafts', '\\Drafts'],
  ['Sent Mail', '\\Sent'],
  ['Spam', '\\Junk'],
  ['Trash', '\\Trash'],
];
const MERGE_AT_ONCE = 100; // mails in a transaction

export class Mailbox extends Store {
  // Changes since the last `take()`, for those who have a folder open.
  #changes = [];

  constructor(path, password) {
    super(path, SCHEMA, { key: Buffer.from(password) });
    this.transaction(() => {
      if (this.get('SELECT 1 FROM folders')) return;
      for (const [name, special] of FOLDERS) this.#addFolder(name, special);
    });
  }

  take() {
    return this.#changes.splice(0);
  }

  // What was rolled back did not change anything.
  #atomic(work) {
    const before = this.#changes.length;
    try {
      return this.transaction(work);
    } catch (error) {
      this.#changes.length = before;
      throw error;
    }
  }

  // Moves what has arrived into INBOX. A crash at any point neither loses nor doubles a mail: it leaves `arrivals` only
  // after this commit is durable, and `merged` remembers what is here but has not left there yet.
  merge(arrivals) {
    for (let waiting; (waiting = arrivals.waiting(MERGE_AT_ONCE)).length;) {
      this.#atomic(() => {
        this.run('DELETE FROM merged WHERE arrival NOT IN (SELECT value FROM json_each(?))', JSON.stringify(waiting));
        for (const arrival of waiting) {
          if (!this.run('INSERT OR IGNORE INTO merged VALUES (?)', arrival).changes) continue;
          const { date, raw } = arrivals.mail(arrival);
          this.#add(this.#folder('INBOX'), [], date, raw);
        }
      });
      arrivals.remove(waiting);
    }
  }

  // `counted` asks for the numbers of mails as well.
  folders({ counted }) {
    const folders = this.all('SELECT id, path, special, subscribed FROM folders ORDER BY path');
    return counted ? folders.map((folder) => ({ ...folder, ...this.#counts(folder) })) : folders;
  }

  // Makes the folders above as well (RFC 9051 6.3.4).
  createFolder({ path }) {
    if (this.#find(path)) refuse('ALREADYEXISTS');
    this.transaction(() => {
      const names = path.split('/');
      const paths = names.map((_, depth) => names.slice(0, depth + 1).join('/'));
      for (const each of paths) if (!this.#find(each)) this.#addFolder(each, null);
    });
  }

  // Takes the folders below along (RFC 9051 6.3.6).
  renameFolder({ path, to }) {
    const { id } = this.#folder(path);
    if (this.#find(to)) refuse('ALREADYEXISTS');
    this.#atomic(() => {
      this.run('UPDATE folders SET path = ? WHERE id = ?', to, id);
      const below = this.all('SELECT id, path FROM folders WHERE substr(path, 1, ?) = ?', path.length + 1, `${path}/`);
      for (const child of below) {
        this.run('UPDATE folders SET path = ? WHERE id = ?', to + child.path.slice(path.length), child.id);
      }
    });
    return id;
  }

  deleteFolder({ path }) {
    const { id, special } = this.#folder(path);
    if (special || path === 'INBOX') refuse('CANNOT');
    this.#atomic(() => {
      this.run('DELETE FROM messages WHERE folder = ?', id);
      this.run('DELETE FROM folders WHERE id = ?', id);
    });
    this.#changes.push({ folder: id, command: 'DROP' });
    return id;
  }

  subscribe({ path, subscribed }) {
    this.run('UPDATE folders SET subscribed = ? WHERE id = ?', Number(subscribed), this.#folder(path).id);
  }

  open({ path }) {
    const folder = this.#folder(path);
    return { ...folder, uids: this.uids({ folder: folder.id }) };
  }

  uids({ folder }) {
    return this.sql('SELECT uid FROM messages WHERE folder = ? ORDER BY uid').pluck().all(folder);
  }

  status({ path }) {
    const folder = this.#folder(path);
    return { ...folder, ...this.#counts(folder) };
  }

  append({ path, flags, date, raw }) {
    return this.#atomic(() => {
      const folder = this.#find(path) ?? refuse('TRYCREATE');
      return { uidValidity: folder.uidvalidity, uid: this.#add(folder, flags, date, raw) };
    });
  }

  // Returns what changed, and the uids refused because they were changed since (RFC 7162).
  store({ folder, uids, action, flags, unchangedSince, session }) {
    return this.#atomic(() => {
      const changed = [];
      const modified = [];
      for (const { uid, modseq, flags: before } of this.#messages(folder, uids)) {
        if (unchangedSince && modseq > unchangedSince) {
          modified.push(uid);
          continue;
        }
        const had = JSON.parse(before);
        const has = {
          set: flags,
          add: [...new Set([...had, ...flags])],
          remove: had.filter((flag) => !flags.includes(flag)),
        }[action];
        if (has.length === had.length && has.every((flag) => had.includes(flag))) continue;
        const change = { uid, flags: has, modseq: this.#next(folder) };
        this.run(
          'UPDATE messages SET flags = ?, modseq = ? WHERE folder = ? AND uid = ?',
          JSON.stringify(has),
          change.modseq,
          folder,
          uid,
        );
        this.#changes.push({ folder, command: 'FETCH', ignore: session, ...change });
        changed.push(change);
      }
      return { changed, modified };
    });
  }

  // Without `uids`: all that carry \Deleted.
  expunge({ folder, uids, session }) {
    return this.#atomic(() => {
      const deleted = this.#messages(folder, uids).filter(({ flags }) => JSON.parse(flags).includes('\\Deleted'));
      return deleted.map(({ uid }) => this.#remove(folder, uid, session));
    });
  }

  // Whatever flags they carry.
  discard({ folder, uids, session }) {
    return this.#atomic(() => this.#messages(folder, uids).map(({ uid }) => this.#remove(folder, uid, session)));
  }

  copy({ folder, uids, to }) {
    return this.#atomic(() => {
      const target = this.#find(to) ?? refuse('TRYCREATE');
      const from = this.#messages(folder, uids);
      const copies = from.map(({ flags, date, content }) => this.#place(target.id, JSON.parse(flags), date, content));
      return { uidValidity: target.uidvalidity, sourceUid: from.map(({ uid }) => uid), destinationUid: copies };
    });
  }

  move({ folder, uids, to, session }) {
    return this.#atomic(() => {
      const moved = this.copy({ folder, uids, to });
      for (const uid of moved.sourceUid) this.#remove(folder, uid, session);
      return moved;
    });
  }

  // `raw` asks for the whole source, `described` for what is kept beside it: envelope and body structure.
  fetch({ folder, uids, described, raw, changedSince = 0 }) {
    const columns = ['uid', 'messages.modseq', 'flags', 'date', 'size', described && 'structure', raw && 'raw'].filter(
      Boolean,
    );
    const text = `SELECT ${columns.join(', ')} FROM messages JOIN contents ON contents.id = content
      WHERE folder = ? AND messages.modseq > ? AND uid IN (SELECT value FROM json_each(?)) ORDER BY uid`;
    return this.all(text, folder, changedSince, JSON.stringify(uids)).map((row) => ({
      ...row,
      flags: JSON.parse(row.flags),
      ...(described && deserialize(row.structure)),
    }));
  }

  #find(path) {
    return this.get('SELECT * FROM folders WHERE path = ?', path);
  }

  #folder(path) {
    return this.#find(path) ?? refuse('NONEXISTENT');
  }

  #addFolder(path, special) {
    // Greater than that of any folder of this name before it (RFC 9051 2.3.1.1).
    const uidvalidity = Math.floor(Date.now() / 1000);
    return this.run('INSERT INTO folders (path, special, uidvalidity) VALUES (?, ?, ?)', path, special, uidvalidity)
      .lastInsertRowid;
  }

  #counts({ id }) {
    const unseen = "coalesce(sum(NOT EXISTS (SELECT 1 FROM json_each(flags) WHERE value = '\\Seen')), 0)";
    return this.get(`SELECT count(*) AS messages, ${unseen} AS unseen FROM messages WHERE folder = ?`, id);
  }

  #messages(folder, uids) {
    const all = 'SELECT uid, modseq, flags, date, content FROM messages WHERE folder = ?';
    if (!uids) return this.all(`${all} ORDER BY uid`, folder);
    return this.all(`${all} AND uid IN (SELECT value FROM json_each(?)) ORDER BY uid`, folder, JSON.stringify(uids));
  }

  #next(folder) {
    return (
      this.sql('UPDATE folders SET modseq = modseq + 1 WHERE id = ? RETURNING modseq').pluck().get(folder) ??
      refuse('NONEXISTENT')
    );
  }

  #add(folder, flags, date, raw) {
    const text = 'INSERT INTO contents (size, structure, raw) VALUES (?, ?, ?)';
    const { lastInsertRowid } = this.run(text, raw.length, serialize(structure(raw)), raw);
    return this.#place(folder.id, flags, date, lastInsertRowid);
  }

  #place(folder, flags, date, content) {
    const modseq = this.#next(folder);
    const uid = this.sql('UPDATE folders SET uidnext = uidnext + 1 WHERE id = ? RETURNING uidnext - 1')
      .pluck()
      .get(folder);
    this.run(
      'INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)',
      folder,
      uid,
      modseq,
      date,
      JSON.stringify(flags),
      content,
    );
    this.#changes.push({ folder, command: 'EXISTS', uid, modseq });
    return uid;
  }

  #remove(folder, uid, session) {
    this.run('DELETE FROM messages WHERE folder = ? AND uid = ?', folder, uid);
    this.#changes.push({ folder, command: 'EXPUNGE', ignore: session, uid, modseq: this.#next(folder) });
    return uid;
  }
}

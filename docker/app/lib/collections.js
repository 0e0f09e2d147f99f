// Calendars and address books of a mailbox, in its file and under its key. What is in an object is the caller's to
// judge: here are names, etags, and the revisions that clients keep in step by (RFC 6578).
import { refuse } from './refusal.js';
import { digest } from './secrets.js';

// `first` and `last` bound the time of all that an object holds, in ms; NULL is open. `removed` has the names that a
// client may still have. AUTOINCREMENT: a collection that is made anew under an old name is another one.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, components TEXT NOT NULL,
    properties TEXT NOT NULL, revision INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, name));
  CREATE TABLE IF NOT EXISTS objects (
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE, name TEXT NOT NULL, uid TEXT NOT NULL,
    etag TEXT NOT NULL, revision INTEGER NOT NULL, modified INTEGER NOT NULL, first INTEGER, last INTEGER,
    data TEXT NOT NULL, PRIMARY KEY (collection, name), UNIQUE (collection, uid));
  CREATE TABLE IF NOT EXISTS removed (
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE, name TEXT NOT NULL, revision INTEGER NOT NULL,
    PRIMARY KEY (collection, name)) WITHOUT ROWID`;

export const METHODS = new Set([
  'collections',
  'createCollection',
  'changeCollection',
  'deleteCollection',
  'objects',
  'changes',
  'putObject',
  'deleteObject',
]);

export class Collections {
  constructor(mailbox) {
    this.store = mailbox;
    mailbox.transaction(() => mailbox.db.exec(SCHEMA));
  }

  // `first` is made when there is none.
  collections({ kind, first }) {
    const all = () => this.store.all('SELECT * FROM collections WHERE kind = ? ORDER BY id', kind).map(parsed);
    if (!all().length) this.createCollection({ kind, ...first });
    return all();
  }

  createCollection({ kind, name, components, properties }) {
    this.store.transaction(() => {
      if (this.#find(kind, name)) refuse('ALREADYEXISTS');
      const text = 'INSERT INTO collections (kind, name, components, properties) VALUES (?, ?, ?, ?)';
      this.store.run(text, kind, name, JSON.stringify(components), JSON.stringify(properties));
    });
  }

  // `changes`: property by name; null removes it.
  changeCollection({ kind, collection, changes }) {
    this.store.transaction(() => {
      const { id, properties } = parsed(this.#collection(kind, collection));
      const left = Object.entries({ ...properties, ...changes }).filter(([, value]) => value !== null);
      const text = 'UPDATE collections SET properties = ? WHERE id = ?';
      this.store.run(text, JSON.stringify(Object.fromEntries(left)), id);
    });
  }

  deleteCollection({ kind, collection }) {
    this.store.run('DELETE FROM collections WHERE id = ?', this.#collection(kind, collection).id);
  }

  // Those with one of `names` and that may reach into `range`, if these are given; with `data` if `whole`.
  objects({ kind, collection, names, range: [from, to] = [null, null], whole }) {
    const { id } = this.#collection(kind, collection);
    const named = names ? 'AND name IN (SELECT value FROM json_each(@names))' : '';
    const reaching =
      'AND (first IS NULL OR @to IS NULL OR first < @to) AND (last IS NULL OR @from IS NULL OR last > @from)';
    const text = `SELECT ${columns(whole)} FROM objects WHERE collection = @id ${named} ${reaching} ORDER BY name`;
    return this.store.all(text, { id, from, to, ...(names && { names: JSON.stringify(names) }) });
  }

  // What is new, changed or gone (without etag) since a revision of a collection, or all; oldest first. `revision` is
  // where the answer ends.
  changes({ kind, collection, since, limit, whole }) {
    const found = this.#collection(kind, collection);
    const { id, revision } = since ?? { id: found.id, revision: 0 };
    if (id !== found.id || revision > found.revision) refuse('UNKNOWNREVISION');
    const nothing = `NULL, NULL, NULL${whole ? ', NULL' : ''}`;
    const text = `SELECT revision, ${columns(whole)} FROM objects WHERE collection = @id AND revision > @revision UNION ALL
      SELECT revision, name, ${nothing} FROM removed WHERE collection = @id AND revision > @revision AND @revision > 0
      ORDER BY revision LIMIT @most`;
    const changed = this.store.all(text, { id, revision, most: limit + 1 });
    const more = changed.length > limit;
    if (more) changed.pop();
    return { id, changed, more, revision: more ? changed.at(-1).revision : found.revision };
  }

  // Durable when it returns. `conditions`: If-Match and If-None-Match (RFC 9110 13.1).
  putObject({ kind, collection, name, conditions, uid, first, last, data }) {
    return this.store.transaction(() => {
      const { id } = this.#find(kind, collection) ?? refuse('NOCOLLECTION');
      const before = this.#object(id, name);
      check(conditions, before);
      // RFC 4791 5.3.2.1: neither a second object of this UID nor another UID for this object.
      const other = this.store.get('SELECT name FROM objects WHERE collection = ? AND uid = ?', id, uid);
      if (before ? before.uid !== uid : other) return { conflict: other?.name ?? name };
      const etag = `"${digest(data).toString('hex').slice(0, 32)}"`;
      const revision = this.#next(id);
      this.store.run('DELETE FROM removed WHERE collection = ? AND name = ?', id, name);
      const values = [id, name, uid, etag, revision, Date.now(), first, last, data];
      this.store.run('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', ...values);
      return { etag, created: !before };
    });
  }

  deleteObject({ kind, collection, name, conditions }) {
    this.store.transaction(() => {
      const { id } = this.#collection(kind, collection);
      const before = this.#object(id, name) ?? refuse('NONEXISTENT');
      check(conditions, before);
      this.store.run('DELETE FROM objects WHERE collection = ? AND name = ?', id, name);
      this.store.run('INSERT INTO removed VALUES (?, ?, ?)', id, name, this.#next(id));
    });
  }

  #find(kind, name) {
    return this.store.get('SELECT * FROM collections WHERE kind = ? AND name = ?', kind, name);
  }

  #collection(kind, name) {
    return this.#find(kind, name) ?? refuse('NONEXISTENT');
  }

  #object(id, name) {
    return this.store.get('SELECT uid, etag FROM objects WHERE collection = ? AND name = ?', id, name);
  }

  #next(id) {
    const text = 'UPDATE collections SET revision = revision + 1 WHERE id = ? RETURNING revision';
    return this.store.sql(text).pluck().get(id);
  }
}

const columns = (whole) => `name, etag, modified, length(CAST(data AS BLOB)) AS size${whole ? ', data' : ''}`;

function parsed(row) {
  return { ...row, components: JSON.parse(row.components), properties: JSON.parse(row.properties) };
}

function check({ match, noneMatch }, object) {
  const is = (etags) =>
    object && (etags.trim() === '*' || etags.split(',').some((etag) => etag.trim() === object.etag));
  if ((match && !is(match)) || (noneMatch && is(noneMatch))) refuse('PRECONDITION');
}

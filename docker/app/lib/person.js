// The people of the service for the roles that speak HTTP: who signs in, and what they do with their mail. `sqlite`
// does it, at a request each; nothing of a person stays here between two.
import { Accounts } from './accounts.js';
import { forward, reply } from './answer.js';
import { checkRecipients, compose } from './compose.js';
import { log } from './log.js';
import { Login, TooMany } from './login.js';
import { Fixed, Invalid, NotFound, Taken, WrongPassword } from './person-errors.js';
import { Queue } from './queue.js';
import { attachment, flags, read, summary } from './reading.js';
import { encrypt } from './secrets.js';
import { Away, Storage } from './storage.js';
import { submit } from './submit.js';

const ORDER = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash', null];
const NAME = /^[^\0-\x1f\x7f*%/]+(\/[^\0-\x1f\x7f*%/]+)*$/; // `*` and `%` are LIST's wildcards (RFC 9051 6.3.9)
const LONGEST = 200; // characters of a folder's name

export class People {
  constructor() {
    this.accounts = new Accounts();
    this.login = new Login(this.accounts);
    this.queue = new Queue();
    this.storage = new Storage();
  }

  // Throws WrongPassword, TooMany, or Away. `client` is the address that the request came from.
  async signIn(address, password, client) {
    const account = await this.login.check(address, password, client).catch(notAnswered);
    if (!account) throw new WrongPassword();
    return new Person(this, account, password, client);
  }

  // Goes on as a person who has signed in before, so that others who guess keep nobody from their mail. By the account's
  // id: the next account of this address has another password, and a mailbox that is still to be made with it. Throws
  // WrongPassword or Away.
  async resume({ id, address, password }, client) {
    const account = await this.accounts.find(address).catch(notAnswered);
    if (account?.id !== id) throw new WrongPassword();
    return new Person(this, account, password, client);
  }

  async close() {
    this.storage.close();
    await this.queue.close();
    await this.accounts.close();
  }
}

// Those who keep the accounts may be away.
function notAnswered(cause) {
  if (cause instanceof TooMany) throw cause;
  log('error', 'login failed', { error: cause });
  throw new Away('Login is not possible now, try again later', { cause });
}

// Every method throws Away while `sqlite` is, NotFound, or what else of person-errors.js it says.
class Person {
  #key;

  constructor({ storage, queue }, { id, address }, password, client) {
    Object.assign(this, { storage, queue, id, address, client });
    this.#key = { account: id, password: encrypt(password) };
  }

  // `special` is what the folder is for, null where it is its owner's business.
  async folders() {
    const all = await this.#ask('folders', { counted: true });
    return all
      .map(({ path, special, messages, unseen }) => ({ path, special: use({ path, special }), messages, unseen }))
      .sort((a, b) => ORDER.indexOf(a.special) - ORDER.indexOf(b.special));
  }

  async folder(path) {
    const found = (await this.folders()).find((folder) => folder.path === normal(path));
    if (!found) throw new NotFound(NO_FOLDER);
    return found;
  }

  async createFolder(path) {
    await this.#ask('createFolder', { path: checked('path', path) });
  }

  async renameFolder(path, to) {
    if (use(await this.#folder(path))) throw new Fixed('This folder keeps its name');
    if (to === path) return;
    if (to.startsWith(`${path}/`)) throw new Invalid('to', 'A folder cannot be moved into itself');
    await this.#ask('renameFolder', { path, to: checked('to', to) });
  }

  async deleteFolder(path) {
    await this.#ask('deleteFolder', { path });
  }

  // The newest first. All words of `query` have to be in a mail: in its text, its subject, or the names on it.
  async page(path, { query = '', page = 1, size = 50 } = {}) {
    const { id: folder, uids: all } = await this.#ask('open', { path: normal(path) });
    const words = query.split(/\s+/).filter(Boolean);
    const { uids } = words.length ? await this.#ask('search', { folder, query: words.map(term) }) : { uids: all };
    const shown = uids.toReversed().slice((page - 1) * size, page * size);
    const rows = await this.#ask('fetch', { folder, uids: shown, described: true });
    return {
      folder: normal(path),
      total: uids.length,
      page,
      pages: Math.max(1, Math.ceil(uids.length / size)),
      messages: rows.reverse().map((row) => ({ folder: normal(path), ...summary(row) })),
    };
  }

  // What `page` says of one mail.
  async summary(path, uid) {
    const { rows } = await this.#find(path, uid, { described: true });
    return { folder: normal(path), ...summary(rows[0]) };
  }

  async read(path, uid) {
    return { folder: normal(path), ...(await read(await this.#source(path, uid))) };
  }

  async source(path, uid) {
    return (await this.#source(path, uid)).raw;
  }

  async attachment(path, uid, index) {
    const found = await attachment(await this.#source(path, uid), index);
    if (!found) throw new NotFound('There is no such attachment');
    return found;
  }

  // `marks`: { seen, flagged, answered }, true or false each. One uid or several, here and below.
  async mark(path, uid, marks) {
    const { folder, uids } = await this.#find(path, uid);
    for (const [action, wanted] of Object.entries({ add: true, remove: false })) {
      const chosen = Object.fromEntries(Object.entries(marks).filter(([, set]) => set === wanted));
      await this.#ask('store', { folder, uids, action, flags: flags(chosen) });
    }
  }

  // Returns the uids that they have there.
  async move(path, uid, to) {
    const { folder, uids } = await this.#find(path, uid);
    const target = await this.#folder(to);
    if (target.id === folder) return uids;
    return (await this.#ask('move', { folder, uids, to: target.path })).destinationUid;
  }

  // Into the folder for it, and from there, or `forever`, for good. Returns the places of what is left of them.
  async remove(path, uid, { forever = false } = {}) {
    if (forever || use(await this.#folder(path)) === 'trash') {
      await this.#expunge(path, uid);
      return [];
    }
    const folder = await this.#special('trash');
    return (await this.move(path, uid, folder)).map((moved) => ({ folder, uid: moved }));
  }

  // What the writer of a reply starts with, and a forwarded mail; `send` and `save` take it.
  async reply(path, uid, { all } = {}) {
    return { ...reply(await this.read(path, uid), this.address, { all }), reply: { folder: path, uid } };
  }

  async forward(path, uid) {
    const mail = await this.read(path, uid);
    return { ...forward(mail), attachments: mail.attachments.map((part) => ({ ...part, folder: path, uid })) };
  }

  // What compose.js takes, and: `reply` ({ folder, uid }), the mail that is answered; `draft`, the uid of what it was
  // until now; attachments may be those of a mail ({ folder, uid, index }). Durable in the queue when it returns; `sent`
  // is the copy in the person's own folder, null where that could not be made: the mail is on its way nevertheless.
  async send(message) {
    const mail = await this.#compose(message);
    checkRecipients(mail);
    const session = {
      hostNameAppearsAs: `[${this.client}]`,
      remoteAddress: this.client,
      transmissionType: 'HTTP',
      envelope: {
        mailFrom: { address: this.address },
        rcptTo: mail.recipients.map((address) => ({ address })),
      },
    };
    const id = await submit(this.queue, session, mail.raw).catch((cause) => {
      throw new Away('The mail cannot be queued now, try again later', { cause });
    });
    const sent = await this.#sent(message, mail).catch((error) => {
      log('error', 'no copy of a sent mail', { id, error });
      return null;
    });
    return { id, messageId: mail.messageId, sent };
  }

  // As a draft, in the place of `message.draft` if there is one. Returns { folder, uid }.
  async save(message) {
    const { kept } = await this.#compose(message);
    const saved = await this.#append('drafts', ['\\Seen', '\\Draft'], kept);
    await this.#dropDraft(message);
    return saved;
  }

  async #compose(message) {
    const { reply: answered, draft, attachments = [] } = message;
    const contents = [];
    for (const part of attachments) {
      contents.push(part.content ? part : await this.attachment(part.folder, part.uid, part.index));
    }
    return compose(this.address, { ...message, attachments: contents, ...(await this.#thread(answered, draft)) });
  }

  // RFC 5322 3.6.4; a draft remembers what it answers.
  async #thread(answered, draft) {
    if (answered) {
      const { messageId, references } = await this.read(answered.folder, answered.uid);
      return { inReplyTo: messageId, references: [references, messageId].filter(Boolean).join(' ') };
    }
    if (!draft) return {};
    const { inReplyTo, references } = await this.read(await this.#special('drafts'), draft);
    return { inReplyTo, references };
  }

  async #sent(message, { kept }) {
    const sent = await this.#append('sent', ['\\Seen'], kept);
    if (message.reply) await this.mark(message.reply.folder, message.reply.uid, { answered: true });
    await this.#dropDraft(message);
    return sent;
  }

  async #dropDraft({ draft }) {
    if (draft) await this.#expunge(await this.#special('drafts'), draft);
  }

  async #append(special, marks, raw) {
    const path = await this.#special(special);
    const { uid } = await this.#ask('append', { path, flags: marks, date: Date.now(), raw });
    return { folder: path, uid };
  }

  async #expunge(path, uid) {
    const { folder, uids } = await this.#find(path, uid);
    await this.#ask('store', { folder, uids, action: 'add', flags: ['\\Deleted'] });
    await this.#ask('expunge', { folder, uids });
  }

  async #source(path, uid) {
    return (await this.#find(path, uid, { raw: true })).rows[0];
  }

  // Those of the mails that are there.
  async #find(path, uid, wanted) {
    const { id: folder } = await this.#folder(path);
    const rows = await this.#ask('fetch', { folder, uids: [uid].flat(), ...wanted });
    if (!rows.length) throw new NotFound('There is no such mail');
    return { folder, rows, uids: rows.map((row) => row.uid) };
  }

  async #folder(path) {
    const found = (await this.#ask('folders')).find((folder) => folder.path === normal(path));
    if (!found) throw new NotFound(NO_FOLDER);
    return found;
  }

  async #special(special) {
    return (await this.#ask('folders')).find((folder) => use(folder) === special).path;
  }

  async #ask(method, parameters) {
    try {
      return await this.storage.request(method, { ...this.#key, ...parameters });
    } catch (error) {
      throw ANSWERS[error.code]?.() ?? (/^SQLITE_/.test(error.code) ? new Away(BUSY, { cause: error }) : error);
    }
  }
}

const NO_FOLDER = 'There is no such folder';
const BUSY = 'The mailbox does not answer now, try again later';
const ANSWERS = {
  AUTHENTICATIONFAILED: () => new WrongPassword(),
  NONEXISTENT: () => new NotFound(NO_FOLDER),
  ALREADYEXISTS: () => new Taken('There is a folder of this name'),
  CANNOT: () => new Fixed('This folder cannot be deleted'),
};

const use = ({ path, special }) => (path === 'INBOX' ? 'inbox' : (special?.slice(1).toLowerCase() ?? null));

// INBOX alone is written in any case (RFC 9051 5.1).
const normal = (path) => (path.toUpperCase() === 'INBOX' ? 'INBOX' : path);

function checked(field, path) {
  if (!NAME.test(path) || [...path].length > LONGEST || !path.isWellFormed()) {
    throw new Invalid(field, `Not a name for a folder: 1-${LONGEST} characters, / between folders, none of * and %`);
  }
  return normal(path);
}

// As imap-core's parser has it, whose strings are the bytes of the command.
function term(word) {
  const value = Buffer.from(word).toString('latin1');
  const headers = ['from', 'to', 'cc', 'subject'].map((header) => ({ key: 'header', header, value }));
  return { key: 'or', value: [...headers, { key: 'body', value }] };
}

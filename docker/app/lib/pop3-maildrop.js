// A maildrop (RFC 1939 3): INBOX as it was when its one session began, and what that session wants deleted.
const held = new Set(); // accounts; the lock ends with this process, kill -9 included

export class InUse extends Error {}

// `ask(method, parameters)` asks the account's mailbox. Rejects with InUse while another session has it.
export async function open(account, ask) {
  if (held.has(account)) throw new InUse('another session has the maildrop');
  held.add(account);
  try {
    const { id: folder, uidvalidity, uids } = await ask('open', { path: 'INBOX' });
    const mails = await ask('fetch', { folder, uids });
    return new Maildrop(account, folder, uidvalidity, mails, ask);
  } catch (error) {
    held.delete(account);
    throw error;
  }
}

class Maildrop {
  #retrieved = new Set();
  #deleted = new Set();

  constructor(account, folder, uidvalidity, mails, ask) {
    Object.assign(this, { account, folder, ask });
    // A unique-id never names another mail, nor does it change (RFC 1939 7): neither does a uid under its validity.
    this.mails = mails.map(({ uid, size }, index) => ({ number: index + 1, uid, size, id: `${uidvalidity}.${uid}` }));
  }

  // Those that are not marked deleted; with a number the one, or undefined.
  all() {
    return this.mails.filter(({ uid }) => !this.#deleted.has(uid));
  }

  find(number) {
    const mail = this.mails[number - 1];
    return mail && !this.#deleted.has(mail.uid) ? mail : undefined;
  }

  // The source, or undefined when another client has removed it meanwhile.
  async read({ uid }) {
    const [found] = await this.ask('fetch', { folder: this.folder, uids: [uid], raw: true });
    this.#retrieved.add(uid);
    return found?.raw;
  }

  delete({ uid }) {
    this.#deleted.add(uid);
  }

  reset() {
    this.#deleted.clear();
  }

  // The UPDATE state (RFC 1939 6): what was deleted is gone for good when it returns, what was read is \Seen.
  async update() {
    const { folder } = this;
    const seen = [...this.#retrieved].filter((uid) => !this.#deleted.has(uid));
    if (this.#deleted.size) await this.ask('discard', { folder, uids: [...this.#deleted] });
    if (seen.length) await this.ask('store', { folder, uids: seen, action: 'add', flags: ['\\Seen'] });
  }

  close() {
    held.delete(this.account);
  }
}

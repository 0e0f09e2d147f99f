// imap-core's notifier: hands each session what happened in the folder that it has open. Nothing is kept: what
// happened before the folder was opened is in the answer that opened it.
export class Sessions {
  #byAccount = new Map();
  #current = [];

  addListener(session, tell) {
    const own = this.#byAccount.get(session.user.id) ?? new Map();
    this.#byAccount.set(session.user.id, own.set(tell, session));
  }

  removeListener(session, tell) {
    const own = this.#byAccount.get(session.user.id);
    own?.delete(tell);
    if (own?.size === 0) this.#byAccount.delete(session.user.id);
  }

  // imap-core asks back from within `tell`.
  getUpdates(folder, since, callback) {
    callback(
      null,
      this.#current.filter((change) => String(change.folder) === folder && change.modseq > since),
    );
  }

  changed(account, changes) {
    this.#current = changes;
    for (const tell of this.#byAccount.get(account)?.keys() ?? []) {
      for (const { folder, command } of changes) {
        if (command === 'DROP') tell.call(this, { command, mailbox: String(folder) });
      }
      tell.call(this);
    }
    this.#current = [];
  }

  end(reason) {
    for (const own of this.#byAccount.values()) {
      for (const tell of [...own.keys()]) tell.call(this, { command: 'LOGOUT', reason });
    }
  }
}

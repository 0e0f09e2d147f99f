// What imap-core asks for, answered by the role `sqlite`. Each handler returns the result; a Refusal's code
// (NONEXISTENT, TRYCREATE, …) goes to the client, anything else becomes NO [TEMPFAIL].
import imapHandler from 'wildduck/imap-core/lib/handler/imap-handler.js';
import { body } from './message.js';
import { parse } from './mime.js';

const AT_ONCE = 200; // messages of a FETCH that need no source
const CODES = new Set(['NONEXISTENT', 'ALREADYEXISTS', 'CANNOT', 'TRYCREATE']);
const SOURCE = new Set(['body', 'rfc822', 'rfc822.header', 'rfc822.text']);

// Sets server.onX for every X; `ask(session, method, parameters)` asks the mailbox of the session's user.
export function handle(server, ask) {
  const handlers = {
    onList: (query, session) => listed(ask, session),
    onLsub: async (query, session) => (await listed(ask, session)).filter(({ subscribed }) => subscribed),
    onSubscribe: (path, session) => done(ask(session, 'subscribe', { path, subscribed: true })),
    onUnsubscribe: (path, session) => done(ask(session, 'subscribe', { path, subscribed: false })),
    onCreate: (path, session) => done(ask(session, 'createFolder', { path })),
    onRename: (path, to, session) => done(ask(session, 'renameFolder', { path, to })),
    onDelete: (path, session) => done(ask(session, 'deleteFolder', { path })),
    async onOpen(path, session) {
      const { id, special, uidvalidity, uidnext, modseq, uids } = await ask(session, 'open', { path });
      return {
        _id: String(id),
        specialUse: special,
        uidValidity: uidvalidity,
        uidNext: uidnext,
        modifyIndex: modseq,
        uidList: uids,
      };
    },
    async onStatus(path, session) {
      const { messages, unseen, uidnext, uidvalidity, modseq } = await ask(session, 'status', { path });
      return { messages, unseen, uidNext: uidnext, uidValidity: uidvalidity, highestModseq: modseq };
    },
    async onAppend(name, flags, date, raw, session) {
      // imap-core leaves the bytes of a UTF-8 name as they are, here alone.
      const path = session.isUTF8Enabled() ? Buffer.from(name, 'latin1').toString() : name;
      const time = date ? new Date(date).getTime() : Date.now();
      return [true, await ask(session, 'append', { path, flags, date: time, raw: Buffer.from(raw) })];
    },
    async onStore(folder, update, session) {
      const { messages: uids, action, value: flags, unchangedSince, silent, isUid } = update;
      const { changed, modified } = await ask(session, 'store', {
        folder: Number(folder),
        uids,
        action,
        flags,
        unchangedSince,
      });
      const { condstoreEnabled } = session.selected;
      for (const { uid, flags: now, modseq } of silent && !condstoreEnabled ? [] : changed) {
        const shown = { uid: isUid && uid, flags: !silent && now, modseq: condstoreEnabled && modseq };
        session.writeStream.write(session.formatResponse('FETCH', uid, shown));
      }
      return [true, modified];
    },
    async onExpunge(folder, { isUid, messages, silent }, session) {
      const uids = await ask(session, 'expunge', { folder: Number(folder), uids: isUid ? messages : undefined });
      expunged(session, silent ? [] : uids);
      return true;
    },
    onCopy: async (connection, folder, { destination: to, messages: uids }, session) => [
      true,
      await ask(session, 'copy', { folder: Number(folder), uids, to }),
    ],
    async onMove(folder, { destination: to, messages: uids }, session) {
      const moved = await ask(session, 'move', { folder: Number(folder), uids, to });
      expunged(session, moved.sourceUid);
      return [true, moved];
    },
    async onSearch(folder, { query }, session) {
      const { uids, modseq } = await ask(session, 'search', { folder: Number(folder), query });
      return { uidList: uids, highestModseq: modseq };
    },
    async onFetch(folder, options, session) {
      await fetch(ask, Number(folder), options, session);
      return true;
    },
  };
  for (const [name, handler] of Object.entries(handlers)) {
    server[name] = (...parameters) => {
      const callback = parameters.pop();
      handler(...parameters).then(
        (result) => (Array.isArray(result) && result[0] === true ? callback(null, ...result) : callback(null, result)),
        (error) => (CODES.has(error.code) ? callback(null, error.code) : callback(error)),
      );
    };
  }
}

const done = (answer) => answer.then(() => true);

async function listed(ask, session) {
  const folders = await ask(session, 'folders', {});
  return folders.map(({ path, special, subscribed }) => ({ path, specialUse: special, subscribed }));
}

function expunged(session, uids) {
  for (const uid of uids) session.writeStream.write(session.formatResponse('EXPUNGE', uid));
}

// Sources come one by one, so that a FETCH of everything needs the memory of one mail.
async function fetch(ask, folder, { query, messages, markAsSeen, changedSince }, session) {
  const raw = query.some(({ item }) => SOURCE.has(item));
  const described = query.some(({ item }) => item === 'envelope' || item === 'bodystructure');
  const step = raw ? 1 : AT_ONCE;
  const inner = query.filter((item) => !piece(item));
  const parts = inner.some(({ item }) => SOURCE.has(item));
  for (let at = 0; at < messages.length; at += step) {
    const uids = messages.slice(at, at + step);
    if (markAsSeen) await ask(session, 'store', { folder, uids, action: 'add', flags: ['\\Seen'] });
    for (const row of await ask(session, 'fetch', { folder, uids, described, raw, changedSince })) {
      // Without a tree imap-core makes its own, by a parser that knows no end (mime.js).
      const message = { ...row, idate: new Date(row.date), mimeTree: parts && parse(row.raw) };
      const answers = session.getQueryResponse(inner, message, { acceptUTF8Enabled: session.isUTF8Enabled() });
      const values = query.map((item) =>
        piece(item) ? part(piece(item)(row.raw), item.partial) : answers[inner.indexOf(item)],
      );
      const response = session.formatResponse('FETCH', row.uid, { query, values });
      // Nothing is to be said of a message that another session has expunged from this view.
      if (response) {
        await new Promise((resolve) => session.writeStream.write(imapHandler.compileStream(response), resolve));
      }
    }
  }
}

// The source, its header and its text go out as they came in, byte for byte, not as rebuilt from the parts.
const PIECES = {
  content: (raw) => raw,
  header: (raw) => raw.subarray(0, body(raw)),
  text: (raw) => raw.subarray(body(raw)),
};

function piece({ item, path, type }) {
  if (item === 'body') return path === '' && Object.hasOwn(PIECES, type) ? PIECES[type] : undefined;
  return { rfc822: PIECES.content, 'rfc822.header': PIECES.header, 'rfc822.text': PIECES.text }[item];
}

function part(raw, { startFrom = 0, maxLength = raw.length } = {}) {
  return raw.toString('latin1', startFrom, Math.min(raw.length, startFrom + maxLength));
}

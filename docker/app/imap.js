// The role `imap`: mail clients read their mailboxes (RFC 9051's predecessor IMAP4rev1, RFC 3501).
import { live } from './lib/life.js';
import { Accounts } from './lib/accounts.js';
import { IMAPServer } from './lib/imap-core.js';
import { handle } from './lib/imap-handlers.js';
import { Sessions } from './lib/imap-sessions.js';
import { close, listen } from './lib/listen.js';
import { log } from './lib/log.js';
import { Login, TooMany } from './lib/login.js';
import { notifications } from './lib/notifications.js';
import { encrypt } from './lib/secrets.js';
import { bytes, settings } from './lib/settings.js';
import { Away, Storage } from './lib/storage.js';
import { certificate, implicit } from './lib/tls.js';

await live('imap', start);

async function start() {
  const accounts = new Accounts();
  const login = new Login(accounts);
  const storage = new Storage(await notifications('IMAP'));
  const sessions = new Sessions();
  storage.on('push', ({ account, changes }) => sessions.changed(account, changes));
  storage.on('lost', () => sessions.end('The mailbox store is away, please reconnect'));
  const ask = (session, method, parameters) =>
    storage.request(method, { ...session.user.key, session: session.id, ...parameters });

  const options = {
    ...certificate(),
    noDelay: true, // imap-core writes an answer in pieces, and the last one would wait 40 ms for the client's ACK
    secure: implicit(settings.IMAP_PORT, '993'),
    SNICallback: (name, done) => done(null), // the one certificate serves every name
    id: { name: 'postbox' },
    logger: false,
    maxMessage: bytes('SMTP_MESSAGE_MAX_SIZE'),
    closeTimeout: 300,
    // A session that ends while its login is under way is logged out when that has come through.
    onClose(session, done) {
      session.ended = true;
      if (session.key) leave(storage, session);
      done();
    },
  };
  const servers = await listen(() => {
    const server = new IMAPServer(options);
    server.notifier = sessions;
    server.onAuth = (attempt, session, done) =>
      enter(attempt, session, login, storage).then((user) => done(null, user), done);
    handle(server, ask);
    return server;
  }, settings.IMAP_PORT);
  return async () => {
    await close(servers);
    storage.close();
    await accounts.close();
  };
}

async function enter({ username, password }, session, login, storage) {
  try {
    const account = await login.check(username, password, session.remoteAddress);
    if (!account) return undefined;
    const key = { account: account.id, password: encrypt(password) };
    await storage.request('login', { ...key, session: session.id });
    session.key = key;
    if (session.ended) leave(storage, session);
    return { user: { id: account.id, username: account.address, key } };
  } catch (error) {
    if (error.code === 'AUTHENTICATIONFAILED') return undefined;
    const text = error instanceof TooMany ? error.message : 'The mailbox store is away, try again later';
    log('error', 'login failed', { error, away: error instanceof Away });
    throw Object.assign(new Error(text), { response: 'NO', code: error instanceof TooMany ? 'LIMIT' : 'UNAVAILABLE' });
  }
}

function leave(storage, session) {
  storage.request('logout', { ...session.key, session: session.id }).catch(() => {}); // gone together with the store
}

// The role `pop3`: mail clients fetch their mailboxes (RFC 1939).
import { live } from './lib/life.js';
import { createServer } from 'node:net';
import { createSecureContext } from 'node:tls';
import { Accounts } from './lib/accounts.js';
import { close, listen } from './lib/listen.js';
import { log } from './lib/log.js';
import { Login, TooMany } from './lib/login.js';
import { InUse, open } from './lib/pop3-maildrop.js';
import { Refusal, Session } from './lib/pop3-session.js';
import { encrypt } from './lib/secrets.js';
import { settings } from './lib/settings.js';
import { Storage } from './lib/storage.js';
import { certificate, implicit } from './lib/tls.js';

const DAMAGED = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB']);

await live('pop3', start);

async function start() {
  const accounts = new Accounts();
  const login = new Login(accounts);
  const storage = new Storage();
  const options = {
    secure: implicit(settings.POP3_PORT, '995'),
    context: createSecureContext(certificate()),
    refusal,
    async enter(address, password, client) {
      const account = await login.check(address, password, client);
      if (!account) throw new Refusal('[AUTH] Wrong address or password');
      const key = { account: account.id, password: encrypt(password) };
      return open(account.id, (method, parameters) => storage.request(method, { ...key, ...parameters }));
    },
  };
  const sessions = new Map();
  const accept = (socket) => {
    const session = new Session(socket, options);
    const over = session.run().finally(() => sessions.delete(session));
    sessions.set(session, over);
  };
  // A client may say all that it has to say, close its half, and still wants its answers.
  const sockets = { allowHalfOpen: true, noDelay: true, keepAlive: true };
  const servers = await listen(() => createServer(sockets, accept), settings.POP3_PORT);
  return async () => {
    const closed = close(servers);
    for (const session of sessions.keys()) session.drain();
    await Promise.all([closed, ...sessions.values()]);
    storage.close();
    await accounts.close();
  };
}

// What the client is told, with the response codes of RFC 2449 and RFC 3206: on [AUTH] it asks for the password anew,
// on [SYS/TEMP] it only comes again later.
function refusal(error) {
  if (error instanceof Refusal) return error;
  if (error instanceof TooMany) return new Refusal(`[SYS/TEMP] ${error.message}`);
  if (error instanceof InUse) return new Refusal('[IN-USE] Another session has this mailbox');
  if (error.code === 'AUTHENTICATIONFAILED') return new Refusal('[AUTH] Wrong address or password');
  log('error', 'command failed', { error });
  if (DAMAGED.has(error.code)) return new Refusal('[SYS/PERM] The mailbox is damaged, ask whoever keeps it');
  return new Refusal('[SYS/TEMP] The mailbox store is away, try again later');
}

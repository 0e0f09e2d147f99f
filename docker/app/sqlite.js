// The role `sqlite`: the only writer of mailboxes, asked by the others over a WebSocket.
import { live } from './lib/life.js';
import { createServer as plain } from 'node:http';
import { createServer as secure } from 'node:https';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { WebSocketServer } from 'ws';
import { Accounts } from './lib/accounts.js';
import { close, listen } from './lib/listen.js';
import { lock } from './lib/lock.js';
import { log } from './lib/log.js';
import { Mailboxes } from './lib/mailboxes.js';
import { notifications } from './lib/notifications.js';
import { Refusal } from './lib/refusal.js';
import { authorized, decrypt } from './lib/secrets.js';
import { bytes, production, settings } from './lib/settings.js';
import { folder } from './lib/state.js';
import { certificate } from './lib/tls.js';

const OVERHEAD = 1024 * 1024; // bytes of a request around the greatest mail

await live('sqlite', start, { within: 60_000 });

async function start() {
  const mail = folder(settings.SQLITE_STORAGE_PATH);
  mkdirSync(settings.SQLITE_TMPDIR, { recursive: true });
  process.env.SQLITE_TMPDIR = settings.SQLITE_TMPDIR; // where SQLite itself looks
  const unlock = lock(join(mail, 'mailboxes'));
  const accounts = new Accounts();
  const mailboxes = new Mailboxes(mail);
  const redis = await notifications('IMAP');
  const underWay = new Set();
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: bytes('SMTP_MESSAGE_MAX_SIZE') + OVERHEAD,
  });
  sockets.on('connection', (socket, { url }) => {
    const news = redis && url !== '/' ? { redis, topic: url.slice(1) } : undefined;
    serve(socket, mailboxes, accounts, underWay, news);
  });

  const servers = await listen(() => {
    const server = production ? secure(certificate()) : plain();
    server.on('request', (request, response) =>
      response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end(),
    );
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      if (authorized(request.headers.authorization)) {
        sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request));
      } else socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    });
    return server;
  }, settings.SQLITE_PORT);

  return async () => {
    const closed = close(servers);
    for (const client of sockets.clients) client.removeAllListeners('message');
    await Promise.all(underWay);
    for (const client of sockets.clients) client.close(1001);
    mailboxes.close();
    redis?.close();
    await accounts.close();
    unlock();
    setTimeout(() => {
      for (const client of sockets.clients) client.terminate();
      for (const server of servers) server.closeAllConnections();
    }, 500);
    await closed;
  };
}

// `news`: where to tell of changes, if not over the socket. Who could not be told loses the socket, and looks anew.
function serve(socket, mailboxes, accounts, underWay, news) {
  const tell = (account, changes) => {
    const data = serialize({ account, changes });
    if (news) news.redis.publish(news.topic, data).catch(() => socket.terminate());
    else socket.send(data);
  };
  const methods = {
    // An account that was removed meanwhile takes its mail with it.
    async deliver({ arrivals, raw }) {
      const exist = await Promise.all(arrivals.map(({ account }) => accounts.exists(account)));
      const known = arrivals.filter((_, index) => exist[index]);
      mailboxes.deliver(known, raw);
      setImmediate(() => known.forEach(({ account }) => mailboxes.refresh(account)));
    },
    login: ({ account, password, session }) => mailboxes.login(account, decrypt(password), session, tell),
    logout: ({ account, session }) => mailboxes.logout(account, session),
    remove: ({ account }) => mailboxes.remove(account),
    housekeep: (request) => mailboxes.housekeep(request),
  };
  const answer = async (data) => {
    const { id, method, ...parameters } = deserialize(data);
    try {
      const { account, password, ...rest } = parameters;
      const result = methods[method]
        ? await methods[method](parameters)
        : mailboxes.call(account, decrypt(password), method, rest);
      await news?.redis.published();
      socket.send(serialize({ id, result }));
    } catch (error) {
      if (!(error instanceof Refusal)) log('error', 'request failed', { method, error });
      socket.send(serialize({ id, error: { message: error.message, code: error.code } }));
    }
  };
  socket.on('message', (data) => {
    const answered = answer(data).finally(() => underWay.delete(answered));
    underWay.add(answered);
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => mailboxes.leave(tell));
}

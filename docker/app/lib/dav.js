// What caldav and carddav have in common: WebDAV (RFC 4918) over HTTP for whoever signs in.
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { auth } from 'hono/utils/basic-auth';
import { Accounts } from './accounts.js';
import { client } from './client.js';
import { allowed, methods } from './dav-methods.js';
import { find } from './dav-paths.js';
import { MOST_BYTES } from './dav-properties.js';
import { Refused, XML, document, element } from './dav-xml.js';
import { serveHttp } from './http.js';
import { log } from './log.js';
import { Login, TooMany } from './login.js';
import { encrypt } from './secrets.js';
import { Away, Storage } from './storage.js';

const AGAIN = { away: 5, limit: 60 }; // s until a client should try again
// What sqlite refuses, as HTTP says it.
const REFUSALS = {
  AUTHENTICATIONFAILED: [401],
  NONEXISTENT: [404],
  ALREADYEXISTS: [405],
  NOCOLLECTION: [409],
  PRECONDITION: [412],
  UNKNOWNREVISION: [403, 'D:valid-sync-token'],
  SQLITE_FULL: [507],
};
const CREATES = new Set(['OPTIONS', 'PUT', 'MKCOL', 'MKCALENDAR']);

export async function serveDav(kind, settingsPrefix) {
  const accounts = new Accounts();
  const login = new Login(accounts);
  const storage = new Storage();
  const handlers = methods(kind);
  const app = new Hono();
  app.onError((error, context) => tell(error, context, kind));
  app.get('/', (context) => context.text(`postbox ${kind.role}\n`));
  app.all(`/.well-known/${kind.role}`, (context) => context.redirect('/dav/', 301)); // RFC 6764 5
  app.use(async (context, next) => {
    const { username = '', password = '' } = auth(context.req.raw) ?? {};
    const account = username && (await check(login, username, password, client(context)));
    if (!account) throw new Refused(401);
    const key = { account: account.id, password: encrypt(password), kind: kind.kind };
    const ask = (method, parameters) => storage.request(method, { ...key, ...parameters });
    context.set('user', { address: account.address, ask });
    context.header('dav', kind.compliance); // some clients look for it in any answer
    await next();
  });
  const tooBig = (context) => tell(new Refused(413, `${kind.prefix}:max-resource-size`), context, kind);
  app.use(bodyLimit({ maxSize: MOST_BYTES, onError: tooBig }));
  app.all('*', async (context) => {
    const method = context.req.method === 'HEAD' ? 'GET' : context.req.method;
    if (!handlers[method]) throw new Refused(405);
    const resource = await find(context.req.url, context.get('user'), kind);
    if (resource.type !== 'absent' || CREATES.has(method)) return handlers[method](context, resource);
    throw new Refused(404);
  });
  const close = await serveHttp(app, settingsPrefix);
  return async () => {
    await close();
    storage.close();
    await accounts.close();
  };
}

async function check(login, ...attempt) {
  try {
    return await login.check(...attempt);
  } catch (cause) {
    throw cause instanceof TooMany ? cause : new Away('the accounts are away', { cause });
  }
}

function tell(error, context, kind) {
  if (error instanceof Away) {
    log('error', 'cannot answer now', { error });
    return context.text('The mailbox is away, try again later\n', 503, { 'retry-after': String(AGAIN.away) });
  }
  if (error instanceof TooMany) return context.text(`${error.message}\n`, 429, { 'retry-after': String(AGAIN.limit) });
  const told = error instanceof Refused ? [error.status, error.condition] : REFUSALS[error.code];
  const [status, condition] = told ?? [500];
  if (!told) log('error', 'request failed', { method: context.req.method, error });
  if (status === 401) context.header('www-authenticate', `Basic realm="postbox ${kind.role}", charset="UTF-8"`);
  if (status === 405) context.header('allow', allowed(kind));
  if (!condition) return context.body(null, status);
  return context.body(document('D:error', element(condition, error.content)), status, XML);
}

// What caldav and carddav have in common: WebDAV (RFC 4918) for the collections of whoever signs in.
//
//     /principals/ADDRESS/           the user (RFC 5397)
//     /dav/ADDRESS/                  the user's collections
//     /dav/ADDRESS/COLLECTION/NAME   an object in one
import { getConnInfo } from '@hono/node-server/conninfo';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { auth } from 'hono/utils/basic-auth';
import { Accounts } from './accounts.js';
import { MOST_BYTES, Properties, inside } from './dav-properties.js';
import { report } from './dav-reports.js';
import { Refused, child, children, document, element, href, nameOf, parse, response } from './dav-xml.js';
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
    const account = username && (await login.check(username, password, getConnInfo(context).remote.address));
    if (!account) throw new Refused(401);
    const name = encodeURIComponent(account.address);
    const key = { account: account.id, password: encrypt(password) };
    const ask = (method, parameters) => storage.request(method, { ...key, kind: kind.kind, ...parameters });
    context.set('user', { address: account.address, principal: `/principals/${name}/`, home: `/dav/${name}/`, ask });
    await next();
  });
  app.use(bodyLimit({ maxSize: MOST_BYTES, onError: () => tooMuch(kind) }));
  app.all('*', async (context) => {
    const { method } = context.req;
    if (!handlers[method]) throw new Refused(405);
    const resource = await find(context, kind);
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

const CREATES = new Set(['OPTIONS', 'PUT', 'MKCOL', 'MKCALENDAR']);

function tooMuch({ prefix }) {
  throw new Refused(413, `${prefix}:max-resource-size`);
}

// What is at the path of a request. `row` as sqlite has it; type `absent` where something could be but is not.
async function find(context, kind) {
  const user = context.get('user');
  const [top, address, name, object, ...more] = segments(context.req.url);
  if (!address && (!top || top === 'dav')) return { type: 'root', path: top ? '/dav/' : '/', user };
  if (address && address.toLowerCase() !== user.address) throw new Refused(403);
  if (top === 'principals' && address && !name) return { type: 'principal', path: user.principal, user };
  if (top !== 'dav' || more.length) throw new Refused(404);
  if (!name) return { type: 'home', path: user.home, user };
  const row = (await user.ask('collections', { first: kind.first })).find((each) => each.name === name);
  const collection = {
    type: row ? 'collection' : 'absent',
    path: `${user.home}${encodeURIComponent(name)}/`,
    name,
    row,
    user,
  };
  if (!object) return collection;
  const [found] = row ? await user.ask('objects', { collection: name, names: [object], whole: true }) : [];
  return { ...inside(collection, found ?? { name: object }), collection, ...(!found && { type: 'absent' }) };
}

function segments(url) {
  try {
    return new URL(url).pathname.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    throw new Refused(400);
  }
}

function methods(kind) {
  const properties = new Properties(kind);
  const allowed = [
    'OPTIONS',
    'GET',
    'HEAD',
    'PUT',
    'DELETE',
    'PROPFIND',
    'PROPPATCH',
    'REPORT',
    'MKCOL',
    ...kind.methods,
  ];
  const conditions = ({ req }) => ({ match: req.header('if-match'), noneMatch: req.header('if-none-match') });
  const multistatus = (context, content) => xml(context, 207, document('D:multistatus', content));

  // RFC 5689, RFC 4791 5.3.1
  async function make(context, { type, user, name, row }) {
    if (row) throw new Refused(405);
    if (type !== 'absent' || !name) throw new Refused(403, `${kind.prefix}:${kind.type}-collection-location-ok`);
    const body = await read(context);
    const set = child(child(body, 'D:set'), 'D:prop');
    const types = children(child(set, 'D:resourcetype')).map(nameOf);
    if (context.req.method === 'MKCOL' && !types.includes(`${kind.prefix}:${kind.type}`)) {
      throw new Refused(403, 'D:valid-resourcetype');
    }
    const { changes, forbidden } = body ? properties.changes(body) : { changes: {}, forbidden: [] };
    for (const each of forbidden) {
      if (!['D:resourcetype', ...kind.settable].includes(each)) {
        throw new Refused(403, 'D:cannot-modify-protected-property');
      }
      delete changes[each];
    }
    await user.ask('createCollection', { name, components: kind.components(set), properties: changes });
    return context.body(null, 201);
  }

  return {
    OPTIONS: (context) =>
      context.body(null, 200, { dav: kind.compliance, allow: allowed.join(', '), 'content-length': '0' }),

    GET(context, { type, row }) {
      if (type !== 'object') throw new Refused(405);
      const modified = new Date(row.modified).toUTCString();
      const headers = { 'content-type': `${kind.mime}; charset=utf-8`, etag: row.etag, 'last-modified': modified };
      return context.body(row.data, 200, headers);
    },

    async PUT(context, { collection, row, user }) {
      if (!collection) throw new Refused(405);
      if (!collection.row) throw new Refused(409);
      const data = await text(context, new Refused(403, kind.invalid));
      const about = kind.read(data, collection.row);
      const object = { collection: collection.name, name: row.name, conditions: conditions(context), ...about, data };
      const { etag, created, conflict } = await user.ask('putObject', object);
      if (conflict === undefined) return context.body(null, created ? 201 : 204, { etag });
      throw new Refused(403, `${kind.prefix}:no-uid-conflict`, href(inside(collection, { name: conflict }).path));
    },

    async DELETE(context, { type, collection, name, row, user }) {
      if (type === 'object') {
        await user.ask('deleteObject', {
          collection: collection.name,
          name: row.name,
          conditions: conditions(context),
        });
      } else if (type === 'collection') await user.ask('deleteCollection', { collection: name });
      else throw new Refused(403);
      return context.body(null, 204);
    },

    async PROPFIND(context, resource) {
      const depth = context.req.header('depth') ?? 'infinity';
      if (!['0', '1'].includes(depth) && resource.type !== 'object') throw new Refused(403, 'D:propfind-finite-depth');
      const body = await read(context);
      if (body && nameOf(body) !== 'D:propfind') throw new Refused(400);
      const shown = [resource, ...(depth === '1' ? await members(resource, kind) : [])];
      return multistatus(context, shown.map((each) => properties.describe(each, body)).join(''));
    },

    // All or nothing (RFC 4918 9.2).
    async PROPPATCH(context, { type, path, name, user }) {
      const body = await read(context);
      if (!body || nameOf(body) !== 'D:propertyupdate') throw new Refused(400);
      const { changes, forbidden } = properties.changes(body);
      const wrong = new Set(type === 'collection' ? forbidden : Object.keys(changes));
      if (!wrong.size) await user.ask('changeCollection', { collection: name, changes });
      const named = (wanted) =>
        Object.keys(changes)
          .filter((each) => wrong.has(each) === wanted)
          .map((each) => element(each));
      return multistatus(context, response(path, { [wrong.size ? 424 : 200]: named(false), 403: named(true) }));
    },

    MKCOL: make,
    ...Object.fromEntries(kind.methods.map((method) => [method, make])),

    async REPORT(context, resource) {
      const body = await read(context);
      if (!body) throw new Refused(400);
      const [status, type, content] = await report(body, resource, kind, properties);
      return context.body(content, status, { 'content-type': `${type}; charset=utf-8` });
    },
  };
}

async function members(resource, kind) {
  const { type, path, name, user } = resource;
  if (type === 'collection') {
    return (await user.ask('objects', { collection: name })).map((row) => inside(resource, row));
  }
  if (type !== 'home') return [];
  const rows = await user.ask('collections', { first: kind.first });
  return rows.map((row) => ({ type: 'collection', path: `${path}${encodeURIComponent(row.name)}/`, row, user }));
}

async function text(context, otherwise) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await context.req.arrayBuffer());
  } catch (error) {
    throw error instanceof TypeError ? otherwise : error;
  }
}

async function read(context) {
  return parse(await text(context, new Refused(400)));
}

const xml = (context, status, content) =>
  context.body(content, status, { 'content-type': 'application/xml; charset=utf-8' });

function tell(error, context, kind) {
  if (error instanceof Away) {
    log('error', 'sqlite is away', { error });
    return context.text('The mailbox store is away, try again later\n', 503, { 'retry-after': String(AGAIN.away) });
  }
  if (error instanceof TooMany) return context.text(`${error.message}\n`, 429, { 'retry-after': String(AGAIN.limit) });
  const [status, condition] =
    error instanceof Refused ? [error.status, error.condition] : (REFUSALS[error.code] ?? [500]);
  if (status === 500) log('error', 'request failed', { method: context.req.method, error });
  if (status === 401) context.header('www-authenticate', `Basic realm="postbox ${kind.role}", charset="UTF-8"`);
  if (!condition) return context.body(null, status);
  return xml(context, status, document('D:error', element(condition, error.content)));
}

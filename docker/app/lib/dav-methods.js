// What the methods of WebDAV do in calendars and address books (RFC 4918 9, 4791 5.3, 5689, 6352 6.3).
import { inside } from './dav-paths.js';
import { Properties } from './dav-properties.js';
import { report } from './dav-reports.js';
import { Refused, XML, child, children, document, element, href, nameOf, parse, response } from './dav-xml.js';

const MOST_XML = 1024 * 1024; // characters: thousands of hrefs; to read more of it takes seconds
const METHODS = ['OPTIONS', 'GET', 'HEAD', 'PUT', 'DELETE', 'PROPFIND', 'PROPPATCH', 'REPORT', 'MKCOL'];
export const allowed = (kind) => [...METHODS, ...kind.methods].join(', ');

// By name: what answers a request for a resource, which is there but for those that make one.
export function methods(kind) {
  const properties = new Properties(kind);
  const conditions = ({ req }) => ({ match: req.header('if-match'), noneMatch: req.header('if-none-match') });
  const multistatus = (context, content) => context.body(document('D:multistatus', content), 207, XML);

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
    OPTIONS: (context) => context.body(null, 200, { allow: allowed(kind), 'content-length': '0' }),

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

// The root of the body.
async function read(context) {
  const body = await text(context, new Refused(400));
  if (body.length > MOST_XML) throw new Refused(413);
  return parse(body);
}

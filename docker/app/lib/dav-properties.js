// Properties of what DAV shows (RFC 4918 15, 3744, 5397, 4791, 6352): the live ones are told from what is there, the
// others are kept as the client wrote them.
import { collations } from './dav-filter.js';
import { home, principal } from './dav-paths.js';
import { Refused, child, children, element, escaped, href, nameOf, response, serialized } from './dav-xml.js';

export const MOST_BYTES = 4 * 1024 * 1024; // of an object: an event with a small attachment, a contact with a photo
const PRIVILEGES = ['read', 'write', 'write-properties', 'write-content', 'bind', 'unbind'];
const USUAL = ['resourcetype', 'displayname', 'getetag', 'getcontenttype', 'getcontentlength', 'getlastmodified'];

// The properties of one kind; a function gives the content for a resource, or undefined if that has none.
function live(kind) {
  const own = element('D:collection') + element(`${kind.prefix}:${kind.type}`);
  const types = { root: element('D:collection'), home: element('D:collection'), collection: own, object: '' };
  const reports = kind.reports.map((name) => element('D:supported-report', element('D:report', element(name))));
  const privileges = PRIVILEGES.map((name) => element('D:privilege', element(`D:${name}`)));
  const user = (resource) => href(principal(resource.user.address));
  const of =
    (...wanted) =>
    (tell) =>
    (resource) =>
      wanted.includes(resource.type) ? tell(resource) : undefined;
  const collection = of('collection');
  const object = of('object');
  const owned = of('home', 'collection', 'object');
  return {
    'D:resourcetype': ({ type }) => types[type] ?? element('D:collection') + element('D:principal'),
    'D:current-user-principal': user,
    'D:principal-URL': of('principal')(user),
    'D:owner': owned(user),
    'D:current-user-privilege-set': owned(() => privileges.join('')),
    'D:supported-report-set': collection(() => reports.join('')),
    [kind.home]: of('principal')((resource) => href(home(resource.user.address))),
    [`${kind.prefix}:max-resource-size`]: collection(() => String(MOST_BYTES)),
    [`${kind.prefix}:supported-collation-set`]: collection(() =>
      collations.map((name) => element(`${kind.prefix}:supported-collation`, name)).join(''),
    ),
    ...Object.fromEntries(
      Object.entries(kind.properties).map(([name, tell]) => [name, collection(({ row }) => tell(row))]),
    ),
    'S:getctag': collection(({ row }) => token(row)),
    'D:sync-token': collection(({ row }) => token(row)),
    'D:getetag': object(({ row }) => escaped(row.etag)),
    'D:getcontenttype': object(() => `${kind.mime}; charset=utf-8`),
    'D:getcontentlength': object(({ row }) => String(row.size)),
    'D:getlastmodified': object(({ row }) => new Date(row.modified).toUTCString()),
    [kind.data]: object(({ row }) => row.data && escaped(row.data)),
  };
}

// RFC 6578 3.2: a token is a URI that means nothing to the client.
export const token = ({ id, revision }) => `data:,${id}-${revision}`;

export class Properties {
  constructor(kind) {
    this.live = live(kind);
  }

  // Tells of a resource what a body asks for: `D:prop`, `D:allprop`, `D:propname`, or no body, which is all.
  describe(resource, body) {
    const asked = children(child(body, 'D:prop')).map(nameOf);
    const kept = { ...(resource.type === 'principal' && named(resource.user.address)), ...resource.row?.properties };
    if (body && child(body, 'D:propname')) {
      const there = Object.keys(this.live).filter((name) => this.live[name](resource) !== undefined);
      return response(resource.path, { 200: [...there, ...Object.keys(kept)].map((name) => element(name)) });
    }
    const prop = body && child(body, 'D:prop');
    if (body && !prop && !child(body, 'D:allprop')) throw new Refused(400);
    const names = prop ? asked : new Set([...USUAL.map((name) => `D:${name}`), ...Object.keys(kept)]);
    const statuses = { 200: [], 404: [] };
    for (const name of names) {
      const content = Object.hasOwn(this.live, name) ? this.live[name](resource) : undefined;
      if (content !== undefined) statuses[200].push(element(name, content));
      else if (Object.hasOwn(kept, name)) statuses[200].push(kept[name]);
      else if (prop) statuses[404].push(element(name));
    }
    return response(resource.path, statuses);
  }

  // What a PROPPATCH, MKCOL or MKCALENDAR sets (or removes: null), by name, and which of these it may not.
  changes(body) {
    const changes = {};
    for (const part of children(body)) {
      const kept = nameOf(part) === 'D:set';
      if (!kept && nameOf(part) !== 'D:remove') throw new Refused(400);
      for (const each of children(child(part, 'D:prop'))) changes[nameOf(each)] = kept ? serialized(each) : null;
    }
    const forbidden = Object.keys(changes).filter((name) => Object.hasOwn(this.live, name));
    return { changes, forbidden };
  }
}

const named = (address) => ({ 'D:displayname': element('D:displayname', escaped(address)) });

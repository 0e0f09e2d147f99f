// Reports: queries, several objects at once, what has changed, and when somebody is busy (RFC 4791 7, 6352 8, 6578).
import { inside } from './dav-paths.js';
import { token } from './dav-properties.js';
import { busy, expanded, range } from './dav-time.js';
import { Refused, child, children, document, element, href, nameOf, status, textOf } from './dav-xml.js';

// Answers with [status, type, text]. `body` is the report's root, `resource` the collection that it was sent to.
export async function report(body, resource, kind, properties) {
  const name = nameOf(body);
  if (resource.type !== 'collection' || !kind.reports.includes(name)) throw new Refused(403, 'D:supported-report');
  const ask = (method, parameters) =>
    resource.user.ask(method, { kind: kind.kind, collection: resource.row.name, ...parameters });
  const context = { body, resource, kind, ask, tell: teller(body, resource, kind, properties) };
  if (name === 'C:free-busy-query') return [200, kind.mime, await freeBusy(context)];
  const answer = name === 'D:sync-collection' ? sync : name.endsWith('-multiget') ? several : query;
  return [207, 'application/xml', document('D:multistatus', await answer(context))];
}

const wantsData = (body, kind) => Boolean(child(child(body, 'D:prop'), kind.data));
const missing = (path) => element('D:response', href(path) + status(404));

// A function that describes an object; expands it first if it is asked to.
function teller(body, resource, kind, properties) {
  const asked = child(child(child(body, 'D:prop'), kind.data), 'C:expand');
  const span = asked && range(asked, 'C:valid-filter');
  if (span?.some((time) => !Number.isFinite(time))) throw new Refused(400);
  return (row) => {
    const shown = span && row.data ? { ...row, data: expanded(kind.parse(row.data), span) } : row;
    return properties.describe(inside(resource, shown), body);
  };
}

async function query({ body, kind, ask, tell, resource }) {
  const filter = child(body, `${kind.prefix}:filter`);
  if (!filter) throw new Refused(400);
  const matches = kind.filter(filter);
  const rows = await ask('objects', { range: finite(kind.widest(filter)), whole: true });
  const found = rows.filter(({ data }) => matches(kind.parse(data)));
  const limit = most(child(body, `${kind.prefix}:limit`), kind.prefix);
  const rest = found.length > limit ? cut(resource) : '';
  return found.slice(0, limit).map(tell).join('') + rest;
}

async function several({ body, resource, kind, ask, tell }) {
  const paths = children(body, 'D:href').map(textOf);
  const names = new Map(paths.map((path) => [path, nameIn(path, resource.path)]));
  const wanted = [...names.values()].filter((name) => name !== undefined);
  const rows = await ask('objects', { names: wanted, whole: wantsData(body, kind) });
  const found = new Map(rows.map((row) => [row.name, row]));
  return paths.map((path) => (found.has(names.get(path)) ? tell(found.get(names.get(path))) : missing(path))).join('');
}

// The name of the object at a path, which may be a whole URL and escaped in another way than ours.
function nameIn(path, folder) {
  try {
    const { pathname } = new URL(path, 'https://any.invalid');
    const [name, ...above] = pathname.split('/').map(decodeURIComponent).reverse();
    return above.reverse().join('/') === decodeURIComponent(folder).slice(0, -1) ? name : undefined;
  } catch {
    return undefined;
  }
}

async function sync({ body, resource, kind, ask, tell }) {
  const given = textOf(child(body, 'D:sync-token'));
  const [, id, revision] = /^data:,(\d+)-(\d+)$/.exec(given) ?? [];
  if (given && !id) throw new Refused(403, 'D:valid-sync-token');
  const limit = most(child(body, 'D:limit'), 'D');
  const since = given ? { id: Number(id), revision: Number(revision) } : undefined;
  const answer = await ask('changes', { since, limit, whole: wantsData(body, kind) });
  const told = answer.changed.map((row) =>
    row.etag ? tell(row) : missing(resource.path + encodeURIComponent(row.name)),
  );
  return told.join('') + (answer.more ? cut(resource) : '') + element('D:sync-token', token(answer));
}

async function freeBusy({ body, kind, ask }) {
  const time = child(body, 'C:time-range');
  const span = time && range(time, 'C:valid-filter');
  if (!span?.every(Number.isFinite)) throw new Refused(400);
  const rows = await ask('objects', { range: span, whole: true });
  return busy(
    rows.map(({ data }) => kind.parse(data)),
    span,
  );
}

const finite = (span) => span.map((time) => (Number.isFinite(time) ? time : null));
// There is more than was asked for (RFC 6578 3.6, RFC 6352 8.6.2).
const cut = ({ path }) =>
  element('D:response', href(path) + status(507) + element('D:error', element('D:number-of-matches-within-limits')));

function most(limit, prefix) {
  if (!limit) return 1_000_000;
  const number = Number(textOf(child(limit, `${prefix}:nresults`)));
  if (!Number.isInteger(number) || number < 1) throw new Refused(400);
  return number;
}

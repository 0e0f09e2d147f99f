// Where things are, for whoever signs in:
//
//     /principals/ADDRESS/           the user (RFC 5397)
//     /dav/ADDRESS/                  the user's collections
//     /dav/ADDRESS/COLLECTION/NAME   an object in one
import { Refused } from './dav-xml.js';

export const principal = (address) => `/principals/${encodeURIComponent(address)}/`;
export const home = (address) => `/dav/${encodeURIComponent(address)}/`;
// What is in a collection.
export const inside = ({ path, user }, row) => ({
  type: 'object',
  path: path + encodeURIComponent(row.name),
  row,
  user,
});

// What is at the URL of a request. `row` as sqlite has it; type `absent` where something could be but is not.
export async function find(url, user, kind) {
  const [top, address, name, object, ...more] = segments(url);
  if (!address && (!top || top === 'dav')) return { type: 'root', path: top ? '/dav/' : '/', user };
  if (address && address.toLowerCase() !== user.address) throw new Refused(403);
  if (top === 'principals' && address && !name) return { type: 'principal', path: principal(user.address), user };
  if (top !== 'dav' || more.length) throw new Refused(404);
  if (!name) return { type: 'home', path: home(user.address), user };
  const row = (await user.ask('collections', { first: kind.first })).find((each) => each.name === name);
  const collection = {
    type: row ? 'collection' : 'absent',
    path: `${home(user.address)}${encodeURIComponent(name)}/`,
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

// Lists the licences of the packages that are installed in a folder, and refuses those that nobody has allowed:
// licences.mjs NODE_MODULES FILE "ALLOWED…" "NAME[@VERSION]…"
//
// What package.json says is an SPDX expression (https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/): of words
// that are joined by OR one has to be allowed, of those that are joined by AND all. The texts stay in the packages. Some say
// only where to read (SEE LICENSE IN …): of these, and of others, a person reads it and names the package.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [modules, file, ...lists] = process.argv.slice(2);
const [words, accepted] = lists.map((list) => list.split(/\s+/).filter(Boolean));
const lines = new Set();
const refused = new Map();
if (existsSync(modules)) folder(modules);
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, [...lines].sort().map((line) => `${line}\n`).join(''));
console.log(`${lines.size} packages, and the licence of each is in ${file}`);
if (refused.size > 0) {
  console.error('not among the allowed licences:');
  for (const one of [...refused.values()].sort()) console.error(`  ${one}`);
  const [first] = [...refused.keys()].sort();
  console.error(`
Read each, with the package or where it says. Then either add it to the licences that every package may have, all of which the
build argument LICENCES lists (SPDX), or accept it for the package alone: LICENCES_OF="${first} …", or without the version.`);
  process.exit(1);
}

/** A folder of packages, scopes and, with pnpm, the packages' own folders of packages. Links lead to what is seen anyway. */
function folder(path) {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (!entry.isDirectory()) continue;
    if (entry.name === '.pnpm') {
      for (const one of readdirSync(inside)) {
        if (existsSync(join(inside, one, 'node_modules'))) folder(join(inside, one, 'node_modules'));
      }
    } else if (entry.name.startsWith('@')) {
      folder(inside);
    } else if (existsSync(join(inside, 'package.json'))) {
      note(JSON.parse(readFileSync(join(inside, 'package.json'), 'utf8')));
      if (existsSync(join(inside, 'node_modules'))) folder(join(inside, 'node_modules'));
    }
  }
}

function note(manifest) {
  const { name, version } = manifest;
  const licence = told(manifest);
  const line = `${name} ${version}: ${licence}`;
  const [isListed, isAccepted] = [isAllowed(licence), accepted.includes(name) || accepted.includes(`${name}@${version}`)];
  lines.add(!isListed && isAccepted ? `${line} (read and accepted for this package by who built the image)` : line);
  if (!isListed && !isAccepted) refused.set(`${name}@${version}`, line);
}

/** What a package says of its licence, in each of the ways there were. */
function told({ license, licenses }) {
  const one = (it) => (typeof it === 'string' ? it : it?.type) ?? 'none';
  return Array.isArray(licenses) ? licenses.map(one).join(' OR ') || 'none' : one(license ?? licenses);
}

function isAllowed(licence) {
  const tokens = licence.match(/\(|\)|[^\s()]+/g) ?? [];
  let at = 0;
  const good = joined('OR', () => joined('AND', single));
  return good && at === tokens.length;

  function joined(word, next) {
    const all = [next()];
    while (tokens[at] === word) {
      at += 1;
      all.push(next());
    }
    return word === 'OR' ? all.some(Boolean) : all.every(Boolean);
  }

  function single() {
    const token = tokens[at];
    at += 1;
    if (token === '(') {
      const inside = joined('OR', () => joined('AND', single));
      at += 1;
      return inside;
    }
    // An exception only allows more.
    if (tokens[at] === 'WITH') at += 2;
    return words.includes(token);
  }
}

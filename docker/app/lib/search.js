// SEARCH (RFC 9051 6.4.4) over one folder; the query is the tree that imap-core's parser makes of the command.
import { decodeWords } from 'postal-mime';
import { head } from './message.js';
import { parse, text } from './mime.js';

// The uids that match, and the highest modseq among them. Sources are read only for terms that need them.
export function search(mailbox, { folder, query }) {
  const rows = mailbox.fetch({ folder, uids: mailbox.uids({ folder }), described: true });
  const found = rows.filter((row) => every(new Candidate(mailbox, folder, row), query));
  return { uids: found.map(({ uid }) => uid), modseq: Math.max(0, ...found.map(({ modseq }) => modseq)) };
}

class Candidate {
  #raw;
  #headers;
  #body;

  constructor(mailbox, folder, row) {
    Object.assign(this, { mailbox, folder, row });
  }

  get raw() {
    return (this.#raw ??= this.mailbox.fetch({ folder: this.folder, uids: [this.row.uid], raw: true })[0].raw);
  }

  get headers() {
    return (this.#headers ??= parse(head(this.raw)).header);
  }

  header(name) {
    return this.headers
      .filter((line) => line.toLowerCase().startsWith(`${name}:`))
      .map((line) => words(line.slice(name.length + 1)));
  }

  get body() {
    return (this.#body ??= text(parse(this.raw)));
  }
}

// A raw header line, unfolded (RFC 5322 2.2.3) and with its encoded words (RFC 2047) decoded.
const words = (line) => decodeWords(line.replace(/\r?\n(?=\s)/g, ''));

const every = (candidate, terms) => [terms].flat().every((term) => matches(candidate, term));

const TERMS = {
  all: () => true,
  charset: () => true,
  flag: ({ row }, { value, exists }) => row.flags.some((flag) => flag.toLowerCase() === value.toLowerCase()) === exists,
  uid: ({ row }, { value }) => value.includes(row.uid),
  modseq: ({ row }, { value }) => row.modseq >= value,
  size: ({ row }, { operator, value }) => compare(row.size, operator, value),
  internaldate: ({ row }, { operator, value }) => compare(day(row.date), operator, day(value)),
  date: ({ row }, { operator, value }) => compare(day(row.sent ?? row.date), operator, day(value)),
  header: (candidate, { header, value }) => candidate.header(header).some((line) => contains(line, value)),
  body: (candidate, { value }) => contains(candidate.body, value),
  text: (candidate, { value }) =>
    candidate.headers.some((line) => contains(words(line), value)) || contains(candidate.body, value),
  not: (candidate, { value }) => !every(candidate, value),
  or: (candidate, { value }) => value.some((term) => every(candidate, term)),
};

function matches(candidate, term) {
  return Array.isArray(term) ? every(candidate, term) : Boolean(TERMS[term.key]?.(candidate, term));
}

function compare(a, operator, b) {
  return { '<': a < b, '=': a === b, '>': a > b, '>=': a >= b }[operator];
}

// Dates count without time and zone (RFC 9051 6.4.4).
const day = (date) => new Date(typeof date === 'string' ? `${date} UTC` : date).toISOString().slice(0, 10);

// Search strings come as the bytes of the command.
const contains = (line, value) =>
  line.toLowerCase().includes(Buffer.from(String(value), 'latin1').toString().toLowerCase());

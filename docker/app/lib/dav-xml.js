// XML of WebDAV: bodies of requests are read, answers written. A name is `D:getetag` where the namespace is one of
// ours, else `{namespace}local`.
import { DOMParser, XMLSerializer } from '@xmldom/xmldom';

const PREFIXES = {
  D: 'DAV:',
  C: 'urn:ietf:params:xml:ns:caldav',
  A: 'urn:ietf:params:xml:ns:carddav',
  S: 'http://calendarserver.org/ns/',
};
// No XML can carry these (XML 1.0 2.2).
export const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]/;
export const XML = { 'content-type': 'application/xml; charset=utf-8' };
const NAMESPACES = Object.entries(PREFIXES)
  .map(([prefix, namespace]) => ` xmlns:${prefix}="${namespace}"`)
  .join('');

// A refusal as the client is told it: a status, and the name of the condition that it broke (RFC 4918 16).
export class Refused extends Error {
  constructor(status, condition, content = '') {
    super(condition ?? `status ${status}`);
    Object.assign(this, { status, condition, content });
  }
}

// The root of a request's body; undefined if there is none.
export function parse(text) {
  if (!text.trim()) return undefined;
  // Entities of one's own are no part of any request, and what expands them has been attacked before.
  if (/<!DOCTYPE/i.test(text)) throw new Refused(400);
  try {
    return new DOMParser({ onError: fail }).parseFromString(text, 'text/xml').documentElement;
  } catch {
    throw new Refused(400);
  }
}

function fail(level, message) {
  throw new Error(message);
}

export function nameOf({ namespaceURI, localName }) {
  const [prefix] = Object.entries(PREFIXES).find(([, namespace]) => namespace === namespaceURI) ?? [];
  return prefix ? `${prefix}:${localName}` : `{${namespaceURI ?? ''}}${localName}`;
}

// Elements directly inside, of that name if one is given.
export function children(parent, name) {
  return Array.from(parent?.childNodes ?? []).filter(
    (node) => node.nodeType === node.ELEMENT_NODE && (!name || nameOf(node) === name),
  );
}

export const child = (parent, name) => children(parent, name)[0];
export const textOf = (node) => (node?.textContent ?? '').trim();
export function serialized(node) {
  const text = new XMLSerializer().serializeToString(node);
  // A character reference can smuggle in what no XML may hold, and every later answer would be broken.
  if (CONTROL.test(text)) throw new Refused(400);
  return text;
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\r': '&#13;' };
export const escaped = (text) => String(text).replace(/[&<>"\r]/g, (character) => ENTITIES[character]);

// `content` is XML already.
export function element(name, content = '') {
  const [, namespace, local] = /^\{(.*)\}(.*)$/.exec(name) ?? [];
  if (local === undefined) return content ? `<${name}>${content}</${name}>` : `<${name}/>`;
  return `<${local} xmlns="${escaped(namespace)}"/>`;
}

export const href = (path) => element('D:href', escaped(path));
export const document = (name, content) =>
  `<?xml version="1.0" encoding="utf-8"?>\n<${name}${NAMESPACES}>${content}</${name}>\n`;

// One response of a multistatus: elements by status.
export function response(path, statuses) {
  const all = Object.entries(statuses);
  const told = all.filter(([, elements]) => elements.length);
  const propstats = (told.length ? told : all.slice(0, 1)).map(([code, elements]) =>
    element('D:propstat', element('D:prop', elements.join('')) + status(code)),
  );
  return element('D:response', href(path) + propstats.join(''));
}

const PHRASES = {
  200: 'OK',
  403: 'Forbidden',
  404: 'Not Found',
  424: 'Failed Dependency',
  507: 'Insufficient Storage',
};
export const status = (code) => element('D:status', `HTTP/1.1 ${code} ${PHRASES[code]}`);

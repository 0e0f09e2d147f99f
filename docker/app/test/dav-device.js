// caldav or carddav as a device sees it, and what a device sends.
import { DOMParser } from '@xmldom/xmldom';
import { Service, freePort } from './service.js';

export const CALENDAR = '/dav/joe%40example.test/calendar/';
export const CONTACTS = '/dav/joe%40example.test/contacts/';

// A function that asks as joe, over plain HTTP, and gives status, headers, text, and the hrefs of a multistatus.
export async function client(t, role = 'caldav') {
  const prefix = role.toUpperCase();
  const port = await freePort();
  const service = await Service.make(t, { [`${prefix}_PORT`]: port, [`${prefix}_PROTOCOL`]: 'http' });
  const joe = await service.user('joe');
  await service.start('sqlite', role);
  const ask = async (method, path, body, headers = {}, auth = `${joe.user}:${joe.pass}`) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      body,
      redirect: 'manual',
      headers: { ...(auth && { authorization: `Basic ${Buffer.from(auth).toString('base64')}` }), ...headers },
    });
    const text = await response.text();
    const hrefs = response.status === 207 ? found(text, 'href') : [];
    return { status: response.status, headers: response.headers, text, hrefs };
  };
  return { service, ask, joe, url: `http://127.0.0.1:${port}` };
}

export function found(xml, name) {
  const elements = new DOMParser().parseFromString(xml, 'text/xml').getElementsByTagNameNS('DAV:', name);
  return Array.from(elements).map((element) => element.textContent);
}

export const event = (uid, ...lines) =>
  ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:x', 'BEGIN:VEVENT', `UID:${uid}`, 'DTSTAMP:20260101T000000Z', ...lines]
    .concat('END:VEVENT', 'END:VCALENDAR', '')
    .join('\r\n');
export const card = (uid, ...lines) =>
  ['BEGIN:VCARD', 'VERSION:3.0', `UID:${uid}`, ...lines, 'END:VCARD', ''].join('\r\n');
export const AT_TEN = 'DTSTART:20260302T100000Z';

export const report = (name, content) =>
  `<${name} xmlns="urn:ietf:params:xml:ns:caldav" xmlns:A="urn:ietf:params:xml:ns:carddav" xmlns:D="DAV:">${content}</${name}>`;
export const PROP = '<D:prop><D:getetag/></D:prop>';
export const query = (filter) =>
  report('calendar-query', `${PROP}<filter><comp-filter name="VCALENDAR">${filter}</comp-filter></filter>`);
export const between = (start, end, name = 'VEVENT') =>
  query(`<comp-filter name="${name}"><time-range start="${start}" end="${end}"/></comp-filter>`);
export const sync = (token, rest = '') =>
  report('D:sync-collection', `<D:sync-token>${token}</D:sync-token><D:sync-level>1</D:sync-level>${rest}${PROP}`);

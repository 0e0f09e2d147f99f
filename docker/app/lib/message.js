// What postbox reads of a mail and writes onto it; the mail itself is never changed.
import { hostname } from 'node:os';

const EMPTY_LINE = '\r\n\r\n';

// The header block as text, without the empty line after it.
export function head(raw) {
  const end = raw.indexOf(EMPTY_LINE);
  return raw.toString('latin1', 0, end < 0 ? raw.length : end);
}

// Where the body begins: after the empty line, which is the header's (RFC 9051 6.4.5).
export function body(raw) {
  const end = raw.indexOf(EMPTY_LINE);
  return end < 0 ? raw.length : end + EMPTY_LINE.length;
}

export function has(raw, name) {
  return new RegExp(`^${name}:`, 'im').test(head(raw));
}

// The whole mail of a DATA command, or as much as the limit allows: the rest is read and dropped.
export async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) if (!stream.sizeExceeded) chunks.push(chunk);
  return Buffer.concat(chunks);
}

// A trace line (RFC 5321 4.4). The recipient is named only where there is one: others are none of its business.
export function received(session, id) {
  const { hostNameAppearsAs: helo, remoteAddress, transmissionType, envelope } = session;
  const [only, another] = envelope.rcptTo;
  const name = String(helo).replace(/[^\w.:[\]-]/g, '?');
  const recipient = only && !another ? `\r\n\tfor <${only.address}>` : '';
  return `Received: from ${name} ([${remoteAddress}])\r\n\tby ${hostname()} with ${transmissionType} id ${id}${recipient};\r\n\t${date()}\r\n`;
}

export function date(now = new Date()) {
  return now.toUTCString().replace('GMT', '+0000');
}

// An SMTP reply; `code` is what smtp-server puts in front of it, its own enhanced status code included.
export function reply(code, text) {
  return Object.assign(new Error(text), { responseCode: code });
}

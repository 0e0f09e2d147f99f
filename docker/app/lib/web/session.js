// Who is signed in. The password is the key of the mailbox, so every request needs it and nothing here may store it: the
// browser keeps it, sealed with a key that is derived for this alone, in a cookie that no script and no other site sees.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { mailboxKey } from '../secrets.js';

const IDLE = 8 * 3_600_000; // ms without a request until it ends
const LONGEST = 7 * 24 * 3_600_000; // ms until it ends in any case
const NAME = 'session'; // in the browser: __Host-session
const KEY = Buffer.from(hkdfSync('sha256', mailboxKey, '', 'postbox web session', 32));
const COOKIE = { prefix: 'host', path: '/', secure: true, httpOnly: true, sameSite: 'Strict' };

// Begins a session, or keeps it going: the time without a request starts anew.
export function keep(context, { id, address, password, since = Date.now() }) {
  setCookie(context, NAME, seal(JSON.stringify({ id, address, password, since, used: Date.now() })), COOKIE);
}

export function end(context) {
  deleteCookie(context, NAME, COOKIE);
}

// Undefined when nobody is signed in, too long ago, or with a cookie that is not from here.
export function current(context) {
  try {
    const session = JSON.parse(open(getCookie(context, NAME, 'host')));
    const now = Date.now();
    return now - session.used < IDLE && now - session.since < LONGEST ? session : undefined;
  } catch {
    return undefined;
  }
}

// AES-256-GCM: iv, tag, text.
function seal(text) {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', KEY, iv);
  const sealed = [cipher.update(text, 'utf8'), cipher.final()];
  return Buffer.concat([iv, cipher.getAuthTag(), ...sealed]).toString('base64url');
}

function open(cookie) {
  const bytes = Buffer.from(cookie, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', KEY, bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(bytes.subarray(12, 28));
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
}

// What travels between roles is encrypted with the helper key, as the application does it: AES-256-CBC.
import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { list, settings } from './settings.js';

const key = Buffer.from(settings.HELPER_ENCRYPTION_KEY);
if (key.length !== 32) throw new Error(`HELPER_ENCRYPTION_KEY has ${key.length} bytes, not 32`);

export function encrypt(text) {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final()]).toString('hex');
}

export function decrypt(hex) {
  const bytes = Buffer.from(hex, 'hex');
  const decipher = createDecipheriv('aes-256-cbc', key, bytes.subarray(0, 16));
  return Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()]).toString('utf8');
}

export const apiSecret = () => list('API_SECRETS')[0];

// Whether an HTTP Basic header carries one of API_SECRETS as its user.
export function authorized(header) {
  const [, credentials] = /^Basic (\S+)$/i.exec(header ?? '') ?? [];
  if (!credentials) return false;
  try {
    const secret = decrypt(Buffer.from(credentials, 'base64').toString('latin1').split(':')[0]);
    return list('API_SECRETS').some((known) => same(known, secret));
  } catch {
    return false;
  }
}

export function same(a, b) {
  return timingSafeEqual(digest(a), digest(b));
}

export function digest(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest();
}

export const mailboxKey = key;

// What a request carries, checked before it is used. A check takes a value and the name of its field, and returns the
// value, or throws Invalid with that name.
import { ADDRESS } from './address.js';
import { Malformed, WrongType } from './api-errors.js';
import { Invalid, TooBig } from './person-errors.js';
import { bytes } from './settings.js';

// Bytes: attachments are base64, four characters for three bytes, and there is JSON around the mail.
const MOST = Math.ceil((bytes('SMTP_MESSAGE_MAX_SIZE') * 4) / 3) + 1024 * 1024;

export async function body(c, check) {
  if (!/^application\/json *(;|$)/i.test(c.req.header('Content-Type') ?? '')) {
    throw new WrongType('The body is not JSON, by its Content-Type');
  }
  const sent = await received(c.req.raw.body);
  let value;
  try {
    value = JSON.parse(sent);
  } catch {
    throw new Malformed('The body is not JSON');
  }
  return check(value, '');
}

// What is too big is read to its end as well, and dropped: who is still sending does not see an answer.
async function received(stream) {
  const chunks = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    size += chunk.length;
    if (size <= MOST) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (size > MOST) throw new TooBig('The request is too big');
  return Buffer.concat(chunks).toString();
}

// The query, by a shape as `object` has it.
export const query = (c, shape) => object(shape)(c.req.query(), '');

// For a field of the query, which is text: what that would be in JSON.
export const parsed = (check) => (value, field) =>
  check(/^([1-9]\d{0,15}|0|true|false)$/.test(value) ? JSON.parse(value) : value, field);

// `shape`: field -> check; those of `required` have to be there, others than those of the shape must not.
export const object =
  (shape, required = []) =>
  (value, field) => {
    const path = (name) => (field ? `${field}.${name}` : name);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      throw new Invalid(field || 'body', 'This has to be an object');
    }
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(shape, name));
    if (unknown !== undefined) throw new Invalid(path(unknown), 'There is no such field');
    const missing = required.find((name) => !Object.hasOwn(value, name));
    if (missing) throw new Invalid(path(missing), 'This field is needed');
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shape[name](each, path(name))]));
  };

export const list = (check, most) => (value, field) => {
  if (!Array.isArray(value) || value.length > most) throw new Invalid(field, `This has to be a list of at most ${most}`);
  return value.map((each, index) => check(each, `${field}[${index}]`));
};

export const text =
  (most = Infinity) =>
  (value, field) => {
    if (typeof value !== 'string') throw new Invalid(field, 'This has to be text');
    if (value.length > most && [...value].length > most) throw new Invalid(field, `This is longer than ${most} characters`);
    if (!value.isWellFormed()) throw new Invalid(field, 'This is not Unicode');
    return value;
  };

export const whole =
  (least, most = Number.MAX_SAFE_INTEGER) =>
  (value, field) => {
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    throw new Invalid(field, `This has to be a whole number from ${least} to ${most}`);
  };

export function flag(value, field) {
  if (typeof value !== 'boolean') throw new Invalid(field, 'This has to be true or false');
  return value;
}

export function address(value, field) {
  if (typeof value === 'string' && ADDRESS.test(value)) return text()(value, field);
  throw new Invalid(field, 'This has to be a mail address, without a name');
}

export function base64(value, field) {
  // Not by one pattern for all of it: repeated groups take stack, and this may have 70 million characters.
  if (typeof value !== 'string' || value.length % 4 || /[^A-Za-z0-9+/]/.test(value.replace(/={1,2}$/, ''))) {
    throw new Invalid(field, 'This has to be base64 (RFC 4648 4)');
  }
  return Buffer.from(value, 'base64');
}

// What the API answers when it does not do what it was asked: problem details (RFC 9457) with a code for the program
// and, for the one who reads its log, what to do.
import { log } from './log.js';
import { TooMany } from './login.js';
import { Fixed, Invalid, NotFound, Taken, TooBig, WrongPassword } from './person-errors.js';
import { Away } from './storage.js';

// A request that is no HTTP of ours, whatever it asks for.
export class Malformed extends Error {}
export class WrongType extends Error {}

const ERRORS = new Map([
  [Malformed, { status: 400, code: 'malformed', hint: 'Send one JSON value as the body' }],
  [
    WrongPassword,
    {
      status: 401,
      code: 'wrong-password',
      hint: 'Send the address and the password of an account by HTTP Basic authentication',
      headers: { 'WWW-Authenticate': 'Basic realm="postbox", charset="UTF-8"' },
    },
  ],
  [Fixed, { status: 403, code: 'fixed', hint: 'Choose a mailbox that you have made' }],
  [NotFound, { status: 404, code: 'not-found', hint: 'List what there is; a mail that was moved has another uid' }],
  [Taken, { status: 409, code: 'taken', hint: 'Choose another name' }],
  [TooBig, { status: 413, code: 'too-big', hint: 'Send less, or a link to it' }],
  [WrongType, { status: 415, code: 'wrong-type', hint: 'Send Content-Type: application/json' }],
  [Invalid, { status: 422, code: 'invalid', hint: 'Correct the field and send the request again' }],
  [
    TooMany,
    {
      status: 429,
      code: 'too-many-logins',
      hint: 'Correct the password, and try again in a minute',
      headers: { 'Retry-After': '60' },
    },
  ],
  [
    Away,
    {
      status: 503,
      code: 'away',
      hint: 'Try again in a few seconds; if it lasts, ask the operator whether the role sqlite is up',
      headers: { 'Retry-After': '5' },
    },
  ],
]);
const UNEXPECTED = { status: 500, code: 'unexpected', hint: 'Ask the operator to look into the log of the role api' };

export function refuse(error, c) {
  const known = ERRORS.get(error.constructor);
  if (!known) log('error', 'request failed', { method: c.req.method, route: c.req.path.split('/', 3).join('/'), error });
  const { status, code, hint, headers } = known ?? UNEXPECTED;
  const detail = known ? error.message : 'Something unexpected happened';
  return problem({ status, code, detail, hint, field: error.field }, headers);
}

export function noSuchPath() {
  const hint = 'See /v1/openapi.json for what there is';
  return problem({ status: 404, code: 'not-found', detail: 'There is nothing at this path', hint });
}

export function noSuchMethod(c, methods) {
  const detail = `This path does not take ${c.req.method}`;
  const hint = `Use ${methods.join(', ')}`;
  return problem({ status: 405, code: 'no-such-method', detail, hint }, { Allow: methods.join(', ') });
}

function problem(members, headers) {
  return new Response(JSON.stringify(members), {
    status: members.status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
  });
}

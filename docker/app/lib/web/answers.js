// The answers that are no page of the mail: what went wrong, and files.
import { html } from 'hono/html';
import { fileHeaders } from '../file-headers.js';
import { log } from '../log.js';
import { TooMany } from '../login.js';
import { Fixed, Invalid, NotFound, TooBig, WrongPassword } from '../person-errors.js';
import { Away } from '../storage.js';
import { page } from './page.js';

const AGAIN = '60'; // s after which a failed login may be tried again
const SOON = '5'; // s after which a store that is away may be back

export class Expired extends Error {
  constructor() {
    super('You were signed out meanwhile. Sign in in another tab, then send this once more.');
  }
}

const STATUSES = [
  [Expired, 401],
  [WrongPassword, 401],
  [NotFound, 404],
  [Fixed, 409],
  [TooBig, 413],
  [Invalid, 422],
  [TooMany, 429],
  [Away, 503],
];

export function status(context, error) {
  const [, code] = STATUSES.find(([kind]) => error instanceof kind) ?? [null, error.status ?? 500];
  if (code === 503) context.header('Retry-After', SOON);
  if (code === 429) context.header('Retry-After', AGAIN);
  if (code >= 500) log('error', 'not answered', { method: context.req.method, page: context.req.path.split('/')[1], error });
  return code;
}

const WORDS = {
  400: ['Not understood', 'What you sent did not arrive whole. Send it once more.'],
  403: ['Not allowed', 'This form was not sent from a page of this site.'],
  413: ['Too big', 'What you sent is more than this server takes.'],
  500: ['Something went wrong', 'It was written to the log of this server.'],
  503: ['Not there right now', 'Your mailbox does not answer. Nothing is lost: try again in a moment.'],
};

// For the person, who need not know what the service is made of.
export const told = (error, code) => WORDS[code]?.[1] ?? error.message;

export function sorry(context, error) {
  const code = status(context, error);
  context.status(code);
  const [title, text] = WORDS[code] ?? [error.message];
  return page(
    context,
    { title },
    html`<div class="sorry"><h1>${title}</h1><p>${text}</p><p><a href="/">Back to your mail</a></p></div>`,
  );
}

export function fixed(context, type, content) {
  return context.body(content, 200, { 'Content-Type': type, 'Cache-Control': 'public, max-age=31536000, immutable' });
}

// As a file, whatever it says that it is: nothing in it is shown, or run, as a page of this site.
export function file(context, name, type, content) {
  return context.body(content, 200, {
    ...fileHeaders(name, type),
    'Content-Security-Policy': "default-src 'none'; sandbox",
  });
}

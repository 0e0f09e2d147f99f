// What all pages share: the frame around them, the notice after something was done, and how names and times are shown.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { html, raw } from 'hono/html';
import { settings } from '../settings.js';

const { APP_NAME } = settings;
const asset = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
export const STYLE = asset('style.css');
export const ICON = asset('icon.svg');
// A new style has a new address, so that browsers may keep the old one for ever.
const VERSION = createHash('sha256').update(STYLE).digest('hex').slice(0, 12);

const COOKIE = { prefix: 'host', path: '/', secure: true, httpOnly: true, sameSite: 'Strict', maxAge: 60 };
const NOTICES = {
  sent: 'Your mail is on its way.',
  saved: 'The draft is saved.',
  moved: 'Moved.',
  trashed: 'Moved to Trash.',
  deleted: 'Deleted for good.',
  seen: 'Marked as read.',
  unseen: 'Marked as unread.',
  'sent-uncopied': 'Your mail is on its way, but no copy could be kept in Sent Mail.',
  unmoved: 'Choose a folder to move to.',
  'signed-out': 'You are signed out.',
};

// Said once, on the next page.
export function say(context, notice) {
  setCookie(context, 'notice', notice, COOKIE);
}

function said(context) {
  const notice = getCookie(context, 'notice', 'host');
  if (notice) deleteCookie(context, 'notice', COOKIE);
  return Object.hasOwn(NOTICES, notice ?? '') ? NOTICES[notice] : undefined;
}

// `person` and `folders` are those of who is signed in, `folder` the path of the one that is open, if any.
export function page(context, { title, person, folders = [], folder, query = '' }, content) {
  const searched = folder ?? 'INBOX';
  const notice = said(context);
  return context.html(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – ${APP_NAME}</title>
<link rel="stylesheet" href="/style.css?${VERSION}">
<link rel="icon" href="/icon.svg" type="image/svg+xml">
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<a class="brand" href="/">${raw(ICON)}${APP_NAME}</a>
${
  person &&
  html`<form class="search" role="search" action="${link(searched)}">
<label class="hidden" for="search">Search in ${label(searched)}</label>
<input id="search" type="search" name="q" value="${query}" placeholder="Search in ${label(searched)}">
<button class="quiet">Search</button>
</form>
<form class="who" method="post" action="/sign-out">
<span>${person.address}</span><button class="quiet">Sign out</button>
</form>`
}
</header>
${person && navigation(folders, folder)}
<main id="main" tabindex="-1">
${notice && html`<p class="notice" role="status">${notice}</p>`}
${content}
</main>
</body>
</html>`);
}

function navigation(folders, open) {
  return html`<nav class="folders" aria-label="Folders">
<a class="button" href="/compose">Write a mail</a>
<ul>${folders.map(
    ({ path, unseen }) => html`
<li><a href="${link(path)}"${path === open && raw(' aria-current="page"')}><span>${label(path)}</span>${
      unseen > 0 && html` <b>${unseen}<span class="hidden"> unread</span></b>`
    }</a></li>`,
  )}
</ul>
</nav>`;
}

export const link = (folder, ...rest) => ['/mail', ...[folder, ...rest].map(encodeURIComponent)].join('/');
export const label = (folder) => (folder === 'INBOX' ? 'Inbox' : folder.replaceAll('/', ' / '));
export const name = (person) => person?.name || person?.address || 'Unknown sender';
export const subject = (mail) => mail.subject || '(no subject)';

export function size(bytes) {
  const step = bytes < 1024 ? 0 : bytes < 1024 ** 2 ? 1 : 2;
  return `${Number((bytes / 1024 ** step).toFixed(step && bytes < 10 * 1024 ** step ? 1 : 0))} ${['B', 'KB', 'MB'][step]}`;
}

// In the zone of the server: without scripts the reader's is not known, so the long form names it. Without Intl, whose
// formats take 7 MB, and 16 KB each that the collector does not see.
export function when(date, long) {
  const then = new Date(date);
  const now = new Date();
  const [weekday, month, day, year] = then.toDateString().split(' ');
  const time = then.toTimeString().slice(0, 5);
  const short = then.getFullYear() === now.getFullYear() ? `${Number(day)} ${month}` : `${Number(day)} ${month} ${year}`;
  const full = () => `${weekday} ${Number(day)} ${month} ${year}, ${time} ${then.toTimeString().slice(9, 17).replace('GMT+0000', 'UTC')}`;
  const text = long ? full() : then.toDateString() === now.toDateString() ? time : short;
  return html`<time datetime="${then.toISOString()}">${text}</time>`;
}

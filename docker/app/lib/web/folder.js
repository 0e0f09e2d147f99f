// The page of a folder: its mails, newest first, what can be done with those that are ticked, and the pages.
import { html } from 'hono/html';
import { label, link, name, page, subject, when } from './page.js';

const OUTGOING = new Set(['sent', 'drafts']); // whom it is for is of more use than whom it is from

// `found` is a page of the folder, or of what a search in it found.
export function folderPage(context, { person, folders, folder, query, found }) {
  const here = folders.find(({ path }) => path === folder);
  const { unseen } = here;
  const count = query
    ? `${found.total || 'Nothing'} found for “${query}”`
    : `${unseen ? `${unseen} unread of ` : ''}${found.total} ${found.total === 1 ? 'mail' : 'mails'}`;
  const title = query ? `Search in ${label(folder)}` : `${label(folder)}${unseen ? ` (${unseen})` : ''}`;
  return page(
    context,
    { title, person, folders, folder, query },
    html`<header class="heading">
<h1>${query ? `Search in ${label(folder)}` : label(folder)}</h1>
<p>${count}${query && html` · <a href="${link(folder)}">Show all</a>`}</p>
</header>
${
  found.messages.length
    ? html`<form class="list" method="post" action="${address(folder, query, found.page)}">
<ul class="mails">${found.messages.map((mail) => row(here, mail))}
</ul>
<div class="bar" role="group" aria-label="Selected mails">${actions(folders, folder)}</div>
</form>`
    : html`<p class="empty">${query ? 'Try another word, or look in another folder.' : 'There is no mail here.'}</p>`
}
${pages(folder, query, found)}`,
  );
}

function row({ path, special }, mail) {
  const who = OUTGOING.has(special) ? `To: ${mail.to.map(name).join(', ') || 'nobody yet'}` : name(mail.from[0]);
  return html`
<li${mail.seen ? '' : html` class="unread"`}>
<input type="checkbox" name="uid" value="${mail.uid}" aria-label="Select ${subject(mail)}">
<span class="from">${who}</span>
<a href="${link(path, mail.uid)}">${!mail.seen && html`<span class="hidden">Unread: </span>`}${subject(mail)}</a>
<span class="marks">${mail.answered && 'Answered'}${mail.attachments && html`<svg viewBox="0 0 16 16" width="16" height="16" role="img" aria-label="Has attachments"><path d="M13 7.5 8 12.5a3 3 0 0 1-4.3-4.3l5.6-5.6a2 2 0 0 1 2.9 2.9L6.7 11a1 1 0 0 1-1.4-1.4l4.7-4.8"/></svg>`}</span>
${when(mail.date)}
</li>`;
}

// Buttons of a form whose `uid` fields say with which mails; routes.js does it.
export function actions(folders, folder, one) {
  const { special } = folders.find(({ path }) => path === folder);
  return html`${!one && html`<button class="quiet" name="action" value="seen">Mark read</button>`}
<button class="quiet" name="action" value="unseen">Mark unread</button>
<button class="quiet danger" name="action" value="delete">${special === 'trash' ? 'Delete for good' : 'Delete'}</button>
<span class="move"><label class="hidden" for="to-folder">Move to</label>
<select id="to-folder" name="to"><option value="">Move to…</option>${folders
    .filter(({ path }) => path !== folder)
    .map(({ path }) => html`<option value="${path}">${label(path)}</option>`)}</select>
<button class="quiet" name="action" value="move">Move</button></span>`;
}

function pages(folder, query, { page: at, pages: last }) {
  if (last < 2) return undefined;
  const to = (number, rel, text) => {
    if (number < 1 || number > last) return html`<span>${text}</span>`;
    return html`<a rel="${rel}" href="${address(folder, query, number)}">${text}</a>`;
  };
  return html`<nav class="pages" aria-label="Pages">${to(at - 1, 'prev', 'Newer')}
<span>Page ${at} of ${last}</span>
${to(at + 1, 'next', 'Older')}</nav>`;
}

function address(folder, query, number) {
  const search = new URLSearchParams({ ...(query && { q: query }), ...(number > 1 && { page: number }) });
  return search.size ? `${link(folder)}?${search}` : link(folder);
}

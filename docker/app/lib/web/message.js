// The page of one mail: who wrote it, its text or its HTML in a sandboxed frame, its attachments.
import { html } from 'hono/html';
import { actions } from './folder.js';
import { label, link, name, page, size, subject, when } from './page.js';
import { wantsRemote } from './untrusted.js';

const ADDRESS = /https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'’]/g;

// Plain text is shown where there is any, unless `view` is "html"; `remote` lets the frame load pictures from elsewhere.
export function messagePage(context, { person, folders, folder, uid, mail, view, remote }) {
  const framed = mail.html && (view === 'html' || !mail.text);
  const here = link(folder, uid);
  const compose = (how) => `/compose?${new URLSearchParams({ how, folder, uid })}`;
  const files = mail.attachments.filter(({ contentId }) => !framed || !contentId || !mail.html.includes(`cid:${contentId}`));
  return page(
    context,
    { title: subject(mail), person, folders, folder },
    html`<p class="back"><a href="${link(folder)}">Back to ${label(folder)}</a></p>
<article>
<h1>${subject(mail)}</h1>
<form class="bar" method="post" action="${link(folder)}">
<input type="hidden" name="uid" value="${uid}">
${mail.draft && mail.text !== null && html`<a class="quiet" href="${compose('draft')}">Edit</a>`}
<a class="button" href="${compose('reply')}">Reply</a>
${mail.to.length + mail.cc.length > 1 && html`<a class="quiet" href="${compose('all')}">Reply all</a>`}
<a class="quiet" href="${compose('forward')}">Forward</a>
${actions(folders, folder, true)}
</form>
<dl class="head">
<dt>From</dt><dd><strong>${name(mail.from[0])}</strong>${mail.from[0]?.name && html` <span>${mail.from[0].address}</span>`}</dd>
${['to', 'cc'].map(
  (field) =>
    mail[field].length > 0 &&
    html`<dt>${field === 'to' ? 'To' : 'Cc'}</dt><dd>${mail[field].map(({ address }) => address).join(', ')}</dd>`,
)}
<dt>Date</dt><dd>${when(mail.date, true)}</dd>
</dl>
${
  mail.html &&
  mail.text &&
  html`<nav class="views" aria-label="Show as">
<a href="${here}" ${!framed && html`aria-current="true"`}>Plain text</a>
<a href="${here}?view=html" ${framed && html`aria-current="true"`}>HTML</a>
</nav>`
}
${
  framed &&
  !remote &&
  wantsRemote(mail) &&
  html`<p class="notice">Pictures from elsewhere are not loaded: they would tell the sender that you read this.
<a href="${here}?view=html&amp;remote=yes">Show them in this mail</a></p>`
}
${
  framed
    ? html`<iframe title="The mail" sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer"
src="${here}/html${remote && '?remote=yes'}"></iframe>`
    : html`<div class="text">${linked(mail.text || '(no text)')}</div>`
}
${
  files.length > 0 &&
  html`<section aria-labelledby="attachments">
<h2 id="attachments">${files.length === 1 ? 'Attachment' : `${files.length} attachments`}</h2>
<ul class="files">${files.map(
    (file) => html`
<li><a href="${link(folder, uid)}/attachments/${file.index}" download>${file.name}</a> <span>${size(file.size)}</span></li>`,
  )}
</ul>
</section>`
}
<p class="source"><a href="${here}/source" download>Download the mail as a file</a></p>
</article>`,
  );
}

// Addresses become links, lines that quote are set back.
function linked(text) {
  return text.split(/((?:^>.*(?:\n|$))+)/m).map((block, index) => {
    const words = block.split(ADDRESS);
    const addresses = block.match(ADDRESS) ?? [];
    const parts = words.map((word, at) => [
      word,
      addresses[at] && html`<a href="${addresses[at]}" target="_blank" rel="noreferrer noopener">${addresses[at]}</a>`,
    ]);
    return index % 2 ? html`<blockquote>${parts}</blockquote>` : html`${parts}`;
  });
}

// The page for writing: a new mail, an answer, a forwarded mail, a draft. What was refused comes back as it was written.
import { html, raw } from 'hono/html';
import { settings } from '../settings.js';
import { page, size } from './page.js';

const TITLES = { new: 'New mail', reply: 'Reply', all: 'Reply to all', forward: 'Forward', draft: 'Draft' };
const FIELDS = { to: 'To', cc: 'Cc', bcc: 'Bcc', subject: 'Subject' };

// What the page starts with. `how` is a key of TITLES; `folder` and `uid` are the mail that it is about.
export async function begin(person, { how, folder, uid: number, to }) {
  const uid = Number(number);
  const origin = { how, folder, uid };
  if (how === 'reply' || how === 'all') return { ...origin, ...(await person.reply(folder, uid, { all: how === 'all' })) };
  if (how === 'forward') return { ...origin, ...(await person.forward(folder, uid)) };
  if (how === 'draft') return { ...origin, ...(await person.read(folder, uid)), how };
  return { how: 'new', to, text: '' };
}

// What the form sent, with the attachments that stay ticked, so that the page can show it again.
export function written(form) {
  const kept = (form.kept ?? []).map((value) => /^(\d+) (\d+) (.*)$/s.exec(value)).filter(Boolean);
  const attachments = kept.map(([, index, bytes, name]) => ({ index: Number(index), size: Number(bytes), name }));
  const files = (form.files ?? []).filter((file) => file instanceof File && file.name);
  return { ...form, folder: form.folder ?? '', uid: Number(form.uid?.[0]), attachments, files };
}

// As `person.send` and `person.save` take it.
export async function message({ how, folder, uid, attachments, files, to, cc, bcc, subject, text }) {
  const uploads = files.map(async (file) => ({
    name: file.name,
    type: file.type || 'application/octet-stream',
    content: Buffer.from(await file.arrayBuffer()),
  }));
  return {
    ...{ to, cc, bcc, subject, text },
    attachments: [...attachments.map(({ index }) => ({ folder, uid, index })), ...(await Promise.all(uploads))],
    ...((how === 'reply' || how === 'all') && { reply: { folder, uid } }),
    ...(how === 'draft' && { draft: uid }),
  };
}

// `problem`: { text, field }, what was wrong and with which field, if with one.
export function composePage(context, { person, folders }, mail, problem) {
  const { how, folder = '', uid = '', attachments = [], files = [] } = mail;
  const title = Object.hasOwn(TITLES, how) ? TITLES[how] : TITLES.new;
  const beside = (name) => problem?.field === name && problem.text;
  return page(
    context,
    { title: problem ? `Not sent – ${title}` : title, person, folders },
    html`<h1>${title}</h1>
${
  problem &&
  html`<p class="problem" role="alert">${problem.field in FIELDS ? 'Not sent: see below.' : problem.text}
${files.length > 0 && 'The files that you attached have to be chosen again.'}</p>`
}
<form class="compose" method="post" action="/compose" enctype="multipart/form-data">
${Object.entries({ how, folder, uid }).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
${Object.keys(FIELDS).map((name) => line(name, mail[name], beside(name)))}
<label for="text">Text</label>
<textarea id="text" name="text" rows="12" ${/^(reply|all)$/.test(how) && raw('autofocus')}>
${mail.text}</textarea>
${
  attachments.length > 0 &&
  html`<fieldset><legend>Attached</legend>
${attachments.map(
    (part) => html`<label><input type="checkbox" name="kept" value="${part.index} ${part.size} ${part.name}" checked>
${part.name} <span>${size(part.size)}</span></label>`,
  )}</fieldset>`
}
<label for="files">Attach files</label>
<div><input id="files" type="file" name="files" multiple aria-describedby="most">
<p class="hint" id="most">A mail may have ${settings.SMTP_MESSAGE_MAX_SIZE} in all.</p></div>
<p class="bar"><a class="quiet" href="/mail">Cancel</a>
<button class="quiet" name="action" value="save">Save draft</button>
<button class="button" name="action" value="send">Send</button></p>
</form>`,
  );
}

function line(name, value, problem) {
  const about = problem && html` aria-invalid="true" aria-describedby="${name}-problem"`;
  return html`<label for="${name}">${FIELDS[name]}</label>
<div><input id="${name}" name="${name}" value="${listed(value)}" autocomplete="off"${about}>
${problem && html`<p class="problem" id="${name}-problem">${problem}</p>`}</div>`;
}

// Addresses as people write them; a name with a comma or the like is quoted (RFC 5322 3.2.4).
function listed(value = '') {
  if (typeof value === 'string') return value;
  const shown = (name) => (/[^\p{L}\p{N} _'-]/u.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : name);
  return value.map(({ name, address }) => (name ? `${shown(name)} <${address}>` : address)).join(', ');
}

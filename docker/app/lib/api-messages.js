// /v1/messages and /v1/drafts: a person's mail, and what they send.
import { address, base64, body, flag, list, object, parsed, query, text, whole } from './api-input.js';
import { fileHeaders } from './file-headers.js';
import { settings } from './settings.js';

const AT = '/v1/messages/:folder/:uid{[0-9]{1,10}}';

const PLACE = { folder: text(), uid: whole(1) };
const place = object(PLACE, ['folder', 'uid']);
const written = object({ name: text(200), type: text(200), content: base64 }, ['content']);
const present = object({ ...PLACE, index: whole(0) }, ['folder', 'uid', 'index']);
const named = object({ name: text(200), address }, ['address']);
const person = (value, field) => (typeof value === 'string' ? { address: address(value, field) } : named(value, field));
const people = list(person, Number(settings.MAX_RECIPIENTS));
const MESSAGE = object({
  name: text(200),
  to: people,
  cc: people,
  bcc: people,
  subject: text(1000),
  text: text(),
  html: text(),
  attachments: list((value, field) => (value?.folder === undefined ? written : present)(value, field), 100),
  reply: place,
  draft: whole(1),
});
const PAGE = { folder: text(), q: text(200), page: parsed(whole(1, 1_000_000)), size: parsed(whole(1, 200)) };
const CHANGES = object({ seen: flag, flagged: flag, answered: flag, folder: text() });

export function messages(app) {
  const at = (c) => [c.req.param('folder'), Number(c.req.param('uid'))];

  app.get('/v1/messages', async (c) => {
    const { folder = 'INBOX', q, page, size } = query(c, PAGE);
    return c.json(await c.var.person.page(folder, { query: q, page, size }));
  });

  app.post('/v1/messages', async (c) => c.json(await c.var.person.send(await body(c, MESSAGE)), 202));

  app.post('/v1/drafts', async (c) => {
    const { folder, uid } = await c.var.person.save(await body(c, MESSAGE));
    return c.json({ folder, uid }, 201, { Location: `/v1/messages/${encodeURIComponent(folder)}/${uid}` });
  });

  app.get(AT, async (c) => c.json(await c.var.person.read(...at(c))));

  app.put(AT, async (c) => {
    const [folder, uid] = at(c);
    const { folder: to = folder, ...marks } = await body(c, CHANGES);
    await c.var.person.mark(folder, uid, marks);
    const [moved] = await c.var.person.move(folder, uid, to);
    return c.json(await c.var.person.summary(to, moved));
  });

  app.delete(AT, async (c) => {
    const [moved] = await c.var.person.remove(...at(c), query(c, { forever: parsed(flag) }));
    return moved ? c.json(moved) : c.body(null, 204);
  });

  app.get(`${AT}/source`, async (c) =>
    c.body(await c.var.person.source(...at(c)), 200, { 'Content-Type': 'message/rfc822' }),
  );

  // Somebody else's file on our own origin: for saving, never for showing.
  app.get(`${AT}/attachments/:index{[0-9]{1,5}}`, async (c) => {
    const { name, type, content } = await c.var.person.attachment(...at(c), Number(c.req.param('index')));
    return c.body(content, 200, fileHeaders(name, type));
  });
}

// /v1/mailboxes: the folders of a person's mail.
import { body, object, text } from './api-input.js';

const NAMED = object({ path: text() }, ['path']);

export function mailboxes(app) {
  const at = (path) => `/v1/mailboxes/${encodeURIComponent(path)}`;

  app.get('/v1/mailboxes', async (c) => c.json({ mailboxes: await c.var.person.folders() }));

  app.post('/v1/mailboxes', async (c) => {
    const { path } = await body(c, NAMED);
    await c.var.person.createFolder(path);
    return c.json(await c.var.person.folder(path), 201, { Location: at(path) });
  });

  app.get('/v1/mailboxes/:path', async (c) => c.json(await c.var.person.folder(c.req.param('path'))));

  app.put('/v1/mailboxes/:path', async (c) => {
    const { path } = await body(c, NAMED);
    await c.var.person.renameFolder(c.req.param('path'), path);
    return c.json(await c.var.person.folder(path));
  });

  app.delete('/v1/mailboxes/:path', async (c) => {
    await c.var.person.deleteFolder(c.req.param('path'));
    return c.body(null, 204);
  });
}

// What a person's programs do with their mail, as JSON over HTTP. openapi.json describes it, and its test holds the two
// together.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Hono } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { auth } from 'hono/utils/basic-auth';
import { noSuchMethod, noSuchPath, refuse } from './api-errors.js';
import { mailboxes } from './api-mailboxes.js';
import { messages } from './api-messages.js';
import { client } from './client.js';
import { WrongPassword } from './person-errors.js';
import { settings } from './settings.js';

// Mail is for who asked, not for caches, and nothing here is a page.
const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
};

export function api(people) {
  const app = new Hono();
  app.onError(refuse);
  app.notFound(noSuchPath);
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) c.res.headers.set(name, value);
  });
  app.use(methodNotAllowed({ app, onMethodNotAllowed: noSuchMethod }));

  app.get('/', (c) => c.text('OK'));
  // Without login or database: whether the role answers at all. As the application's, it is an address at random.
  app.get('/v1/test', (c) => c.text(`test+${randomBytes(8).toString('hex')}@${settings.WEB_HOST}`));
  const description = readFileSync(new URL('../openapi.json', import.meta.url), 'utf8');
  app.get('/v1/openapi.json', (c) => c.body(description, 200, { 'Content-Type': 'application/json' }));

  app.use('/v1/*', async (c, next) => {
    const given = auth(c.req.raw);
    if (!given) throw new WrongPassword('This needs the address and the password of an account');
    c.set('person', await people.signIn(given.username, given.password, client(c)));
    await next();
  });

  app.get('/v1/account', ({ var: { person }, json }) => json({ id: person.id, address: person.address }));
  mailboxes(app);
  messages(app);
  return app;
}

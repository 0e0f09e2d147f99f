// The pages of the role `web`: what each address answers, and what all answers have in common.
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { csrf } from 'hono/csrf';
import { HTTPException } from 'hono/http-exception';
import { secureHeaders } from 'hono/secure-headers';
import { client } from '../client.js';
import { TooMany } from '../login.js';
import { NotFound, WrongPassword } from '../person-errors.js';
import { bytes } from '../settings.js';
import { Expired, file, fixed, sorry, status, told } from './answers.js';
import { begin, composePage, message, written } from './compose.js';
import { folderPage } from './folder.js';
import { messagePage } from './message.js';
import { ICON, STYLE, label, link, say } from './page.js';
import * as session from './session.js';
import { signInPage } from './sign-in.js';
import { frame, policy } from './untrusted.js';

const FORM = 64 * 1024; // bytes of a form without files
const INSIDE = /^\/(mail|compose)(\/|$)/; // where a sign-in may lead
const POLICY = {
  defaultSrc: ["'none'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  frameSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

export function webmail(people) {
  const app = new Hono();
  // Strict-Transport-Security is for whoever owns the name: the front.
  app.use(
    secureHeaders({ contentSecurityPolicy: POLICY, xFrameOptions: 'DENY', strictTransportSecurity: false, overwrite: false }),
  );
  app.use(async (context, next) => {
    context.header('Cache-Control', 'no-store');
    await next();
  });
  // Behind a front the scheme is another one, so names are compared.
  app.use(csrf({ origin: (origin, context) => URL.parse(origin)?.host === context.req.header('host') }));
  app.use(async (context, next) => {
    const big = context.req.path === '/compose';
    return bodyLimit({ maxSize: big ? bytes('SMTP_MESSAGE_MAX_SIZE') + FORM : FORM })(context, next);
  });

  app.get('/style.css', (context) => fixed(context, 'text/css; charset=utf-8', STYLE));
  app.get('/icon.svg', (context) => fixed(context, 'image/svg+xml', ICON));
  app.get('/', (context) => context.redirect(session.current(context) ? '/mail' : '/sign-in', 303));
  app.get('/mail', (context) => context.redirect('/mail/INBOX', 303));
  app.get('/sign-in', (context) => signInPage(context, { next: context.req.query('next') }));

  app.post('/sign-in', async (context) => {
    const { address = '', password = '', next = '' } = await form(context);
    let person;
    try {
      person = await people.signIn(address, password, client(context));
    } catch (error) {
      if (!(error instanceof WrongPassword || error instanceof TooMany)) throw error;
      context.status(status(context, error));
      return signInPage(context, { address, next, problem: error.message });
    }
    session.keep(context, { id: person.id, address, password });
    return context.redirect(inside(next), 303);
  });

  app.post('/sign-out', (context) => {
    session.end(context);
    say(context, 'signed-out');
    return context.redirect('/sign-in', 303);
  });

  app.post('/compose', async (context) => {
    const fields = await form(context);
    const mail = written(fields);
    let person;
    try {
      person = await signedIn(people, context);
      if (!person) throw new Expired();
      if (fields.action === 'save') {
        const { folder, uid } = await person.save(await message(mail));
        say(context, 'saved');
        return context.redirect(`/compose?${new URLSearchParams({ how: 'draft', folder, uid })}`, 303);
      }
      const { sent } = await person.send(await message(mail));
      say(context, sent ? 'sent' : 'sent-uncopied');
      return context.redirect(mail.how === 'reply' || mail.how === 'all' ? link(mail.folder) : '/mail', 303);
    } catch (error) {
      // What somebody wrote is not lost to whatever went wrong.
      const code = status(context, error);
      context.status(code);
      const folders = await person?.folders().catch(() => []);
      return composePage(context, { person, folders }, mail, { field: error.field, text: told(error, code) });
    }
  });

  // All below is for those who are signed in.
  app.use(async (context, next) => {
    const person = await signedIn(people, context);
    if (!person) return context.redirect(`/sign-in?${new URLSearchParams({ next: wanted(context) })}`, 303);
    context.set('person', person);
    await next();
  });

  app.get('/compose', async (context) => {
    const { person } = context.var;
    const [mail, folders] = [await begin(person, context.req.query()), await person.folders()];
    return composePage(context, { person, folders }, mail);
  });

  app.get('/mail/:folder', async (context) => {
    const { person } = context.var;
    const folder = context.req.param('folder');
    const { q: query = '', page: number } = context.req.query();
    const found = await person.page(folder, { query, page: Math.max(1, parseInt(number, 10) || 1) });
    return folderPage(context, { person, folders: await person.folders(), folder: found.folder, query, found });
  });

  app.post('/mail/:folder', async (context) => {
    const { person } = context.var;
    const folder = context.req.param('folder');
    const { uid = [], action, to } = await form(context);
    const uids = uid.map(Number);
    if (uids.length) say(context, await act(person, folder, uids, action, to));
    return context.redirect(link(folder) + new URL(context.req.url).search, 303);
  });

  app.get('/mail/:folder/:uid{[0-9]+}', async (context) => {
    const { person } = context.var;
    const [folder, uid] = place(context);
    const { view, remote } = context.req.query();
    const mail = await person.read(folder, uid);
    if (!mail.seen) await person.mark(folder, uid, { seen: true });
    const folders = await person.folders();
    return messagePage(context, { person, folders, folder, uid, mail, view, remote: remote === 'yes' });
  });

  app.get('/mail/:folder/:uid{[0-9]+}/html', async (context) => {
    const document = await frame(await context.var.person.source(...place(context)));
    context.header('Content-Security-Policy', policy(context.req.query('remote') === 'yes'));
    context.header('X-Frame-Options', 'SAMEORIGIN');
    return context.html(document);
  });

  app.get('/mail/:folder/:uid{[0-9]+}/source', async (context) => {
    const [folder, uid] = place(context);
    return file(context, `${label(folder)} ${uid}.eml`, 'message/rfc822', await context.var.person.source(folder, uid));
  });

  app.get('/mail/:folder/:uid{[0-9]+}/attachments/:index{[0-9]+}', async (context) => {
    const index = Number(context.req.param('index'));
    const { name, type, content } = await context.var.person.attachment(...place(context), index);
    return file(context, name, type, content);
  });

  app.notFound((context) => sorry(context, new NotFound('There is no such page')));
  // The account is no longer there, or has another password.
  app.onError((error, context) => {
    if (!(error instanceof WrongPassword)) return sorry(context, error);
    session.end(context);
    return context.redirect('/sign-in', 303);
  });
  return app;
}

const LISTS = new Set(['uid', 'kept', 'files']);

// What a form holds: lists, and one text each of the rest, whatever else was sent under its name.
async function form(context) {
  try {
    const sent = Object.entries(await context.req.parseBody({ all: true }));
    const text = (values) => values.find((value) => typeof value === 'string');
    const read = (name, values) => (LISTS.has(name) ? values : text(values));
    return Object.fromEntries(sent.map(([name, value]) => [name, read(name, [value].flat())]));
  } catch (error) {
    // Node throws a TypeError for a body that is no form; a limit that was passed has its own status.
    throw error instanceof TypeError ? new HTTPException(400, { cause: error }) : error;
  }
}

// The one who is signed in, whose session goes on.
async function signedIn(people, context) {
  const found = session.current(context);
  if (!found) return undefined;
  const person = await people.resume(found, client(context));
  session.keep(context, found);
  return person;
}

const place = (context) => [context.req.param('folder'), Number(context.req.param('uid'))];

// Where to go on after signing in, said by the page that was asked for,
function wanted({ req }) {
  const { pathname, search } = new URL(req.url);
  return req.method === 'GET' ? pathname + search : pathname;
}

// and by whoever sends the form, who may say anything.
function inside(next) {
  const { host, pathname, search } = URL.parse(next, 'http://here') ?? {};
  return host === 'here' && INSIDE.test(pathname) ? pathname + search : '/mail';
}

// Does it and returns the notice.
async function act(person, folder, uids, action, to) {
  if (action === 'move' && !to) return 'unmoved';
  if (action === 'move') return (await person.move(folder, uids, to)) && 'moved';
  if (action === 'delete') return (await person.remove(folder, uids)).length ? 'trashed' : 'deleted';
  await person.mark(folder, uids, { seen: action === 'seen' });
  return action === 'seen' ? 'seen' : 'unseen';
}

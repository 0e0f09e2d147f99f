import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3-multiple-ciphers';
import { PATIENCE, within } from './service.js';
import { Browser, SAME, made, received } from './visitor.js';

const HOUR = 3_600_000;

test('the first page needs no store, and leads to where one signs in', async (t) => {
  const browser = new Browser(await made(t));
  const { status, to } = await browser.get('/');
  assert.deepEqual([status, to], [303, '/sign-in']);
  const page = await browser.get('/sign-in');
  assert.match(page.text, /Your password is the key of your mailbox and is not stored on this server/);
});

test('no page may run a script, be framed, send a form elsewhere or be kept', async (t) => {
  const { browser } = await received(t, { subject: 'x', text: 'x' });
  for (const path of ['/sign-in', '/mail/INBOX', '/mail/INBOX/1', '/compose', '/nowhere']) {
    const { headers, text } = await browser.get(path);
    const policy = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    assert.equal(headers['content-security-policy'], policy, path);
    assert.equal(headers['cache-control'], 'no-store', path);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.equal(headers['referrer-policy'], 'no-referrer', path);
    assert.doesNotMatch(text, /<script|style=| on\w+=/, path);
  }
});

test('what a mail says is text on every page, never markup', async (t) => {
  const evil = '"><script>alert(1)</script>\'&amp;';
  const { browser, list } = await received(t, {
    from: { name: evil, address: 'eve@elsewhere.test' },
    subject: evil,
    text: `${evil}\nhttps://x.test/"onclick="y`,
    attachments: [{ filename: evil, content: 'x', contentType: 'text/html' }],
  });
  const pages = [
    list,
    await browser.get('/mail/INBOX/1'),
    await browser.get(`/mail/INBOX?${new URLSearchParams({ q: evil })}`),
    await browser.get('/compose?how=reply&folder=INBOX&uid=1'),
    await browser.get('/compose?how=forward&folder=INBOX&uid=1'),
    await browser.get(`/compose?${new URLSearchParams({ how: evil, to: evil, folder: evil })}`),
    await browser.get(`/sign-in?${new URLSearchParams({ next: evil })}`),
    await browser.post('/sign-in', { address: evil, password: 'x' }),
    await browser.post('/compose', { how: evil, to: evil, subject: evil, text: evil, uid: evil, kept: `1 1 ${evil}` }),
  ];
  for (const { text } of pages) assert.doesNotMatch(text, /<script|"onclick=/);
  assert.ok(pages[1].text.match(/&lt;script&gt;/g).length >= 3);
});

test('a form from another site is refused, one without a word of where it comes from as well', async (t) => {
  const service = await made(t, 'sqlite');
  const joe = await service.user('joe');
  const browser = await new Browser(service).signIn(joe);
  const here = `https://127.0.0.1:${service.settings.WEB_PORT}`;
  const refused = [
    {},
    { Origin: 'https://evil.test' },
    { Origin: 'null' },
    { Origin: 'https://127.0.0.1' },
    { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.test' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'none' },
  ];
  for (const path of ['/sign-in', '/sign-out', '/compose', '/mail/INBOX']) {
    for (const headers of refused) {
      const { status, text } = await browser.post(path, { uid: '1' }, headers);
      assert.equal(status, 403, `${path} ${JSON.stringify(headers)}`);
      assert.match(text, /not sent from a page of this site/);
    }
  }
  assert.ok(browser.session);
  assert.equal((await browser.post('/sign-out', {}, { Origin: here })).status, 303);
  assert.equal(browser.session, undefined);
});

test('the cookie is for this site and no script, and the password is in no file of the service', async (t) => {
  const service = await made(t, 'sqlite');
  const joe = await service.user('joe', 'a password that is easy to find');
  const browser = new Browser(service);
  const { headers } = await browser.post('/sign-in', { address: joe.user, password: joe.pass });
  const [cookie] = headers['set-cookie'];
  assert.match(cookie, /^__Host-session=[\w-]+; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  assert.equal((await browser.get('/mail/INBOX')).status, 200);
  const files = readdirSync(service.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const read = files.flatMap(({ parentPath, name }) => {
    try {
      return readFileSync(join(parentPath, name), 'latin1');
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      return []; // SQLite has removed it since
    }
  });
  assert.ok(read.length > 3);
  for (const text of [...read, service.process('web').log, service.process('sqlite').log]) {
    assert.ok(!text.includes(joe.pass));
  }
});

test('a cookie that was changed, cut, sealed with another key or is too old signs nobody in', async (t) => {
  const service = await made(t, 'sqlite');
  const joe = await service.user('joe');
  const browser = await new Browser(service).signIn(joe);
  const status = async (session) => {
    browser.session = session;
    return (await browser.get('/mail/INBOX')).status;
  };
  const good = browser.session;
  const bytes = Buffer.from(good, 'base64url');
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] ^= 1;
    assert.equal(await status(changed.toString('base64url')), 303, `byte ${at}`);
  }
  for (const length of [0, 11, 12, 20, 28, bytes.length - 1]) {
    assert.equal(await status(bytes.subarray(0, length).toString('base64url') || 'x'), 303, `${length} bytes`);
  }
  const key = (helper, purpose) => Buffer.from(hkdfSync('sha256', helper, '', purpose, 32));
  const ours = key(service.settings.HELPER_ENCRYPTION_KEY, 'postbox web session');
  const text = unsealed(ours, bytes);
  assert.equal(JSON.parse(text).password, joe.pass);
  const sealedWith = (secret, changes) => sealed(secret, JSON.stringify({ ...JSON.parse(text), ...changes }));
  const now = Date.now();
  assert.equal(await status(sealedWith(ours, {})), 200);
  assert.equal(await status(sealedWith(ours, { used: now - 7.9 * HOUR })), 200);
  assert.equal(await status(sealedWith(ours, { used: now - 8.1 * HOUR })), 303);
  assert.equal(await status(sealedWith(ours, { since: now - 167 * HOUR })), 200);
  assert.equal(await status(sealedWith(ours, { since: now - 169 * HOUR })), 303);
  assert.equal(await status(sealedWith(ours, { used: undefined })), 303);
  assert.equal(await status(sealedWith(ours, { password: 'another' })), 303);
  assert.equal(await status(sealedWith(key(randomBytes(32), 'postbox web session'), {})), 303);
  assert.equal(await status(sealedWith(key(service.settings.HELPER_ENCRYPTION_KEY, 'another'), {})), 303);
  assert.equal(await status(sealedWith(Buffer.from(service.settings.HELPER_ENCRYPTION_KEY), {})), 303);
});

test('a session ends with its account, and touches nothing of the next one of this address', async (t) => {
  const service = await made(t, 'sqlite');
  const joe = await service.user('joe');
  const browser = await new Browser(service).signIn(joe);
  await service.admin(['user', 'remove', joe.user]);
  const next = await service.user('joe', 'another password');
  const { status, to } = await browser.get('/mail/INBOX');
  assert.deepEqual([status, to, browser.session], [303, '/sign-in', undefined]);
  assert.equal((await (await browser.signIn(next)).get('/mail/INBOX')).status, 200);
});

function sealed(key, text) {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const parts = [cipher.update(text), cipher.final()];
  return Buffer.concat([iv, cipher.getAuthTag(), ...parts]).toString('base64url');
}

function unsealed(key, bytes) {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(12, 28));
  return decipher.update(bytes.subarray(28)) + decipher.final();
}

test('guesses are limited, the right password waits with them, and who is signed in reads on', async (t) => {
  const service = await made(t, 'sqlite');
  const joe = await service.user('joe');
  const reader = await new Browser(service).signIn(joe);
  const browser = new Browser(service);
  for (let guess = 0; guess < 10; guess += 1) {
    const { status, text } = await browser.post('/sign-in', { address: joe.user, password: `guess ${guess}` });
    assert.equal(status, 401);
    assert.match(text, /role="alert">Wrong address or password</);
    assert.match(text, /value="joe@example.test" aria-invalid="true" aria-describedby="problem"/);
  }
  const { status, headers, text } = await browser.post('/sign-in', { address: joe.user, password: joe.pass });
  assert.deepEqual([status, headers['retry-after']], [429, '60']);
  assert.match(text, /Too many failed logins/);
  assert.equal((await reader.get('/mail/INBOX')).status, 200);
});

test('after signing in one is where one wanted to be, if that is here', async (t) => {
  const service = await made(t, 'sqlite');
  const joe = await service.user('joe');
  const leads = async (next) =>
    (await new Browser(service).post('/sign-in', { address: joe.user, password: joe.pass, next })).to;
  const { to } = await new Browser(service).get('/mail/INBOX?q=a%26b&page=2');
  const next = new URLSearchParams(to.split('?')[1]).get('next');
  assert.equal(await leads(next), '/mail/INBOX?q=a%26b&page=2');
  for (const elsewhere of ['//evil.test', 'https://evil.test', '/\\evil.test', '/mailevil', '/mail/../sign-out', 'javascript:x']) {
    assert.equal(await leads(elsewhere), '/mail', elsewhere);
  }
});

test('what somebody wrote is not lost when the store is away or the session has ended', async (t) => {
  const service = await made(t, 'sqlite');
  const joe = await service.user('joe');
  const browser = await new Browser(service).signIn(joe);
  const mail = { to: 'ann@example.test', subject: 'long work', text: 'first line\nsecond line', action: 'save' };
  await service.stop('sqlite');
  const away = await browser.get('/mail/INBOX');
  assert.deepEqual([away.status, away.headers['retry-after']], [503, '5']);
  assert.match(away.text, /Nothing is lost: try again/);
  const unsaved = await browser.post('/compose', mail);
  browser.cookies.clear();
  const expired = await browser.post('/compose', mail);
  assert.match(expired.text, /Sign in in another tab/);
  for (const [{ status, text, headers }, code] of [[unsaved, 503], [expired, 401]]) {
    assert.equal(status, code);
    assert.equal(headers['retry-after'], code === 503 ? '5' : undefined);
    for (const value of ['ann@example.test', 'long work', '>\nfirst line\nsecond line</textarea>']) {
      assert.ok(text.includes(value), value);
    }
  }
});

test('while the accounts are away the page says so, and nobody is signed out', async (t) => {
  const service = await made(t, 'sqlite');
  const joe = await service.user('joe');
  const browser = await new Browser(service).signIn(joe);
  const accounts = new Database(join(service.settings.POSTBOX_STATE, 'accounts.sqlite'));
  accounts.exec('ALTER TABLE accounts RENAME TO elsewhere');
  const credentials = { address: joe.user, password: joe.pass };
  for (const answer of [browser.get('/mail/INBOX'), browser.post('/sign-in', credentials)]) {
    const { status, headers } = await answer;
    assert.deepEqual([status, headers['retry-after']], [503, '5']);
  }
  accounts.exec('ALTER TABLE elsewhere RENAME TO accounts');
  accounts.close();
  assert.equal((await browser.get('/mail/INBOX')).status, 200);
});

test('a refused field is told beside it, and everything else stays', async (t) => {
  const service = await made(t, 'sqlite');
  const browser = await new Browser(service).signIn(await service.user('joe'));
  const { status, text } = await browser.post('/compose', { to: 'ann@example.test', cc: 'not an address', text: 'words' });
  assert.equal(status, 422);
  assert.match(text, /name="cc" value="not an address" autocomplete="off" aria-invalid="true" aria-describedby="cc-problem"/);
  assert.match(text, /id="cc-problem">Not a mail address/);
  assert.match(text, /<textarea[^>]*>\nwords</);
});

test('attachments come as files, whatever they say that they are', async (t) => {
  const filename = 'ä "quoted" (1)\'*.html';
  const { browser } = await received(t, {
    text: 'x',
    attachments: [{ filename, content: '<script>1</script>', contentType: 'text/html' }],
  });
  const { headers, text } = await browser.get('/mail/INBOX/1/attachments/0');
  assert.equal(headers['content-disposition'], `attachment; filename*=UTF-8''%C3%A4%20%22quoted%22%20%281%29%27%2a.html`);
  assert.equal(headers['content-security-policy'], "default-src 'none'; sandbox");
  assert.equal(text, '<script>1</script>');
  assert.match((await browser.get('/mail/INBOX/1/source')).text, /^Return-Path: /);
  assert.equal((await browser.get('/mail/INBOX/1/attachments/1')).status, 404);
  assert.equal((await browser.get('/mail/INBOX/99999999999999999999')).status, 404);
});

test('the HTML of a mail is kept in, and pictures from elsewhere come only when asked for', async (t) => {
  const { browser } = await received(t, {
    html: '<base href="https://evil.test/"><LINK rel=preconnect href="https://evil.test"><img src="cid:a%40b"><img src="https://evil.test/1"><a href="https://x.test" target="_top">x</a>',
    attachments: [{ filename: 'a.png', content: 'picture', contentType: 'image/png', cid: 'a@b' }],
  });
  const page = await browser.get('/mail/INBOX/1');
  assert.match(page.text, /<iframe [^>]*sandbox="allow-popups allow-popups-to-escape-sandbox"/);
  assert.match(page.text, /Pictures from elsewhere are not loaded/);
  assert.doesNotMatch((await browser.get('/mail/INBOX/1?remote=yes')).text, /are not loaded/);
  const policy = async (query) => (await browser.get(`/mail/INBOX/1/html${query}`)).headers['content-security-policy'];
  const rest = "style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'";
  const start = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:";
  assert.equal(await policy(''), `${start}; ${rest}`);
  assert.equal(await policy('?remote=yes'), `${start} http: https:; ${rest}`);
  const { text } = await browser.get('/mail/INBOX/1/html');
  assert.doesNotMatch(text, /<(base|link)/i);
  assert.match(text, /<a target="_blank" rel="noreferrer noopener"/);
  assert.ok(text.includes(`src="data:image/png;base64,${Buffer.from('picture').toString('base64')}"`));
});

test('a mail without anything in it is shown, and one whose files only its HTML is to show', async (t) => {
  const { service, joe, browser } = await received(t, { raw: 'Subject:\r\n\r\n' });
  const { text } = await browser.get('/mail/INBOX/1');
  assert.match(text, /<h1>\(no subject\)<\/h1>/);
  assert.match(text, /Unknown sender/);
  await service.mx().sendMail({
    ...{ from: 'eve@elsewhere.test', to: joe.user, html: '<img src="cid:shown">' },
    attachments: ['shown', 'hidden'].map((cid) => ({ cid, filename: `${cid}.png`, content: 'x', contentType: 'image/png' })),
  });
  const page = await within(PATIENCE, 'it is there', async () => {
    const answer = await browser.get('/mail/INBOX/2');
    return answer.status === 200 && answer;
  });
  assert.match(page.text, />hidden\.png</);
  assert.doesNotMatch(page.text, />shown\.png</);
});

test('mails that are made to be hard to read are read', async (t) => {
  const many = 300_000;
  const { browser } = await received(t, {
    html: `<img src=${' '.repeat(many)}x${'<a '.repeat(many)}${'url('.repeat(many)}${'src='.repeat(many)}`,
    text: `http://${'.'.repeat(many)}\n${'http://'.repeat(many)}\n${'>\n'.repeat(many)}${'> '.repeat(many)}`,
  });
  for (const page of ['', '?view=html', '/html']) {
    assert.equal((await browser.get(`/mail/INBOX/1${page}`)).status, 200, page);
  }
  assert.equal((await browser.get('/compose?how=reply&folder=INBOX&uid=1')).status, 200);
});

test('folders whose names are odd are opened, and mails in them', async (t) => {
  const { service, joe, browser } = await received(t, { subject: 'to be moved', text: 'x' });
  await service.start('imap');
  const imap = await service.imap(joe);
  const names = ['a/b', 'x?y#z', '50%', 'Bücher & <Co>', 'a+b c', 'a/b/../c', '%2F'];
  for (const name of names) await imap.mailboxCreate(name);
  imap.close();
  let [folder, uid] = ['INBOX', '1'];
  for (const name of names) {
    const to = `/mail/${encodeURIComponent(folder)}`;
    assert.equal((await browser.post(to, { uid, action: 'move', to: name })).to, to, name);
    folder = name;
    const list = await browser.get(`/mail/${encodeURIComponent(folder)}`);
    assert.equal(list.status, 200, name);
    const [link] = list.text.match(/\/mail\/[^/"]+\/\d+/);
    assert.match((await browser.get(link)).text, /<h1>to be moved<\/h1>/, name);
    uid = link.split('/').at(-1);
  }
});

test('forms that no page of ours sends are refused, or understood, and break nothing', async (t) => {
  const service = await made(t, 'sqlite');
  const browser = await new Browser(service).signIn(await service.user('joe'));
  const multipart = (names) => {
    const part = (name) => `--b\r\nContent-Disposition: form-data; name="${name}"; filename="x"\r\n\r\nx\r\n`;
    const headers = { ...SAME, 'Content-Type': 'multipart/form-data; boundary=b' };
    return { headers, body: `${names.map(part).join('')}--b--\r\n` };
  };
  const fields = ['address', 'password', 'next', 'uid', 'action', 'to', 'subject', 'text', 'how', 'folder', 'kept', 'files'];
  const twice = fields.flatMap((name) => [[name, 'x'], [name, 'y']]);
  const answers = [];
  for (const path of ['/sign-in', '/compose', '/mail/INBOX', '/sign-out']) {
    answers.push(await browser.post(path, {}), await browser.post(path, twice));
    answers.push(await browser.ask('POST', path, multipart(fields)));
    answers.push(await browser.ask('POST', path, { ...multipart(fields), body: 'nothing of the kind' }));
    answers.push(await browser.ask('POST', path, { headers: { ...SAME, 'Content-Type': 'application/json' }, body: '{' }));
  }
  assert.deepEqual([...new Set(answers.map(({ status }) => status))].sort(), [303, 400, 401, 404, 422]);
});

test('a form that is too big is refused, and the role lives', async (t) => {
  const service = await made(t, 'sqlite');
  const browser = await new Browser(service).signIn(await service.user('joe'));
  const { status } = await browser.post('/mail/INBOX', { uid: 'x'.repeat(70_000) });
  assert.equal(status, 413);
  assert.equal((await browser.get('/mail/INBOX')).status, 200);
});

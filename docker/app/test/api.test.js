import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Api, description, operations } from './api-description.js';
import { PATIENCE, Service, freePort, within } from './service.js';

const ALL = ['sqlite', 'mx', 'smtp-bree', 'api'];
const base64 = (text) => Buffer.from(text).toString('base64');
const invalid = ({ status, body }) => [status, body.field];

async function made(t, roles = ALL, changes = {}) {
  const service = await Service.make(t, { API_PORT: await freePort(), API_PROTOCOL: 'http', ...changes });
  const [joe, ann] = [await service.user('joe'), await service.user('ann')];
  await service.start(...roles);
  return { service, joe: new Api(service, joe), ann: new Api(service, ann), names: { joe, ann } };
}

// The mails of a folder, as soon as there are so many.
function mails(api, count, folder = 'INBOX') {
  return within(PATIENCE, `${count} mails are in ${folder}`, async () => {
    const { messages } = (await api.get(`/v1/messages?folder=${encodeURIComponent(folder)}`)).body;
    return messages?.length >= count && messages;
  });
}

test('every operation is as described, and all that is described happens', async (t) => {
  const { service, joe, ann } = await made(t, ALL, { SMTP_MESSAGE_MAX_SIZE: '100KB' });
  const stranger = new Api(service);
  await stranger.get('/');
  await stranger.get('/v1/test');
  assert.deepEqual((await stranger.get('/v1/openapi.json')).body, description);
  for (const operation of operations().filter((name) => !/ (\/|\/v1\/test|\/v1\/openapi.json)$/.test(name))) {
    const [method, path] = operation.split(' ');
    await stranger.ask(method, path.replace('{index}', '0').replace('{uid}', '1').replace(/\{\w+\}/, 'INBOX'));
  }

  assert.equal((await joe.get('/v1/account')).body.address, 'joe@example.test');
  const special = (await joe.get('/v1/mailboxes')).body.mailboxes.map((mailbox) => mailbox.special);
  assert.deepEqual(special, ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash']);

  // Mailboxes
  const created = await joe.ask('POST', '/v1/mailboxes', { path: 'Work/für "x"?#+;' });
  assert.deepEqual((await joe.get(created.headers.get('Location'))).body, created.body);
  assert.equal((await joe.ask('POST', '/v1/mailboxes', { path: 'inbox' })).body.code, 'taken');
  assert.equal((await joe.ask('PUT', '/v1/mailboxes/Work', { path: 'Play' })).body.path, 'Play');
  assert.equal((await joe.get('/v1/mailboxes/Work')).status, 404);
  assert.equal((await joe.ask('PUT', '/v1/mailboxes/Play', { path: 'Trash' })).status, 409);
  assert.equal((await joe.ask('PUT', '/v1/mailboxes/Trash', { path: 'x' })).status, 403);
  assert.equal((await joe.ask('PUT', '/v1/mailboxes/Work', { path: 'x' })).status, 404);
  assert.equal((await joe.ask('DELETE', '/v1/mailboxes/INBOX')).status, 403);
  assert.equal((await joe.ask('DELETE', '/v1/mailboxes/Play')).status, 204);
  assert.equal((await joe.ask('DELETE', '/v1/mailboxes/Play')).status, 404);

  // Mail
  const attachments = [{ name: 'ä "1".txt', type: 'text/plain', content: base64('attached') }];
  const mail = { name: 'Jö', to: ['ann@example.test'], subject: 'Grüße', text: 'hällo', attachments };
  const { body: sent } = await joe.ask('POST', '/v1/messages', mail);
  assert.equal((await joe.get(`/v1/messages/${encodeURIComponent(sent.sent.folder)}/${sent.sent.uid}`)).body.seen, true);
  const [summary] = await mails(ann, 1);
  assert.deepEqual(summary.from, [{ name: 'Jö', address: 'joe@example.test' }]);
  assert.equal(summary.attachments, true);
  const at = `/v1/messages/INBOX/${summary.uid}`;
  const { body: read } = await ann.get(at);
  assert.deepEqual([read.subject, read.text.trim(), read.messageId], ['Grüße', 'hällo', sent.messageId]);
  assert.equal(read.seen, false);
  assert.match((await ann.get(`${at}/source`)).body, /^Return-Path: <joe@example\.test>\r\n/);
  const attached = await ann.get(`${at}/attachments/0`);
  assert.equal(attached.body, 'attached');
  assert.match(attached.headers.get('Content-Disposition'), /^attachment; filename\*=UTF-8''%C3%A4%20%221%22\.txt$/);
  assert.equal((await ann.get(`${at}/attachments/1`)).status, 404);
  assert.equal((await ann.get('/v1/messages/INBOX/99')).status, 404);
  assert.equal((await ann.get('/v1/messages/INBOX/99/source')).status, 404);
  assert.equal((await ann.get('/v1/messages?folder=nowhere')).status, 404);
  assert.deepEqual(invalid(await ann.get('/v1/messages?page=0')), [422, 'page']);
  assert.deepEqual(invalid(await ann.get('/v1/messages?path=Archive')), [422, 'path']);

  assert.equal((await ann.ask('PUT', at, { seen: true, flagged: true })).body.flagged, true);
  const { body: moved } = await ann.ask('PUT', at, { flagged: false, folder: 'Archive' });
  assert.deepEqual([moved.folder, moved.seen, moved.flagged], ['Archive', true, false]);
  assert.equal((await ann.ask('PUT', at, { seen: true })).status, 404);
  const { body: trashed } = await ann.ask('DELETE', `/v1/messages/Archive/${moved.uid}`);
  assert.equal(trashed.folder, 'Trash');
  assert.equal((await ann.ask('DELETE', `/v1/messages/Trash/${trashed.uid}`)).status, 204);
  assert.equal((await ann.ask('DELETE', `/v1/messages/Trash/${trashed.uid}`)).status, 404);
  assert.deepEqual(invalid(await ann.ask('DELETE', `${at}?forever=perhaps`)), [422, 'forever']);
  await joe.ask('POST', '/v1/messages', { bcc: [{ address: 'ann@example.test' }] });
  const [again] = await mails(ann, 1);
  assert.equal((await ann.ask('DELETE', `/v1/messages/INBOX/${again.uid}?forever=true`)).status, 204);
  assert.equal((await ann.get('/v1/mailboxes/Trash')).body.messages, 0);

  // Bodies that are none
  const draft = await joe.ask('POST', '/v1/drafts', { subject: 'later' });
  const takers = ['POST /v1/messages', 'POST /v1/drafts', 'POST /v1/mailboxes', 'PUT /v1/mailboxes/Play'];
  for (const taker of [...takers, `PUT ${draft.headers.get('Location')}`]) {
    const [method, path] = taker.split(' ');
    assert.equal((await joe.ask(method, path, '{')).status, 400);
    assert.equal((await joe.ask(method, path, 'x', 'text/plain')).status, 415);
    assert.deepEqual(invalid(await joe.ask(method, path, { nonsense: 1 })), [422, 'nonsense']);
    assert.equal((await joe.ask(method, path, ' '.repeat(1_300_000))).status, 413);
  }
  const missing = { reply: { folder: 'INBOX', uid: 99 }, to: ['ann@example.test'] };
  assert.equal((await joe.ask('POST', '/v1/messages', missing)).status, 404);
  assert.equal((await joe.ask('POST', '/v1/drafts', missing)).status, 404);

  // Nobody answers
  await service.stop('sqlite');
  const away = operations().filter((name) => !/ (\/|\/v1\/test|\/v1\/openapi.json|\/v1\/account)$/.test(name));
  for (const operation of away) {
    const [method, path] = operation.split(' ');
    const bodies = { PUT: path.includes('uid') ? { seen: true } : { path: 'x' }, POST: path.includes('mailboxes') ? { path: 'x' } : missing };
    const real = path.replace('{index}', '0').replace('{uid}', '1').replace(/\{\w+\}/, 'Other');
    assert.equal((await joe.ask(method, real, bodies[method])).status, 503, operation);
  }

  const described = operations().flatMap((name) => {
    const [method, path] = name.split(' ');
    return Object.keys(description.paths[path][method.toLowerCase()].responses).map((status) => `${name} ${status}`);
  });
  const seen = new Set([stranger, joe, ann].flatMap((api) => [...api.seen]));
  // These have tests of their own.
  const unseen = described.filter((one) => !seen.has(one) && !/ 429$|account 503$/.test(one));
  assert.deepEqual(unseen, []);
});

test('every route of the program is described', async (t) => {
  const service = await Service.make(t);
  Object.assign(process.env, service.settings);
  const { api } = await import('../lib/api.js');
  const routes = api().routes.filter(({ method }) => method !== 'ALL');
  const named = routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)(\{.*?\}(?=\/|$))?/g, '{$1}')}`);
  assert.deepEqual(named.sort(), operations().sort());
});

test('without a login there is nothing but the signs of life', async (t) => {
  const { service } = await made(t, ['api']);
  const stranger = new Api(service);
  assert.equal((await stranger.get('/')).body, 'OK');
  const [one, another] = [(await stranger.get('/v1/test')).body, (await stranger.get('/v1/test')).body];
  assert.match(one, /^test\+\w+@example\.test$/);
  assert.notEqual(one, another);
  const refused = await fetch(`${stranger.base}/v1/nonsense`);
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get('WWW-Authenticate'), /^Basic realm="postbox"/);
});

test('a method that a path does not take is answered 405, and a path that is not there 404', async (t) => {
  const { joe } = await made(t, ['api']);
  const ask = (method, path) => fetch(joe.base + path, { method, headers: joe.login });
  const refused = await ask('DELETE', '/v1/account');
  assert.deepEqual([refused.status, refused.headers.get('Allow')], [405, 'GET, HEAD']);
  assert.equal((await ask('GET', '/v1/accounts')).status, 404);
  assert.equal((await ask('GET', '/v1/messages/INBOX/first')).status, 404);
});

test('guessing a password is stopped with 429, and many requests at once are no guesses', async (t) => {
  const { service, joe, ann } = await made(t, ['api']);
  const together = await Promise.all(Array.from({ length: 30 }, () => joe.get('/v1/account')));
  assert.deepEqual(new Set(together.map(({ status }) => status)), new Set([200]));
  const statuses = [];
  for (let guess = 0; guess < 11; guess += 1) {
    const guesser = new Api(service, { user: 'joe@example.test', pass: `guess ${guess}` });
    statuses.push((await guesser.get('/v1/account')).status);
  }
  assert.deepEqual(statuses, [...Array.from({ length: 10 }, () => 401), 429]);
  const refused = await joe.get('/v1/account');
  assert.deepEqual([refused.status, refused.headers.get('Retry-After')], [429, '60']);
  assert.equal((await ann.get('/v1/account')).status, 200);
});

test('while the accounts are away a login is answered 503, and the signs of life are there', async (t) => {
  const nobody = { MONGO_URI: 'mongodb://127.0.0.1:1/a', EMAILS_MONGO_URI: 'mongodb://127.0.0.1:1/b' };
  const service = await Service.make(t, { API_PORT: await freePort(), API_PROTOCOL: 'http', ...nobody });
  await service.start('api');
  const joe = new Api(service, { user: 'joe@example.test', pass: 'x' });
  assert.equal((await joe.get('/v1/test')).status, 200);
  const refused = await joe.get('/v1/account');
  assert.deepEqual([refused.status, refused.headers.get('Retry-After')], [503, '5']);
});

test('mail is sent while sqlite is away, and is not lost', async (t) => {
  const { service, joe, ann } = await made(t, ['mx', 'smtp-bree', 'api']);
  const { status, body } = await joe.ask('POST', '/v1/messages', { to: ['ann@example.test'], subject: 'patience' });
  assert.deepEqual([status, body.sent], [202, null]);
  const refused = await joe.get('/v1/mailboxes');
  assert.deepEqual([refused.status, refused.headers.get('Retry-After')], [503, '5']);
  await service.start('sqlite');
  assert.equal((await mails(ann, 1))[0].subject, 'patience');
});

test('a draft is sent as the reply that it is', async (t) => {
  const { joe, ann } = await made(t);
  await joe.ask('POST', '/v1/messages', { to: ['ann@example.test'], subject: 'question' });
  const [{ uid }] = await mails(ann, 1);
  const { body: question } = await ann.get(`/v1/messages/INBOX/${uid}`);
  const answer = { to: ['joe@example.test'], subject: 'Re: question', text: 'Yes' };
  const { body: first } = await ann.ask('POST', '/v1/drafts', { ...answer, reply: { folder: 'INBOX', uid } });
  const { body: second } = await ann.ask('POST', '/v1/drafts', { ...answer, text: 'No', draft: first.uid });
  assert.deepEqual((await mails(ann, 1, 'Drafts')).map((draft) => draft.uid), [second.uid]);
  await ann.ask('POST', '/v1/messages', { ...answer, draft: second.uid, reply: { folder: 'INBOX', uid } });
  const [received] = await mails(joe, 1);
  const { body: read } = await joe.get(`/v1/messages/INBOX/${received.uid}`);
  assert.deepEqual([read.inReplyTo, read.references], [question.messageId, question.messageId]);
  assert.equal((await ann.get(`/v1/messages/INBOX/${uid}`)).body.answered, true);
  assert.equal((await ann.get('/v1/mailboxes/Drafts')).body.messages, 0);
});

test('a hidden recipient is seen by the sender alone', async (t) => {
  const { joe, ann } = await made(t);
  const mail = { to: ['ann@example.test'], bcc: ['joe@example.test'], subject: 'quiet' };
  const { body } = await joe.ask('POST', '/v1/messages', mail);
  for (const api of [joe, ann]) {
    await mails(api, 1);
    assert.doesNotMatch((await api.get('/v1/messages/INBOX/1/source')).body, /^Bcc/im);
  }
  const { body: copy } = await joe.get(`/v1/messages/${encodeURIComponent(body.sent.folder)}/${body.sent.uid}`);
  assert.deepEqual(copy.bcc, [{ name: '', address: 'joe@example.test' }]);
});

test('an attachment is passed on without being sent again', async (t) => {
  const { joe, ann } = await made(t);
  const attachments = [{ name: 'a.bin', type: 'x/y', content: base64('\0\r\n\xff') }];
  await joe.ask('POST', '/v1/messages', { to: ['ann@example.test'], attachments });
  const [{ uid }] = await mails(ann, 1);
  await ann.ask('POST', '/v1/messages', { to: ['joe@example.test'], attachments: [{ folder: 'INBOX', uid, index: 0 }] });
  const [received] = await mails(joe, 1);
  const { body } = await joe.get(`/v1/messages/INBOX/${received.uid}/attachments/0`);
  assert.equal(body, '\0\r\n\xff');
});

// What no header can hold was answered with 500.
test('an attachment comes out under any name and of any type that its sender made up', async (t) => {
  const { service, ann } = await made(t, ['sqlite', 'mx', 'api']);
  const part = (type, name) => [`--b`, `Content-Type: ${type}`, `Content-Disposition: attachment; filename="${name}"`, '', 'x'];
  const mail = [
    'Content-Type: multipart/mixed; boundary=b',
    '',
    ...part('image/\u{1f389}', "it's (1)*.png"),
    ...part('x y/z\x01', 'a.txt'),
    '--b--',
    '',
  ];
  const envelope = { from: 'eve@elsewhere.test', to: ['ann@example.test'] };
  await service.mx().sendMail({ envelope, raw: mail.join('\r\n') });
  const [{ uid }] = await mails(ann, 1);
  const at = (index) => ann.get(`/v1/messages/INBOX/${uid}/attachments/${index}`);
  const [first, second] = [await at(0), await at(1)];
  assert.deepEqual([first.status, second.status], [200, 200], service.process('api').log);
  assert.equal(first.headers.get('Content-Type'), 'application/octet-stream');
  assert.equal(first.headers.get('Content-Disposition'), "attachment; filename*=UTF-8''it%27s%20%281%29%2a.png");
});

test('an attachment of many megabytes goes through', async (t) => {
  const { service, joe, ann } = await made(t);
  const content = Buffer.alloc(15_000_000, 'big').toString('base64');
  const mail = { to: ['ann@example.test'], attachments: [{ content }] };
  // Not by `ask`, which would hold all of it to the description.
  const options = { method: 'POST', headers: { ...joe.login, 'Content-Type': 'application/json' } };
  const { status } = await fetch(`${joe.base}/v1/messages`, { ...options, body: JSON.stringify(mail) });
  assert.equal(status, 202, service.process('api').log);
  const [{ uid }] = await mails(ann, 1);
  const { body } = await ann.get(`/v1/messages/INBOX/${uid}`);
  assert.equal(body.attachments[0].size, 15_000_000);
});

test('all words of a search have to be in a mail, encoded or not, and pages are counted from the newest', async (t) => {
  const { service, joe, names } = await made(t);
  const send = (subject, text) =>
    service.mx().sendMail({ from: '"Zoë" <zoe@elsewhere.test>', to: names.joe.user, subject, text });
  for (const subject of ['eins', 'zwei Grüße', 'drei']) await send(subject, `Häuser ${subject === 'drei' ? 'blau' : ''}`);
  const found = async (query) => {
    const { body } = await joe.get(`/v1/messages?${new URLSearchParams(query)}`);
    return [body.total, ...body.messages.map(({ subject }) => subject)];
  };
  assert.deepEqual(await found({ q: 'GRÜßE' }), [1, 'zwei Grüße']);
  assert.deepEqual(await found({ q: 'zoë HÄUSER' }), [3, 'drei', 'zwei Grüße', 'eins']);
  assert.deepEqual(await found({ q: 'häuser blau' }), [1, 'drei']);
  assert.deepEqual(await found({ q: 'eins blau' }), [0]);
  assert.deepEqual(await found({ size: 2, page: 2 }), [3, 'eins']);
  assert.deepEqual(await found({ size: 2, page: 3 }), [3]);
});

test('what cannot be sent is refused with the field that is wrong', async (t) => {
  const { joe } = await made(t, ['sqlite', 'api'], { SMTP_MESSAGE_MAX_SIZE: '100KB' });
  const send = async (mail) => invalid(await joe.ask('POST', '/v1/messages', { to: ['ann@example.test'], ...mail }));
  const cases = [
    [{ to: [] }, 'to'],
    [{ to: 'ann@example.test' }, 'to'],
    [{ to: ['ann'] }, 'to[0]'],
    [{ to: ['ann@example.test eve@elsewhere.test'] }, 'to[0]'],
    [{ cc: ['ann@example.test', 'a@b@c'] }, 'cc[1]'],
    [{ bcc: [{ address: 'x@y.test\r\nRCPT TO:<z@y.test>' }] }, 'bcc[0].address'],
    [{ cc: [{ name: 'x\r\nBcc: eve@elsewhere.test', address: 'ann@example.test' }] }, 'cc'],
    [{ to: Array.from({ length: 30 }, (_, n) => `a${n}@b.test`), cc: Array.from({ length: 30 }, (_, n) => `c${n}@b.test`) }, 'to'],
    [{ subject: 'x\r\nBcc: eve@elsewhere.test' }, 'subject'],
    [{ subject: 'x\nBcc: eve@elsewhere.test' }, 'subject'],
    [{ subject: 7 }, 'subject'],
    [{ name: 'Joe\0' }, 'name'],
    [{ text: '\ud800' }, 'text'],
    [{ from: 'eve@elsewhere.test' }, 'from'],
    [{ attachments: [{ path: '/etc/passwd' }] }, 'attachments[0].path'],
    [{ attachments: [{ content: 'not base64' }] }, 'attachments[0].content'],
    [{ attachments: [{ folder: 'INBOX', uid: 1.5, index: 0 }] }, 'attachments[0].uid'],
    [{ __proto__: null, ['__proto__']: {} }, '__proto__'],
  ];
  for (const [mail, field] of cases) assert.deepEqual(await send(mail), [422, field], JSON.stringify(mail));
  assert.deepEqual(invalid(await joe.ask('POST', '/v1/messages', '[]')), [422, 'body']);
  const big = await joe.ask('POST', '/v1/messages', { to: ['ann@example.test'], text: 'x'.repeat(110_000) });
  assert.deepEqual([big.status, big.body.code], [413, 'too-big']);
  assert.equal((await joe.get('/v1/mailboxes/Sent%20Mail')).body.messages, 0);
});

test('no mail is too odd to be listed and read', async (t) => {
  const { service, ann, names } = await made(t);
  const nested = (depth) => `Content-Type: multipart/mixed; boundary=b${depth}\r\n\r\n--b${depth}\r\n${depth ? nested(depth - 1) : '\r\ninmost'}\r\n`;
  const odd = {
    'no header': 'no header at all',
    nothing: '',
    nested: `Subject: nested\r\n${nested(300)}`,
    'eight bits': Buffer.from('Subject: \xff\xfe\r\nFrom: \xe9 <a@b.test>\r\n\r\n\xe4\r\n', 'latin1'),
    'a charset of nobody': 'Subject: =?klingon?B?/w==?=\r\nContent-Type: text/plain; charset=klingon\r\n\r\nx\r\n',
    'no end': 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>',
    'a date of nobody': 'Date: yesterday\r\nFrom: @, <>, ;:\r\nTo: undisclosed-recipients:;\r\n\r\nx\r\n',
    headers: `${'X-A: b\r\n'.repeat(50_000)}\r\nx\r\n`,
  };
  for (const raw of Object.values(odd)) {
    await service.mx().sendMail({ raw, envelope: { from: 'eve@elsewhere.test', to: names.ann.user } });
  }
  const all = await mails(ann, Object.keys(odd).length);
  for (const { uid } of all) {
    assert.equal((await ann.get(`/v1/messages/INBOX/${uid}`)).status, 200);
    assert.equal((await ann.get(`/v1/messages/INBOX/${uid}/source`)).status, 200);
  }
});

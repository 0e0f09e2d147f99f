import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { PATIENCE, Service, freePort, within } from './service.js';

async function opened(t, changes) {
  const service = await Service.make(t, changes);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  const client = await service.imap(joe);
  await client.mailboxOpen('INBOX');
  return { service, joe, client };
}

test('the folders of a new mailbox have their special uses', async (t) => {
  const { client } = await opened(t);
  const folders = Object.fromEntries((await client.list()).map(({ path, specialUse }) => [path, specialUse]));
  assert.deepEqual(folders, {
    INBOX: '\\Inbox',
    Archive: '\\Archive',
    Drafts: '\\Drafts',
    'Sent Mail': '\\Sent',
    Spam: '\\Junk',
    Trash: '\\Trash',
  });
  client.close();
});

test('folders are created, renamed with what is below, subscribed and deleted', async (t) => {
  const { client } = await opened(t);
  await client.mailboxCreate(['Bücher', 'Romane']);
  await client.append('Bücher/Romane', 'Subject: kept\r\n\r\nx\r\n');
  await client.mailboxRename('Bücher', 'Книги');
  const paths = async () => (await client.list()).map(({ path }) => path).filter((path) => /[^\0-\x7f]/.test(path));
  assert.deepEqual(await paths(), ['Книги', 'Книги/Romane']);
  assert.equal((await client.status('Книги/Romane', { messages: true })).messages, 1);
  await client.mailboxDelete('Книги/Romane');
  assert.deepEqual(await paths(), ['Книги']);
  await assert.rejects(client.mailboxDelete('Trash'), { serverResponseCode: 'CANNOT' });
  await assert.rejects(
    client.mailboxCreate('Архив').then(() => client.mailboxRename('Архив', 'Книги')),
    { serverResponseCode: 'ALREADYEXISTS' },
  );
  client.close();
});

test('APPEND, COPY and MOVE tell the new uids, and the source stays as it was, byte for byte', async (t) => {
  const { client } = await opened(t);
  // Headers and bodies that a rebuilt source would tidy up.
  const source = 'subject:   odd \r\nX-Long: a\r\n\tb\r\n\r\n--nothing\r\n\r\n.\r\n\xe9\xff no newline at the end';
  const { uid } = await client.append(
    'INBOX',
    Buffer.from(source, 'latin1'),
    ['\\Flagged'],
    new Date('2020-02-03T04:05:06Z'),
  );
  const { uidMap: copied } = await client.messageCopy(uid, 'Archive', { uid: true });
  const { uidMap: moved } = await client.messageMove(uid, 'Trash', { uid: true });
  assert.equal((await client.status('INBOX', { messages: true })).messages, 0);
  for (const [folder, there] of [
    ['Archive', copied.get(uid)],
    ['Trash', moved.get(uid)],
  ]) {
    await client.mailboxOpen(folder);
    const mail = await client.fetchOne(
      String(there),
      { source: true, flags: true, internalDate: true, size: true },
      { uid: true },
    );
    assert.equal(mail.source.toString('latin1'), source);
    assert.equal(mail.size, source.length);
    assert.deepEqual([...mail.flags], ['\\Flagged']);
    assert.equal(mail.internalDate.toISOString(), '2020-02-03T04:05:06.000Z');
    const { source: middle } = await client.fetchOne(
      String(there),
      { source: { start: 5, maxLength: 10 } },
      { uid: true },
    );
    assert.equal(middle.toString('latin1'), source.slice(5, 15));
  }
  client.close();
});

test('flags, EXPUNGE and new mail of one session reach another in IDLE', async (t) => {
  const { service, joe, client } = await opened(t);
  await client.append('INBOX', 'Subject: one\r\n\r\nx\r\n');
  const other = await service.imap(joe);
  await other.mailboxOpen('INBOX');
  const seen = [];
  other.on('flags', ({ flags }) => seen.push([...flags].join()));
  other.on('expunge', ({ seq }) => seen.push(`expunge ${seq}`));
  other.on('exists', ({ count }) => seen.push(`exists ${count}`));
  void other.idle();
  await within(PATIENCE, 'the other one idles', () => other.idling);
  await client.messageFlagsAdd('1', ['\\Seen', '$Label']);
  await client.append('INBOX', 'Subject: two\r\n\r\nx\r\n');
  await client.messageDelete('1');
  await within(PATIENCE, 'all is told', () => seen.length >= 4);
  assert.deepEqual(seen, ['\\Seen,$Label', 'exists 2', '\\Seen,$Label,\\Deleted', 'expunge 1']);
  client.close();
  other.close();
});

test('SEARCH finds by header, text, flag, size, date and combinations', async (t) => {
  const { client } = await opened(t);
  const mails = [
    'From: Ann <ann@example.test>\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\nDate: Mon, 06 Jan 2020 10:00:00 +0000\r\n\r\nplain words\r\n',
    'From: bob@example.test\r\nSubject: two\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw6RwZmVs\r\n',
    `From: bob@example.test\r\nSubject: =?utf-8?Q?St=C3=A4?=\r\n =?utf-8?Q?dte?= and\r\n countries\r\n\r\n${'long '.repeat(500)}\r\n`,
  ];
  for (const mail of mails) await client.append('INBOX', mail);
  await client.messageFlagsAdd('3', ['\\Seen']);
  const found = (query) => client.search(query);
  assert.deepEqual(await found({ subject: 'grüße' }), [1]);
  assert.deepEqual(await found({ subject: 'städte and countries' }), [3]);
  assert.deepEqual(await found({ from: 'BOB' }), [2, 3]);
  assert.deepEqual(await found({ body: 'Äpfel' }), [2]);
  assert.deepEqual(await found({ text: 'ann@' }), [1]);
  assert.deepEqual(await found({ larger: 2000 }), [3]);
  assert.deepEqual(await found({ seen: false }), [1, 2]);
  assert.deepEqual(await found({ sentBefore: new Date('2020-01-07') }), [1]);
  assert.deepEqual(await found({ since: new Date(Date.now() - 86_400_000) }), [1, 2, 3]);
  assert.deepEqual(await found({ or: [{ subject: 'two' }, { subject: 'städte' }] }), [2, 3]);
  assert.deepEqual(await found({ not: { from: 'bob' } }), [1]);
  assert.deepEqual(await found({ from: 'bob', seen: true, uid: '2:*' }), [3]);
  client.close();
});

test('a mail in a mail is shown with its parts and searched, and what is too deep is still a mail', async (t) => {
  const { client } = await opened(t);
  const forwarded = 'From: ann@example.test\r\nSubject: inner\r\n\r\nwords inside\r\n';
  const inner = `Content-Type: message/rfc822\r\n\r\n${forwarded}`;
  const multipart = 'Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n';
  await client.append('INBOX', `Subject: outer\r\n${inner}`);
  await client.append('INBOX', `${multipart}--b\r\n\r\nsee below\r\n--b\r\n${inner}--b--\r\n`);
  await client.append('INBOX', `Subject: deep\r\n${'Content-Type: message/rfc822\r\n\r\n'.repeat(5000)}`);
  await client.append('INBOX', `Subject: deep\r\n${'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'.repeat(5000)}`);
  const [alone, among, mails, multiparts] = await client.fetchAll('1:*', { bodyStructure: true, envelope: true });
  assert.equal(alone.bodyStructure.envelope.subject, 'inner');
  const [, second] = among.bodyStructure.childNodes;
  assert.deepEqual([second.type, second.envelope.subject], ['message/rfc822', 'inner']);
  assert.deepEqual([mails.envelope.subject, mails.bodyStructure.type], ['deep', 'message/rfc822']);
  assert.deepEqual([multiparts.envelope.subject, multiparts.bodyStructure.type], ['deep', 'multipart/mixed']);
  const [, , ...parts] = await client.fetchAll('1:*', { bodyParts: ['1'] });
  assert.deepEqual([...parts[0].bodyParts.keys(), ...parts[1].bodyParts.keys()], ['1', '1']);
  assert.deepEqual(await client.search({ body: 'words inside' }), [1, 2]);
  assert.deepEqual(await client.search({ subject: 'inner' }), []);
  client.close();
});

test('mails in mails are looked into for no more bytes than their size allows, and encoded ones not at all', async (t) => {
  const { client } = await opened(t);
  const nested = (levels, text) => `${'Content-Type: message/rfc822\r\n\r\n'.repeat(levels)}Subject: inner\r\n\r\n${text}\r\n`;
  await client.append('INBOX', nested(20, 'x'));
  // Three times the size and 1 MiB: enough for the mail itself and two in it.
  await client.append('INBOX', nested(20, 'x'.repeat(2_000_000)));
  const encoded = Buffer.from(nested(0, 'x')).toString('base64');
  const headers = 'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n';
  await client.append('INBOX', `${headers}${encoded}\r\n`);
  const mails = await client.fetchAll('1:*', { bodyStructure: true });
  const levels = (node) => 1 + Math.max(0, ...(node.childNodes ?? []).map(levels));
  assert.deepEqual(mails.map(({ bodyStructure }) => levels(bodyStructure)), [21, 3, 1]);
  client.close();
});

test('headers of control characters break no answer', async (t) => {
  const { client } = await opened(t);
  const twice = 'Date: a\r\n Mon, 06 Jan 2020\r\nDate: \x01\r\n\tagain\r\nSubject: odd\r\nSubject: even\r\n';
  await client.append('INBOX', `${twice}Content-Type: text/a\x01b\r\n\r\nx\r\n`);
  const { envelope, bodyStructure } = await client.fetchOne('1', { envelope: true, bodyStructure: true });
  assert.deepEqual([envelope.subject, bodyStructure.type], ['odd', 'text/a b']);
  client.close();
});

test('letters whose low byte ends a line or a string break no answer', async (t) => {
  const { client } = await opened(t);
  const odd = '\u010a* BYE\u010d\u010a\u0122 (\u0129\u015c';
  const type = `text/plain; name="${odd}"\r\nContent-Disposition: attachment; filename="${odd}"\r\nContent-Location: ${odd}`;
  await client.append(
    'INBOX',
    `Date: Mon, 6 Jan 2020 ${odd}\r\nFrom: ${odd} <${odd}@${odd}.test>\r\nSubject: ${odd}\r\n` +
      `Message-ID: <${odd}>\r\nIn-Reply-To: <${odd}>\r\nContent-Type: ${type}\r\n\r\nx\r\n`,
  );
  const { envelope, bodyStructure } = await client.fetchOne('1', { envelope: true, bodyStructure: true });
  assert.deepEqual([envelope.subject, envelope.messageId, envelope.inReplyTo], [odd, `<${odd}>`, `<${odd}>`]);
  assert.equal(bodyStructure.dispositionParameters.filename, odd);
  await client.noop();
  client.close();
});

test('the parts of a mail are fetched by number', async (t) => {
  const { service, joe, client } = await opened(t);
  const attachments = [{ filename: 'ä.bin', content: Buffer.from([0, 1, 2, 255]) }];
  await service.mx().sendMail({
    from: 'eve@elsewhere.test',
    to: joe.user,
    subject: 'parts',
    text: 'täxt',
    html: '<p>täxt</p>',
    attachments,
  });
  const mail = await within(
    PATIENCE,
    'it is there',
    async () => (await client.noop(), client.fetchOne('1', { bodyStructure: true, bodyParts: ['1.1'], headers: true })),
  );
  assert.equal(mail.bodyStructure.childNodes[1].dispositionParameters.filename, 'ä.bin');
  assert.match(mail.bodyParts.get('1.1').toString(), /t=C3=A4xt/);
  assert.match(mail.headers.toString(), /^Subject: parts\r\n/m);
  const { content } = await client.download('1', '2');
  assert.deepEqual(Buffer.concat(await content.toArray()), Buffer.from([0, 1, 2, 255]));
  client.close();
});

test('without TLS there is no login, and after STARTTLS there is', async (t) => {
  const service = await Service.make(t);
  service.settings.IMAP_PORT = await freePort();
  const joe = await service.user('joe');
  await service.start('sqlite', 'imap');
  const curl = (...options) =>
    promisify(execFile)('curl', [
      '-sS',
      ...options,
      '-u',
      `${joe.user}:${joe.pass}`,
      `imap://127.0.0.1:${service.settings.IMAP_PORT}/`,
    ]);
  await assert.rejects(curl(), /Access denied|Login denied/);
  assert.match((await curl('--ssl-reqd', '-k')).stdout, /\* LIST \(.*\) "\/" "?INBOX"?/);
});

test('sessions end when sqlite goes, and logins work when it is back', async (t) => {
  const { service, joe, client } = await opened(t);
  const closed = new Promise((resolve) => client.once('close', resolve));
  await service.stop('sqlite', 'SIGKILL');
  await closed;
  await assert.rejects(service.imap(joe), ({ response }) => /mailbox store is away/.test(response));
  await service.start('sqlite');
  assert.deepEqual(await service.subjects(joe), []);
});

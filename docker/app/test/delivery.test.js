import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3-multiple-ciphers';
import { PATIENCE, Service, within } from './service.js';

const refused = (code, text) => (error) => error.responseCode === code && error.response.includes(text);

test('a mail to a logged-out user is there at the next login', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  await service.mx().sendMail({ from: 'eve@elsewhere.test', to: joe.user, subject: 'Grüße', text: 'hällo' });
  const client = await service.imap(joe);
  await client.mailboxOpen('INBOX');
  const { envelope, source } = await client.fetchOne('1', { envelope: true, source: true });
  assert.equal(envelope.subject, 'Grüße');
  assert.match(source.toString(), /^Return-Path: <eve@elsewhere\.test>\r\nAuthentication-Results: .*\r\nReceived: from .* with ESMTPS id /s);
  client.close();
});

test('one mail to two users is in both mailboxes, and a retry of it adds nothing', async (t) => {
  const service = await Service.make(t);
  const users = [await service.user('ann'), await service.user('bob')];
  await service.start('sqlite', 'mx', 'imap');
  const mail = {
    from: 'eve@elsewhere.test',
    to: users.map(({ user }) => user),
    subject: 'both',
    date: new Date(0),
    messageId: '<1@elsewhere.test>',
  };
  await service.mx().sendMail({ ...mail, text: 'x' });
  await service.mx().sendMail({ ...mail, text: 'x' });
  await service.mx().sendMail({ ...mail, text: 'another text' });
  for (const user of users) assert.deepEqual(await service.subjects(user), ['both', 'both']);
});

test('mx refuses unknown recipients, relaying, what is too big, and AUTH', async (t) => {
  const service = await Service.make(t, { SMTP_MESSAGE_MAX_SIZE: '100KB' });
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx');
  const send = (mail) => service.mx().sendMail({ from: 'eve@elsewhere.test', subject: 'no', text: 'x', ...mail });
  await assert.rejects(send({ to: 'nobody@example.test' }), refused(550, '5.1.1'));
  await assert.rejects(send({ to: 'someone@elsewhere.test' }), refused(550, '5.7.1'));
  const big = 'x'.repeat(120_000);
  await assert.rejects(send({ to: joe.user, text: big }), refused(552, '5.3.4'));
  // Announced smaller than it is.
  const unannounced = {
    raw: `Subject: big\r\n\r\n${big}`,
    envelope: { from: 'eve@elsewhere.test', to: joe.user, size: 10 },
  };
  await assert.rejects(service.mx().sendMail(unannounced), refused(552, '5.3.4'));
  await assert.rejects(service.mx({ auth: joe, forceAuth: true }).sendMail({ to: joe.user }), {
    responseCode: 500,
    command: 'AUTH PLAIN',
  });
});

test('smtp wants TLS before AUTH, AUTH before mail, and the sender to be the user', async (t) => {
  const service = await Service.make(t, { SMTP_PORT: undefined });
  service.settings.SMTP_PORT = service.settings.MX_PORT; // a number that means STARTTLS
  const joe = await service.user('joe');
  await service.start('smtp');
  const plain = { secure: false, ignoreTLS: true };
  const mail = { from: joe.user, to: joe.user, text: 'x' };
  await assert.rejects(service.smtp(joe, { ...plain, authMethod: 'PLAIN' }).sendMail(mail), refused(538, '5.7.0'));
  await assert.rejects(service.smtp(undefined, plain).sendMail(mail), refused(530, '5.7.0'));
  const upgraded = { secure: false, requireTLS: true };
  await assert.rejects(service.smtp({ ...joe, pass: 'wrong' }, upgraded).sendMail(mail), refused(535, '5.7.8'));
  await assert.rejects(
    service.smtp(joe, upgraded).sendMail({ ...mail, from: 'ann@example.test' }),
    refused(553, '5.7.1'),
  );
  await service.smtp(joe, upgraded).sendMail(mail);
});

test('guessing passwords is stopped, for this address and client only', async (t) => {
  const service = await Service.make(t);
  const [joe, ann] = [await service.user('joe'), await service.user('ann')];
  await service.start('sqlite', 'smtp', 'imap');
  const guess = (auth) => service.smtp(auth).verify();
  for (let guesses = 0; guesses < 10; guesses += 1) {
    await assert.rejects(guess({ ...joe, pass: 'wrong' }), refused(535, '5.7.8'));
  }
  await assert.rejects(guess(joe), refused(454, 'Too many'));
  await guess(ann);
  await Promise.all(
    Array.from({ length: 10 }, (_, number) =>
      assert.rejects(service.imap({ ...joe, pass: `guess ${number}` }), { authenticationFailed: true }),
    ),
  );
  await assert.rejects(service.imap(joe), ({ response }) => /Too many/.test(response));
});

test('a submitted mail is queued, signed, delivered and noticed by IDLE', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap', 'smtp', 'smtp-bree');
  const client = await service.imap(joe);
  await client.mailboxOpen('INBOX');
  const noticed = new Promise((resolve) => client.once('exists', resolve));
  void client.idle();
  const { response } = await service
    .smtp(joe)
    .sendMail({ from: joe.user, to: joe.user, subject: 'to myself', text: 'x' });
  assert.match(response, /^250 .*Queued as /);
  assert.equal((await noticed).count, 1);
  const { source } = await client.fetchOne('1', { source: true });
  assert.match(source.toString(), /^DKIM-Signature: v=1; a=rsa-sha256; .*d=example\.test;\r\n q=dns\/txt; s=default;/m);
  client.close();
});

test('what cannot be delivered comes back as a report, and a report never does', async (t) => {
  const service = await Service.make(t, { MONGO_URI: '' }); // in the end it looks into the file
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap', 'smtp', 'smtp-bree');
  const to = ['nobody@example.test', 'someone@elsewhere.test', joe.user];
  await service.smtp(joe).sendMail({ from: joe.user, to, subject: 'three', text: 'x' });
  const client = await service.imap(joe);
  await client.mailboxOpen('INBOX');
  const all = await within(PATIENCE, 'the mail and two reports are there', async () => {
    await client.noop();
    const mails = await client.fetchAll('1:*', { source: true, bodyStructure: true });
    return mails.length === 3 && mails;
  });
  const reports = all
    .filter(({ bodyStructure }) => bodyStructure.type === 'multipart/report')
    .map(({ source }) => source.toString());
  assert.equal(reports.length, 2);
  const report = (address) => reports.find((text) => text.includes(`Final-Recipient: rfc822; ${address}`));
  assert.match(report('nobody@example.test'), /^Return-Path: <>\r\n.*\r\nStatus: 5\.1\.1\r\n.*\r\nSubject: three\r\n/s);
  assert.match(report('someone@elsewhere.test'), /\r\nStatus: 5\.7\.1\r\n.*switched off/s);
  // The report to a user who is gone is given up, not sent back and forth.
  await service.stop('smtp-bree');
  await service.smtp(joe).sendMail({ from: joe.user, to: 'nobody@example.test', subject: 'last', text: 'x' });
  assert.equal((await service.admin(['user', 'remove', joe.user])).code, 0);
  await service.start('smtp-bree');
  const queue = new Database(join(service.settings.POSTBOX_STATE, 'queue.sqlite'), { readonly: true });
  const left = queue.prepare('SELECT count(*) FROM recipients').pluck();
  await within(PATIENCE, 'the report is given up, and nothing is queued instead', () => left.get() === 0);
  queue.close();
  client.close();
});

test('mail waits in the queue while mx is away', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'imap', 'smtp', 'smtp-bree');
  await service.smtp(joe).sendMail({ from: joe.user, to: joe.user, subject: 'patience', text: 'x' });
  await within(PATIENCE, 'an attempt has failed', () => service.process('smtp-bree').log.includes('"later":1'));
  await service.start('mx');
  await within(PATIENCE, 'it is delivered', async () => (await service.subjects(joe)).length === 1);
});

const notRoot = process.getuid() !== 0 && 'only root renames a host';
test('mail is tried again where mx hangs up before it greets', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  let calls = 0;
  const silent = createServer((socket) => socket.end(() => (calls += 1)));
  silent.listen(service.settings.MX_PORT, '127.0.0.1');
  t.after(() => silent.close());
  await service.start('sqlite', 'imap', 'smtp', 'smtp-bree');
  await service.smtp(joe).sendMail({ from: joe.user, to: joe.user, subject: 'again', text: 'x' });
  await within(PATIENCE, 'it is tried again', () => calls > 1);
  silent.close();
  await service.start('mx');
  await within(PATIENCE, 'delivered', async () => (await service.subjects(joe)).includes('again'));
});

test('a host with a whole name sends by it, as containers are called like the address in reverse DNS', { skip: notRoot }, async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap', 'smtp');
  const through = ['unshare', '--uts', 'sh', '-c', 'hostname out.example.test && exec "$@"', 'sh'];
  service.run(['smtp-bree.js'], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], through });
  await service.smtp(joe).sendMail({ from: joe.user, to: joe.user, subject: 'x', text: 'x' });
  assert.match(await service.source(joe), /Received: from out\.example\.test \(\[127\.0\.0\.1\]\)/);
});

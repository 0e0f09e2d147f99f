// Redis: what the roles do while it is away, and that nothing depends on what was told over it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { FerretDB, Redis, skip } from './servers.js';
import { PATIENCE, Service, freePort, within } from './service.js';

const away = ({ response }) => /mailbox store is away/.test(response);
const mail = (from, to, subject) => ({ from, to, subject, text: 'x' });

test('smtp and mx greet with 421 while Redis is away, and with 220 when it is back', { skip }, async (t) => {
  const redis = await Redis.make(t);
  const service = await Service.make(t, redis.settings('BREE', 'IMAP'));
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'smtp');
  const both = () => [service.smtp(joe), service.mx()];
  const sent = (client) => client.sendMail(mail(joe.user, joe.user, 'x'));
  for (const client of both()) await sent(client);
  await redis.kill();
  for (const client of both()) await assert.rejects(sent(client), { responseCode: 421 });
  await redis.start();
  for (const client of both()) await within(PATIENCE, 'it takes mail', () => sent(client).catch(() => false));
  // As the application, which has no answer either, when Redis is there and mute.
  redis.signal('SIGSTOP');
  for (const client of both()) await assert.rejects(sent(client), { responseCode: 421 });
  redis.signal('SIGCONT');
});

test('roles that start without Redis are ready, and work when it is there', { skip }, async (t) => {
  const redis = await Redis.make(t);
  await redis.kill();
  const service = await Service.make(t, redis.settings('BREE', 'IMAP'));
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap', 'smtp', 'smtp-bree');
  await assert.rejects(service.imap(joe), away);
  await redis.start();
  await within(PATIENCE, 'smtp takes mail', () =>
    service.smtp(joe).sendMail(mail(joe.user, joe.user, 'x')).catch(() => false),
  );
  await within(PATIENCE, 'it is there', async () => (await service.subjects(joe).catch(() => [])).length === 1);
});

test('sessions of imap end when they may have missed something, and see it in the next', { skip }, async (t) => {
  const redis = await Redis.make(t);
  const service = await Service.make(t, redis.settings('BREE', 'IMAP'));
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  const session = await service.imap(joe);
  await session.mailboxOpen('INBOX');
  const arrived = once(session, 'exists');
  await service.mx().sendMail(mail('eve@elsewhere.test', joe.user, 'while it is there'));
  await arrived;
  const ended = once(session, 'close');
  await redis.kill();
  await ended;
  await assert.rejects(service.imap(joe), away);
  await redis.start();
  const found = await within(PATIENCE, 'logins work', () => service.subjects(joe).catch(() => false));
  assert.deepEqual(found, ['while it is there']);
});

test('a mail whose bell nobody heard is sent all the same', { skip }, async (t) => {
  const redis = await Redis.make(t);
  const service = await Service.make(t, redis.settings('BREE'));
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap', 'smtp');
  await service.smtp(joe).sendMail(mail(joe.user, joe.user, 'unheard'));
  await redis.kill();
  await service.start('smtp-bree');
  // mx refuses while Redis is away.
  await within(PATIENCE, 'it is tried', () => service.process('smtp-bree').log.includes('not delivered'));
  await redis.start();
  await within(PATIENCE, 'it is there', async () => (await service.subjects(joe)).includes('unheard'));
});

test('with both stores elsewhere, nobody but sqlite needs the state folder', { skip }, async (t) => {
  const redis = await Redis.make(t);
  const documents = await FerretDB.make(t);
  const ports = Object.fromEntries(
    await Promise.all(['WEB', 'API', 'CALDAV', 'CARDDAV'].map(async (role) => [`${role}_PORT`, await freePort()])),
  );
  const service = await Service.make(t, { ...redis.settings('BREE', 'IMAP'), ...documents.settings('alone'), ...ports });
  await service.start('sqlite');
  // Nobody makes a file there, root included.
  service.settings.POSTBOX_STATE = '/proc/self/nowhere';
  const joe = await service.user('joe');
  const others = ['mx', 'smtp', 'smtp-bree', 'imap', 'pop3', 'web', 'api', 'caldav', 'carddav', 'bree', 'sqlite-bree'];
  await service.start(...others);
  await service.smtp(joe).sendMail(mail(joe.user, joe.user, 'by way of all'));
  await within(PATIENCE, 'it is there', async () => (await service.subjects(joe)).includes('by way of all'));
  for (const role of ['bree', 'sqlite-bree']) {
    await within(PATIENCE, `${role} has asked`, () => service.process(role).log.includes('"message":"housekeeping"'));
  }
  for (const role of others) assert.doesNotMatch(service.process(role).log, /"level":"(error|fatal)"/, role);
});

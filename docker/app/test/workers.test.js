// The workers that only ask: what they leave behind, and what `sqlite` does for them.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PATIENCE, Service, within } from './service.js';

const DAY = 24 * 3600 * 1000;

// What a worker left, once it has.
function trace(service, role) {
  const path = join(service.settings.POSTBOX_STATE, 'housekeeping', `${role}.json`);
  return within(PATIENCE, `${role} has left a trace`, () => {
    try {
      return JSON.parse(readFileSync(path));
    } catch {
      return false;
    }
  });
}

test('both workers ask at their start, and what came of it is in a file and in the log', async (t) => {
  const service = await Service.make(t);
  const [joe, ann] = [await service.user('joe'), await service.user('ann')];
  await service.start('sqlite', 'mx', 'imap');
  await service.mx().sendMail({ from: 'eve@elsewhere.invalid', to: [joe.user, ann.user], subject: 'x', text: 'x' });
  const client = await service.imap(joe);
  await service.start('bree', 'sqlite-bree');
  assert.deepEqual(service.process('bree').said, ['ready']);
  assert.deepEqual(service.process('sqlite-bree').said, []);

  const { time, took, ...mailboxes } = await trace(service, 'sqlite-bree');
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000 && took >= 0);
  assert.deepEqual(mailboxes, { role: 'sqlite-bree', what: 'mailboxes', tidied: 1, later: 1, expired: 0 });
  const { files, forgotten } = await trace(service, 'bree');
  assert.deepEqual({ files, forgotten }, { files: 2, forgotten: 0 });
  for (const role of ['bree', 'sqlite-bree']) {
    assert.match(service.process(role).log, /"message":"housekeeping",.*"took":\d+/);
    assert.deepEqual(await service.stop(role), [0, null]);
  }
  client.close();
  assert.deepEqual(await service.subjects(ann), ['x']);
});

test('a mailbox that is tidied has its write-ahead log in its file, and the next login tidies one that was closed', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'imap');
  const client = await service.imap(joe);
  await client.append('INBOX', `Subject: big\r\n\r\n${'x\r\n'.repeat(100_000)}`);
  const { id } = JSON.parse((await service.admin(['user', 'list', '--json'])).out)[0];
  const size = () => statSync(join(service.settings.POSTBOX_STATE, 'sqlite_storage', `${id}.sqlite-wal`)).size;
  assert.ok(size() > 0);
  await service.start('sqlite-bree');
  await trace(service, 'sqlite-bree');
  assert.equal(size(), 0);
  await client.append('INBOX', 'Subject: one more\r\n\r\nx\r\n');
  client.close();
  await service.restart('sqlite');
  assert.ok(size() > 0);
  await service.restart('sqlite-bree');
  await within(PATIENCE, 'it has asked again', async () => (await trace(service, 'sqlite-bree')).later === 1);
  const again = await service.imap(joe);
  assert.equal(size(), 0);
  again.close();
});

test('without sqlite the workers stay, say why, and ask again', async (t) => {
  const service = await Service.make(t);
  await service.start('bree', 'sqlite-bree');
  const failed = await trace(service, 'bree');
  assert.match(failed.error, /away/);
  await service.start('sqlite');
  await within(PATIENCE, 'it has asked again', async () => (await trace(service, 'bree')).files === 0);
});

test('what is in Trash and Spam for a month goes, whatever its date, and what was taken out again stays', async (t) => {
  const { Mailbox, tidy } = await modules();
  const folder = mkdtempSync(join(tmpdir(), 'postbox-tidy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const mailbox = new Mailbox(join(folder, 'a.sqlite'), 'password');
  t.after(() => mailbox.close());
  const put = (path, subject) =>
    mailbox.append({ path, flags: [], date: 0, raw: Buffer.from(`Subject: ${subject}\r\n\r\nx\r\n`) });
  const left = () =>
    ['INBOX', 'Trash', 'Spam', 'Archive'].map((path) => mailbox.open({ path }).uids.length).join(' ');
  const now = Date.now();
  for (const path of ['INBOX', 'Trash', 'Trash', 'Spam', 'Archive']) put(path, path);
  assert.equal(tidy(mailbox, now), 0);
  const { id } = mailbox.open({ path: 'Trash' });
  mailbox.move({ folder: id, uids: [1], to: 'INBOX' });
  assert.equal(tidy(mailbox, now + 29 * DAY), 0);
  put('Trash', 'later');
  // Back in Trash it has a month again.
  mailbox.move({ folder: mailbox.open({ path: 'INBOX' }).id, uids: [2], to: 'Trash' });
  mailbox.take();
  assert.equal(tidy(mailbox, now + 31 * DAY), 2);
  assert.deepEqual(
    mailbox.take().map(({ command }) => command),
    ['EXPUNGE', 'EXPUNGE'],
  );
  assert.equal(left(), '1 2 0 1');
  assert.equal(tidy(mailbox, now + 62 * DAY), 2);
  assert.equal(left(), '1 0 0 1');
});

test('a retry is known as long as senders come again, and what waits is never forgotten', async (t) => {
  const { Arrivals } = await modules();
  const folder = mkdtempSync(join(tmpdir(), 'postbox-tidy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const arrivals = new Arrivals(join(folder, 'a-tmp.sqlite'));
  t.after(() => arrivals.close());
  const now = Date.now();
  for (const name of ['merged', 'waiting']) arrivals.add(name, now, Buffer.from('x'));
  arrivals.remove(['merged']);
  assert.equal(arrivals.forget(now + 4 * DAY), 0);
  assert.equal(arrivals.forget(now + 6 * DAY), 1);
  assert.equal(arrivals.forget(now + 600 * DAY), 0);
  arrivals.add('waiting', now, Buffer.from('y'));
  assert.equal(arrivals.mail('waiting').raw.toString(), 'x');
});

test('housekeeping goes on in pieces, and past a file that is damaged', async (t) => {
  const { Mailboxes, Arrivals } = await modules();
  const folder = mkdtempSync(join(tmpdir(), 'postbox-tidy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const account of ['a1', 'c3']) {
    const arrivals = new Arrivals(join(folder, `${account}-tmp.sqlite`));
    arrivals.add('old', 0, Buffer.from('x'));
    arrivals.remove(['old']);
    arrivals.add('older', 0, Buffer.from('x'));
    arrivals.run('DELETE FROM mail');
    arrivals.close();
  }
  writeFileSync(join(folder, 'b2-tmp.sqlite'), 'no database'.repeat(1000));
  const mailboxes = new Mailboxes(folder);
  assert.deepEqual(mailboxes.housekeep({ what: 'arrivals', after: 'a1' }), { counts: { files: 2, forgotten: 1 } });
  t.mock.method(Date, 'now', () => (clock += 1000));
  let clock = 1e12;
  const first = mailboxes.housekeep({ what: 'arrivals', after: '' });
  assert.deepEqual(first, { counts: { files: 1, forgotten: 1 }, after: 'a1' });
  mailboxes.close();
});

// With settings of their own: they are read when the module is loaded.
async function modules() {
  const settings = { WEB_HOST: 'example.test', HELPER_ENCRYPTION_KEY: 'k'.repeat(32), API_SECRETS: 'unused,' };
  Object.assign(process.env, settings);
  for (const key of ['SRS_SECRET', 'WEB_SSL_KEY_PATH', 'WEB_SSL_CERT_PATH', 'DKIM_PRIVATE_KEY_PATH']) process.env[key] ??= '';
  const all = ['arrivals', 'mailbox', 'mailboxes', 'tidy'].map((name) => import(`../lib/${name}.js`));
  return Object.assign({}, ...(await Promise.all(all)));
}

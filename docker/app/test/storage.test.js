import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { Service } from './service.js';

const root = process.getuid() === 0;

test(
  'a full disk means 451, loses nothing, and is over when there is room',
  { skip: !root && 'a small tmpfs needs root' },
  async (t) => {
    const disk = mkdtempSync(join(tmpdir(), 'postbox-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
    t.after(() => execFileSync('umount', ['-l', disk]));
    t.after(() => rmSync(disk, { recursive: true, force: true }));
    const service = await Service.make(t, { POSTBOX_STATE: disk });
    const joe = await service.user('joe');
    await service.start('sqlite', 'mx', 'smtp', 'imap');
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(2_000_000));
    const mail = (subject) => ({ from: joe.user, to: joe.user, subject, text: 'x '.repeat(50_000) });
    const accepted = [];
    let refusal;
    while (!refusal) {
      const subject = `mail ${accepted.length}`;
      await service
        .mx()
        .sendMail(mail(subject))
        .then(
          () => accepted.push(subject),
          (error) => (refusal = error),
        );
    }
    assert.match(refusal.response, /^451 4\.3\.0 /);
    await assert.rejects(service.smtp(joe).sendMail(mail('queue')), ({ response }) => /^451 4\.3\.0 /.test(response));
    rmSync(join(disk, 'ballast'));
    await service.mx().sendMail(mail('room'));
    assert.deepEqual(await service.subjects(joe), [...accepted, 'room']);
  },
);

test('mx answers 451 while sqlite is away, and again 250 when it is back', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('mx', 'imap');
  const send = (subject) => service.mx().sendMail({ from: 'eve@elsewhere.test', to: joe.user, subject, text: 'x' });
  await assert.rejects(send('away'), ({ response }) => /^451 4\.3\.0 /.test(response));
  await service.start('sqlite');
  await send('back');
  assert.deepEqual(await service.subjects(joe), ['back']);
});

test('a stranger at the door of sqlite gets 401', async (t) => {
  const service = await Service.make(t);
  await service.start('sqlite');
  const knock = (auth) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`wss://127.0.0.1:${service.settings.SQLITE_PORT}`, {
        rejectUnauthorized: false,
        auth,
      });
      socket
        .once('unexpected-response', (request, response) => resolve(response.statusCode))
        .once('open', () => resolve('open'))
        .on('error', () => {});
    });
  assert.equal(await knock(), 401);
  assert.equal(await knock(`${service.settings.API_SECRETS}:`), 401);
  const cipher = createCipheriv('aes-256-cbc', service.settings.HELPER_ENCRYPTION_KEY, Buffer.alloc(16));
  const guess = Buffer.concat([Buffer.alloc(16), cipher.update('a guess'), cipher.final()]).toString('hex');
  assert.equal(await knock(`${guess}:`), 401);
});

test('what is on the disk cannot be read without the keys', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  await service.mx().sendMail({ from: 'eve@elsewhere.test', to: joe.user, subject: 'secretsubject', text: 'x' });
  assert.deepEqual(await service.subjects(joe), ['secretsubject']);
  await service.mx().sendMail({ from: 'eve@elsewhere.test', to: joe.user, subject: 'secretsubject', text: 'y' });
  await service.stop('sqlite', 'SIGKILL');
  const { id } = JSON.parse((await service.admin(['user', 'list', '--json'])).out)[0];
  for (const ending of ['.sqlite', '.sqlite-wal', '-tmp.sqlite', '-tmp.sqlite-wal']) {
    const bytes = readFileSync(join(service.settings.POSTBOX_STATE, 'sqlite_storage', `${id}${ending}`));
    assert.ok(bytes.length > 0 && !bytes.includes('secretsubject') && !bytes.includes('SQLite format'), ending);
  }
});

test('users are added, listed and removed with their mail', async (t) => {
  const service = await Service.make(t);
  await service.start('sqlite', 'mx', 'imap');
  const add = await service.admin(['user', 'add', 'Joe@Example.test', '--json']);
  const { id, address, password } = JSON.parse(add.out);
  assert.equal(address, 'joe@example.test');
  assert.match(password, /^[0-9a-f]{30}$/);
  await service.mx().sendMail({ from: 'eve@elsewhere.test', to: address, subject: 'mine', text: 'x' });
  assert.deepEqual(await service.subjects({ user: address, pass: password }), ['mine']);
  assert.deepEqual(await service.admin(['user', 'list']), { code: 0, out: 'joe@example.test\n', error: '' });
  assert.match(
    (await service.admin(['user', 'add', address])).error,
    /^error: the account exists: joe@example\.test\n$/,
  );
  const file = join(service.settings.POSTBOX_STATE, 'sqlite_storage', `${id}.sqlite`);
  assert.ok(existsSync(file));
  assert.deepEqual(await service.admin(['user', 'remove', address]), {
    code: 0,
    out: 'removed joe@example.test\n',
    error: '',
  });
  assert.ok(!existsSync(file));
  await assert.rejects(service.imap({ user: address, pass: password }), { authenticationFailed: true });
  const again = await service.admin(['user', 'remove', address]);
  assert.deepEqual([again.code, again.error], [1, 'error: no such account: joe@example.test\n']);
  for (const wrong of [[], ['user'], ['user', 'add'], ['user', 'list', 'x'], ['user', 'list', '--wrong']]) {
    const { code, out, error } = await service.admin(wrong);
    assert.deepEqual([code, out], [64, ''], wrong.join(' '));
    assert.match(error, /^error: .*\n\nusage: node admin\.js user add ADDRESS/);
  }
});

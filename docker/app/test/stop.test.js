import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort, PATIENCE, Service, within } from './service.js';

const ROLES = ['sqlite', 'mx', 'imap', 'pop3', 'smtp', 'bree', 'smtp-bree', 'sqlite-bree'];
const SILENT = ['smtp-bree', 'sqlite-bree'];

// A bare SMTP client: says a line and returns the last line of the answer.
async function bare(port) {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  let read = '';
  socket.on('data', (data) => (read += data));
  const answer = async () => {
    const line = await within(PATIENCE, 'an answer', () => /^\d{3}(?: .*)?\r\n/m.exec(read)?.[0]);
    read = '';
    return line;
  };
  return { socket, answer, say: (line) => socket.write(`${line}\r\n`) && answer() };
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  test(`${signal} ends every role with 0`, async (t) => {
    const service = await Service.make(t);
    await service.start(...ROLES);
    for (const role of ROLES) assert.deepEqual(await service.stop(role, signal), [0, null], role);
  });
}

test('the message "shutdown" ends every role with 0, and a closed channel does not', async (t) => {
  const service = await Service.make(t);
  await service.start(...ROLES);
  for (const role of ROLES) {
    const child = service.process(role);
    child.send('shutdown');
    assert.deepEqual(await once(child, 'exit'), [0, null], role);
    assert.deepEqual(child.said, SILENT.includes(role) ? [] : ['ready'], role);
  }
  await service.start('mx');
  service.process('mx').disconnect();
  const { answer, socket } = await bare(service.settings.MX_PORT);
  assert.match(await answer(), /^220 /);
  socket.destroy();
});

test('a mail that is under way when TERM comes gets its 250; an idle client gets 421', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  const [busy, idle] = await Promise.all([bare(service.settings.MX_PORT), bare(service.settings.MX_PORT)]);
  assert.match(await idle.answer(), /^220 /);
  assert.match(await busy.answer(), /^220 /);
  for (const line of ['EHLO elsewhere.test', 'MAIL FROM:<eve@elsewhere.test>', `RCPT TO:<${joe.user}>`]) {
    assert.match(await busy.say(line), /^250 /);
  }
  assert.match(await busy.say('DATA'), /^354 /);
  const ended = service.stop('mx');
  assert.match(await idle.answer(), /^421 /);
  busy.socket.write('Subject: at the last moment\r\n\r\n');
  assert.match(await busy.say('x\r\n.'), /^250 /);
  busy.say('QUIT').catch(() => {});
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual(await service.subjects(joe), ['at the last moment']);
});

test('a second TERM kills at once', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('mx');
  const { answer, say } = await bare(service.settings.MX_PORT);
  await answer();
  for (const line of ['EHLO elsewhere.test', 'MAIL FROM:<eve@elsewhere.test>', `RCPT TO:<${joe.user}>`]) {
    await say(line);
  }
  const ended = service.stop('mx');
  await within(PATIENCE, 'it drains', () => service.process('mx').log.includes('draining'));
  service.process('mx').kill('SIGTERM');
  assert.deepEqual(await ended, [null, 'SIGTERM']);
});

test('a mail that never ends is cut off, and the role exits 1 after 5 s', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('mx');
  const { answer, say } = await bare(service.settings.MX_PORT);
  await answer();
  for (const line of ['EHLO elsewhere.test', 'MAIL FROM:<eve@elsewhere.test>', `RCPT TO:<${joe.user}>`, 'DATA']) {
    await say(line);
  }
  assert.deepEqual(await service.stop('mx'), [1, null]);
  assert.match(service.process('mx').log, /not drained in time/);
});

test('sqlite closes its databases: no write-ahead log is left', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  await service.mx().sendMail({ from: 'eve@elsewhere.test', to: joe.user, subject: 'one', text: 'x' });
  const client = await service.imap(joe);
  const { id } = JSON.parse((await service.admin(['user', 'list', '--json'])).out)[0];
  const file = (ending) => existsSync(join(service.settings.POSTBOX_STATE, 'sqlite_storage', `${id}${ending}`));
  assert.ok(file('.sqlite-wal') && file('-tmp.sqlite-wal'));
  assert.deepEqual(await service.stop('sqlite'), [0, null]);
  assert.ok(file('.sqlite') && file('-tmp.sqlite'));
  assert.ok(!file('.sqlite-wal') && !file('-tmp.sqlite-wal'));
  client.close();
});

test('a second sqlite says who holds the mailboxes and exits 1', async (t) => {
  const service = await Service.make(t);
  await service.start('sqlite');
  const holder = service.process('sqlite').pid;
  service.settings.SQLITE_PORT = await freePort();
  const second = service.run(['sqlite.js'], { stdio: ['ignore', 'ignore', 'pipe'] });
  assert.deepEqual(await once(second, 'exit'), [1, null]);
  assert.match(second.log, new RegExp(`in use by process ${holder} `));
});

test('a port that is taken is named, and the role exits 1', async (t) => {
  const service = await Service.make(t);
  await service.start('mx');
  const second = service.run(['mx.js'], { stdio: ['ignore', 'ignore', 'pipe'] });
  assert.deepEqual(await once(second, 'exit'), [1, null]);
  assert.match(second.log, new RegExp(`EADDRINUSE.*${service.settings.MX_PORT}`));
});

test('all missing settings are named at once', async (t) => {
  const service = await Service.make(t, { HELPER_ENCRYPTION_KEY: undefined, WEB_HOST: undefined });
  const child = service.run(['imap.js'], { stdio: ['ignore', 'ignore', 'pipe'] });
  assert.deepEqual(await once(child, 'exit'), [1, null]);
  assert.equal(child.log, 'MISSING CONFIG VALUES: WEB_HOST, HELPER_ENCRYPTION_KEY\n');
});

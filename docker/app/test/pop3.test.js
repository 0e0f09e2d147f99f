import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { connect as secured } from 'node:tls';
import { freePort, PATIENCE, Service, within } from './service.js';

// A bare POP3 client: `say` returns the first line of an answer, `ask` a multi-line answer whole.
class Client {
  #read = '';

  constructor(socket) {
    this.socket = socket.setEncoding('latin1');
    this.ended = once(socket, 'close');
    socket.on('data', (data) => (this.#read += data)).on('error', () => {});
  }

  static async to(service, secure = true) {
    const port = Number(service.settings.POP3_PORT);
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
    const client = new Client(secure ? secured(options) : connect(options));
    client.greeting = await client.line();
    return client;
  }

  static async of(service, { user, pass }) {
    const client = await Client.to(service);
    assert.equal(await client.say(`USER ${user}`), '+OK');
    client.entered = await client.say(`PASS ${pass}`);
    return client;
  }

  // What was read up to where `end` matches; 'CLOSED' when there will be no more.
  async until(end) {
    const answer = await within(PATIENCE, `an answer that ends in ${end}`, () => {
      const found = end.exec(this.#read);
      if (found) return this.#read.slice(0, found.index + found[0].length);
      return this.socket.destroyed && 'CLOSED';
    });
    this.#read = this.#read.slice(answer.length);
    return answer;
  }

  async line() {
    return (await this.until(/\r\n/)).trimEnd();
  }

  say(line) {
    this.socket.write(`${line}\r\n`, 'latin1');
    return this.line();
  }

  async ask(line) {
    const first = await this.say(line);
    assert.match(first, /^\+OK/, line);
    return (await this.until(/^\.\r\n/m)).slice(0, -3);
  }
}

async function made(t, mails = [], changes = {}) {
  const service = await Service.make(t, changes);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap', 'pop3');
  for (const mail of mails) {
    const raw = mail.includes('\n') ? mail : `Subject: ${mail}\r\n\r\nthe text\r\n`;
    await service.mx().sendMail({ raw, envelope: { from: 'eve@elsewhere.test', to: joe.user } });
  }
  return { service, joe };
}

// Neither implicit TLS nor a port below 1024.
const STARTTLS = { POP3_PORT: undefined };

async function plain(t) {
  const made_ = await Service.make(t, STARTTLS);
  made_.settings.POP3_PORT = await freePort();
  const joe = await made_.user('joe');
  await made_.start('sqlite', 'pop3');
  return { service: made_, joe };
}

test('a mailbox is listed, read, and read in part', async (t) => {
  const { service, joe } = await made(t, ['one', 'Subject: two\r\nX-A: b\r\n\r\n1\r\n.2\r\n..3\r\n4\r\n']);
  const client = await Client.of(service, joe);
  assert.match(client.greeting, /^\+OK /);
  assert.match(client.entered, /^\+OK 2 \d+$/);
  const whole = await client.ask('RETR 2');
  assert.match(whole, /^Return-Path: <eve@elsewhere\.test>\r\n/);
  assert.ok(whole.endsWith('Subject: two\r\nX-A: b\r\n\r\n1\r\n..2\r\n...3\r\n4\r\n'), whole);
  const sizes = (await client.ask('LIST')).trimEnd().split('\r\n');
  // Two dots of the answer are stuffing and not of the mail.
  assert.equal(sizes[1], `2 ${whole.length - 2}`);
  assert.equal(await client.say('LIST 2'), `+OK 2 ${whole.length - 2}`);
  assert.equal(await client.say('STAT'), `+OK 2 ${sizes.reduce((sum, line) => sum + Number(line.slice(2)), 0)}`);
  assert.ok((await client.ask('TOP 2 0')).endsWith('X-A: b\r\n\r\n'));
  assert.ok((await client.ask('TOP 2 2')).endsWith('X-A: b\r\n\r\n1\r\n..2\r\n'));
  assert.equal(await client.ask('TOP 2 99'), whole);
  for (const wrong of ['RETR 3', 'RETR 0', 'RETR', 'RETR x', 'RETR 1e0', 'TOP 2', 'TOP 3 1', 'TOP 2 -1', 'LIST 9']) {
    assert.match(await client.say(wrong), /^-ERR /, wrong);
  }
  assert.equal(await client.say('QUIT'), '+OK Bye');
  await client.ended;
});

test('lines that end in LF alone are sent as lines, so that no client takes a dot for the end', async (t) => {
  const { service, joe } = await made(t);
  const imap = await service.imap(joe);
  await imap.append('INBOX', Buffer.from('Subject: bare\n\n1\n.\n2\r\n.\n\xe9 no end', 'latin1'));
  await imap.append('INBOX', Buffer.from(`Subject: long\r\n\r\n${'.x\r\n'.repeat(50_000)}`));
  imap.close();
  const client = await Client.of(service, joe);
  assert.equal(await client.ask('RETR 1'), 'Subject: bare\r\n\r\n1\r\n..\r\n2\r\n..\r\n\xe9 no end\r\n');
  assert.equal(await client.ask('RETR 2'), `Subject: long\r\n\r\n${'..x\r\n'.repeat(50_000)}`);
  assert.equal(await client.ask('TOP 1 2'), 'Subject: bare\r\n\r\n1\r\n..\r\n');
});

test('unique-ids outlive sessions, deletions and a restart of the store', async (t) => {
  const { service, joe } = await made(t, ['one', 'two', 'three']);
  const ids = async (client) => (await client.ask('UIDL')).trimEnd().split('\r\n').map((line) => line.split(' ')[1]);
  const first = await Client.of(service, joe);
  const before = await ids(first);
  assert.equal(new Set(before).size, 3);
  for (const id of before) assert.match(id, /^[\x21-\x7e]{1,70}$/);
  await first.say('DELE 1');
  assert.equal(await first.say('QUIT'), '+OK Bye');
  await service.restart('sqlite');
  const second = await Client.of(service, joe);
  assert.deepEqual(await ids(second), before.slice(1));
  assert.equal(await second.say('UIDL 2'), `+OK 2 ${before[2]}`);
});

test('only QUIT deletes, RSET takes back, and what was read is seen', async (t) => {
  const { service, joe } = await made(t, ['one', 'two', 'three']);
  const lost = await Client.of(service, joe);
  assert.equal(await lost.say('DELE 1'), '+OK');
  assert.match(await lost.say('DELE 1'), /^-ERR /);
  assert.match(await lost.say('RETR 1'), /^-ERR /);
  assert.match(await lost.say('STAT'), /^\+OK 2 /);
  lost.socket.destroy();
  await lost.ended;

  const kept = await within(PATIENCE, 'the lost session is over', async () => {
    const client = await Client.of(service, joe);
    return !client.entered.includes('IN-USE') && client;
  });
  assert.match(kept.entered, /^\+OK 3 /);
  await kept.say('DELE 1');
  assert.equal(await kept.say('RSET'), '+OK');
  assert.match(await kept.say('STAT'), /^\+OK 3 /);
  await kept.ask('RETR 3');
  await kept.say('DELE 2');
  assert.equal(await kept.say('QUIT'), '+OK Bye');

  const imap = await service.imap(joe);
  await imap.mailboxOpen('INBOX');
  const left = await imap.fetchAll('1:*', { envelope: true, flags: true });
  assert.deepEqual(
    left.map(({ envelope, flags }) => [envelope.subject, [...flags]]),
    [
      ['one', []],
      ['three', ['\\Seen']],
    ],
  );
  imap.close();
});

test('a mail that an IMAP client removes meanwhile is missed, and the numbers stay', async (t) => {
  const { service, joe } = await made(t, ['one', 'two']);
  const client = await Client.of(service, joe);
  const imap = await service.imap(joe);
  await imap.mailboxOpen('INBOX');
  await imap.messageDelete('1');
  assert.match(await client.say('RETR 1'), /^-ERR The mail is there no more$/);
  assert.match(await client.ask('RETR 2'), /Subject: two/);
  await client.say('DELE 1');
  await client.say('DELE 2');
  const gone = once(imap, 'expunge');
  void imap.idle();
  assert.equal(await client.say('QUIT'), '+OK Bye');
  assert.equal((await gone)[0].seq, 1);
  imap.close();
});

test('a maildrop has one session at a time, from its password to its end', async (t) => {
  const { service, joe } = await made(t);
  const ann = await service.user('ann');
  const first = await Client.of(service, joe);
  assert.match((await Client.of(service, joe)).entered, /^-ERR \[IN-USE\] /);
  assert.match((await Client.of(service, { ...joe, pass: 'wrong' })).entered, /^-ERR \[AUTH\] /);
  assert.match((await Client.of(service, ann)).entered, /^\+OK 0 0$/);
  assert.equal(await first.say('QUIT'), '+OK Bye');
  assert.match((await Client.of(service, joe)).entered, /^\+OK/);
  await service.restart('pop3');
  assert.match((await Client.of(service, joe)).entered, /^\+OK/);
});

test('a port that is not for TLS wants STLS first, and forgets what was said before it', async (t) => {
  const { service, joe } = await plain(t);
  const client = await Client.to(service, false);
  const before = (await client.ask('CAPA')).split('\r\n');
  assert.ok(before.includes('STLS') && !before.includes('USER') && !before.some((line) => line.startsWith('SASL')));
  for (const line of [`USER ${joe.user}`, `PASS ${joe.pass}`, 'AUTH PLAIN']) {
    assert.match(await client.say(line), /^-ERR TLS first/, line);
  }
  // The second command is in plain text, and must be answered neither before TLS nor under it.
  client.socket.write('STLS\r\nNOOP\r\nCAPA\r\n');
  assert.match(await client.line(), /^\+OK /);
  client.socket.removeAllListeners('data');
  const socket = secured({ socket: client.socket, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const upgraded = new Client(socket);
  assert.match(await upgraded.say('NOOP'), /^-ERR Not in this state$/);
  const after = (await upgraded.ask('CAPA')).split('\r\n');
  for (const capability of ['TOP', 'UIDL', 'USER', 'SASL PLAIN', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING']) {
    assert.ok(after.includes(capability), capability);
  }
  assert.ok(!after.includes('STLS'));
  assert.match(await upgraded.say('STLS'), /^-ERR /);
  assert.equal(await upgraded.say(`USER ${joe.user}`), '+OK');
  assert.equal(await upgraded.say(`PASS ${joe.pass}`), '+OK 0 0');
});

test('AUTH PLAIN takes its response on the same line or the next, and nobody acts for another', async (t) => {
  const { service, joe } = await made(t);
  const response = (...parts) => Buffer.from(parts.join('\0')).toString('base64');
  const right = response('', joe.user, joe.pass);
  const client = await Client.to(service);
  assert.match(await client.say('AUTH CRAM-MD5'), /^-ERR Only PLAIN$/);
  assert.equal(await client.say('AUTH PLAIN'), '+');
  assert.match(await client.say('*'), /^-ERR Cancelled$/);
  assert.match(await client.say('AUTH PLAIN ='), /^-ERR Not a response/);
  assert.match(await client.say(`AUTH PLAIN ${response('', joe.user, 'wrong')}`), /^-ERR \[AUTH\] /);
  assert.match(await client.say(`AUTH PLAIN ${response('ann@example.test', joe.user, joe.pass)}`), /^-ERR \[AUTH\] /);
  assert.equal(await client.say('AUTH PLAIN'), '+');
  // Longer than a command may be.
  assert.match(await client.say(response('', joe.user, 'x'.repeat(250))), /^-ERR \[AUTH\] /);
  assert.equal(await client.say('AUTH PLAIN'), '+');
  assert.equal(await client.say(right), '+OK 0 0');
  assert.match(await client.say(`AUTH PLAIN ${right}`), /^-ERR Not in this state$/);
  await client.say('QUIT');
  const other = await Client.to(service);
  assert.equal(await other.say(`AUTH PLAIN ${response(joe.user, joe.user, joe.pass)}`), '+OK 0 0');
});

test('commands may come all at once, and are answered in their order', async (t) => {
  const { service, joe } = await made(t, ['one', 'two']);
  const client = await Client.to(service);
  const lines = [`USER ${joe.user}`, `PASS ${joe.pass}`, 'RETR 1', 'DELE 1', 'STAT', 'nonsense', 'noop', 'QUIT'];
  client.socket.end(`${lines.join('\r\n')}\r\n`);
  const all = await client.until(/\+OK Bye\r\n/);
  assert.match(all, /^\+OK\r\n\+OK 2 \d+\r\n\+OK\r\n.*Subject: one.*\r\n\.\r\n\+OK\r\n\+OK 1 \d+\r\n-ERR .*\r\n\+OK\r\n/s);
  assert.deepEqual(await service.subjects(joe), ['two']);
});

test('a line that is too long is refused as one, however long it is and whatever is in it', async (t) => {
  const { service, joe } = await made(t);
  const client = await Client.of(service, joe);
  assert.equal(await client.say(`NOOP ${' '.repeat(248)}`), '+OK');
  assert.match(await client.say(`NOOP ${' '.repeat(249)}`), /^-ERR The line is too long$/);
  assert.match(await client.say('x'.repeat(1_000_000)), /^-ERR The line is too long$/);
  // The end of such a line is no command, though what was before it may have been dropped already.
  await new Promise((resolve) => client.socket.write('x'.repeat(1000), resolve));
  assert.match(await client.say('NOOP'), /^-ERR The line is too long$/);
  for (const odd of ['', ' ', '\0\xff\x7f', 'constructor', '__proto__ 1', 'toString', 'NOOP\rQUIT']) {
    assert.match(await client.say(odd), /^-ERR Unknown command$/, JSON.stringify(odd));
  }
  assert.equal(await client.say('NOOP'), '+OK');
});

test('while the store is away a client is told to come back, and it finds its mail then', async (t) => {
  const { service, joe } = await made(t, ['one']);
  const client = await Client.of(service, joe);
  await service.stop('sqlite', 'SIGKILL');
  assert.match(await client.say('RETR 1'), /^-ERR \[SYS\/TEMP\] /);
  assert.match((await Client.of(service, { ...joe, user: 'ann@example.test' })).entered, /^-ERR \[AUTH\] /);
  await client.say('DELE 1');
  assert.match(await client.say('QUIT'), /^-ERR \[SYS\/TEMP\] /);
  await client.ended;
  assert.match((await Client.of(service, joe)).entered, /^-ERR \[SYS\/TEMP\] /);
  await service.start('sqlite');
  const again = await Client.of(service, joe);
  assert.match(again.entered, /^\+OK 1 /);
  assert.match(await again.ask('RETR 1'), /Subject: one/);
});

test('TERM lets a mail that is under way out, and sends the others away', async (t) => {
  const { service, joe } = await made(t);
  const ann = await service.user('ann');
  const big = `Subject: big\r\n\r\n${'0123456789abcdef\r\n'.repeat(500_000)}`;
  const imap = await service.imap(joe);
  await imap.append('INBOX', big);
  imap.close();
  const [busy, idle, plaintext] = [
    await Client.of(service, joe),
    await Client.of(service, ann),
    connect(Number(service.settings.POP3_PORT), '127.0.0.1').on('error', () => {}),
  ];
  busy.socket.write('RETR 1\r\n');
  await busy.until(/Subject: big\r\n/);
  busy.socket.pause();
  const ended = service.stop('pop3');
  assert.match(await idle.line(), /^-ERR \[SYS\/TEMP\] /);
  await idle.ended;
  busy.socket.resume();
  assert.equal((await busy.until(/\r\n\.\r\n/)).length, big.length - 'Subject: big\r\n'.length + 3);
  assert.match(await busy.line(), /^-ERR \[SYS\/TEMP\] /);
  assert.deepEqual(await ended, [0, null]);
  plaintext.destroy();
});

test('a client that neither speaks TLS nor leaves in order does no harm', async (t) => {
  const { service, joe } = await made(t);
  for (const words of ['', 'CAPA\r\n', '\x16\x03\x01\x00\xff']) {
    const socket = connect(Number(service.settings.POP3_PORT), '127.0.0.1');
    socket.on('error', () => {}).end(words, 'latin1');
    await once(socket.resume(), 'close');
  }
  for (const words of ['RETR', 'USER x\r\nPASS y', 'AUTH PLAIN\r\n']) {
    const client = await Client.to(service);
    client.socket.write(words, () => client.socket.destroy());
    await client.ended;
  }
  assert.equal((await Client.of(service, joe)).entered, '+OK 0 0');
  assert.equal(service.process('pop3').log.includes('"error"'), false);
});

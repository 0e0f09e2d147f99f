// Guessing passwords: through the sockets where one client is enough, by the module where many are needed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Login, TooMany } from '../lib/login.js';
import { Service } from './service.js';

// What a POP3 server says to these credentials.
async function pop3(service, { user, pass }) {
  const socket = connect({ port: Number(service.settings.POP3_PORT), host: '127.0.0.1', rejectUnauthorized: false });
  let read = '';
  socket.setEncoding('latin1').on('data', (data) => (read += data));
  socket.write(`USER ${user}\r\nPASS ${pass}\r\nQUIT\r\n`);
  await once(socket, 'close');
  return read.split('\r\n')[2];
}

const PROTOCOLS = {
  smtp: { wrong: /^535 /, limited: /^454 .*Too many/, say: (service, auth) => service.smtp(auth).verify() },
  imap: {
    wrong: /AUTHENTICATIONFAILED/,
    limited: /Too many/,
    say: async (service, auth) => (await service.imap(auth)).close(),
  },
  pop3: {
    wrong: /^-ERR \[AUTH\] /,
    limited: /^-ERR \[SYS\/TEMP\] Too many/,
    async say(service, auth) {
      const response = await pop3(service, auth);
      if (response.startsWith('-')) throw Object.assign(new Error(response), { response });
    },
  },
};

for (const [protocol, { wrong, limited, say }] of Object.entries(PROTOCOLS)) {
  test(`${protocol}: ten wrong passwords for an address in a minute are enough, and others may log in`, async (t) => {
    const service = await Service.make(t);
    const [joe, ann] = [await service.user('joe'), await service.user('ann')];
    await service.start('sqlite', protocol);
    const answer = (auth) =>
      say(service, auth).then(
        () => 'in',
        ({ response, serverResponseCode }) => `${response ?? ''} ${serverResponseCode ?? ''}`.trim(),
      );
    assert.equal(await answer(joe), 'in');
    for (let guess = 0; guess < 10; guess += 1) {
      assert.match(await answer({ ...joe, user: 'Joe@Example.TEST', pass: `guess ${guess}` }), wrong);
    }
    assert.match(await answer(joe), limited);
    assert.equal(await answer(ann), 'in');
  });
}

// Accounts with one password, and how often they were asked.
function login(t) {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 });
  const accounts = {
    asked: 0,
    async verify(address, password) {
      this.asked += 1;
      if (password === 'away') throw new Error('the accounts are away');
      return password === 'right' ? { address } : undefined;
    },
  };
  // The last few; a mock would keep all, of which some tests make too many.
  const lines = [];
  const { write } = process.stderr;
  process.stderr.write = (line) => {
    lines.push(JSON.parse(line));
    if (lines.length > 9) lines.shift();
  };
  t.after(() => Object.assign(process.stderr, { write }));
  return { accounts, limited: new Login(accounts), lines, tick: (minutes) => t.mock.timers.tick(minutes * 60_000) };
}

const guess = async (limited, address, client, count = 1) => {
  for (let at = 0; at < count; at += 1) assert.equal(await limited.check(address, `wrong ${at}`, client), undefined);
};

test('a minute after the first failure one may try again', async (t) => {
  const { limited, tick } = login(t);
  await guess(limited, 'joe@a.test', '192.0.2.1', 10);
  await assert.rejects(limited.check('joe@a.test', 'right', '192.0.2.1'), /Too many failed logins, try again in a minute/);
  tick(0.9);
  await assert.rejects(limited.check('joe@a.test', 'right', '192.0.2.1'), TooMany);
  tick(0.2);
  assert.ok(await limited.check('joe@a.test', 'right', '192.0.2.1'));
});

test('who guesses is in the log, with what is no longer than an address, and who is right is not', async (t) => {
  const { limited, lines } = login(t);
  assert.ok(await limited.check('joe@a.test', 'right', '192.0.2.1'));
  await guess(limited, `${'j'.repeat(1000)}@a.test`, '192.0.2.1');
  const [{ time, ...line }, ...more] = lines;
  assert.ok(time);
  assert.deepEqual(line, { level: 'info', message: 'login failed', address: 'j'.repeat(254), client: '192.0.2.1' });
  assert.deepEqual(more, []);
  await guess(limited, 'joe@a.test', '2001:db8:0:c0de::7');
  assert.equal(lines[1].client, '2001:db8:0:c0de::/64', 'the network, as people write it');
});

test('a login that is right clears what went wrong before', async (t) => {
  const { limited } = login(t);
  for (let round = 0; round < 5; round += 1) {
    await guess(limited, 'joe@a.test', '192.0.2.1', 9);
    assert.ok(await limited.check('joe@a.test', 'right', '192.0.2.1'));
  }
});

test('guesses that come at once do not slip past the limit, and one client with one password is one attempt', async (t) => {
  const { accounts, limited } = login(t);
  const all = await Promise.allSettled(
    Array.from({ length: 50 }, (_, at) => limited.check('joe@a.test', `wrong ${at}`, '192.0.2.1')),
  );
  assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 10);
  assert.equal(accounts.asked, 10);
  const same = Array.from({ length: 50 }, () => limited.check('ann@a.test', 'right', '192.0.2.1'));
  assert.equal((await Promise.all(same)).filter(Boolean).length, 50);
  assert.equal(accounts.asked, 11);
});

test('accounts that are away are no guess', async (t) => {
  const { limited } = login(t);
  for (let at = 0; at < 20; at += 1) {
    await assert.rejects(limited.check('joe@a.test', 'away', '192.0.2.1'), /away/);
  }
  assert.ok(await limited.check('joe@a.test', 'right', '192.0.2.1'));
});

test('a client that tries many addresses is stopped at a hundred, for ten minutes, and it alone', async (t) => {
  const { limited, tick } = login(t);
  for (let at = 0; at < 100; at += 1) await guess(limited, `user${at}@a.test`, '192.0.2.1');
  await assert.rejects(limited.check('ann@a.test', 'right', '192.0.2.1'), /try again in 10 minutes/);
  // The same client by another name, and as many addresses of its own network as it likes.
  await assert.rejects(limited.check('ann@a.test', 'right', '::ffff:192.0.2.1'), TooMany);
  assert.ok(await limited.check('ann@a.test', 'right', '192.0.2.2'));
  tick(10.1);
  assert.ok(await limited.check('ann@a.test', 'right', '192.0.2.1'));
  for (let at = 0; at < 100; at += 1) await guess(limited, `user${at}@a.test`, `2001:db8::${at.toString(16)}`);
  await assert.rejects(limited.check('ann@a.test', 'right', '2001:db8:0:0:1:2:3:4'), TooMany);
  assert.ok(await limited.check('ann@a.test', 'right', '2001:db8:0:1::1'));
});

test('many clients at one address are stopped, but not those that its user came from', async (t) => {
  const { limited, tick } = login(t);
  assert.ok(await limited.check('joe@a.test', 'right', '198.51.100.7'));
  for (let at = 0; at < 100; at += 1) await guess(limited, 'joe@a.test', `192.0.2.${at}`);
  await assert.rejects(limited.check('joe@a.test', 'right', '203.0.113.1'), /try again in 60 minutes/);
  assert.ok(await limited.check('joe@a.test', 'right', '198.51.100.7'));
  assert.ok(await limited.check('ann@a.test', 'right', '203.0.113.1'));
  tick(60.1);
  assert.ok(await limited.check('joe@a.test', 'right', '203.0.113.1'));
});

test('however many addresses are tried from however many clients, memory is bounded and the last are known', async (t) => {
  const { limited } = login(t);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const used = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const long = 'x'.repeat(1000);
  const before = used();
  for (let at = 0; at < 40_000; at += 1) {
    await guess(limited, `${long}${at}@a.test`, `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`);
    // Attacked all the time, it is not forgotten among the others.
    if (at % 400 === 0) await guess(limited, 'joe@a.test', `192.0.2.${at / 400}`);
  }
  const grown = (used() - before) / 1024 / 1024;
  t.diagnostic(`${grown.toFixed(1)} MiB for 40,100 pairs`);
  assert.ok(grown < 10);
  await assert.rejects(limited.check('joe@a.test', 'right', '203.0.113.1'), TooMany);
});

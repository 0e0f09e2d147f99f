// Mail to other domains, where names lead to mail servers of this test.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { noNameServer } from './name-server.js';
import { PATIENCE, Service, within } from './service.js';

const network = spawnSync('unshare', ['--net', '--mount', 'true']).status === 0;
const skip = noNameServer || (!network && 'no network can be made here, which wants root');

// Returns how to run something there, and the mails that its servers take.
async function outside(t, plan) {
  const words = ['--net', '--mount', process.execPath, join(import.meta.dirname, 'outside.js'), JSON.stringify(plan)];
  const world = spawn('unshare', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(async () => {
    world.stdin.end();
    if (world.exitCode === null && !world.signalCode) await once(world, 'exit');
  });
  const said = [];
  createInterface({ input: world.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  await within(PATIENCE, 'the world is there', () => said[0] === 'there');
  const place = ['--net', '--mount', `--wd=${join(import.meta.dirname, '..')}`, '--target', String(world.pid)];
  return { through: ['nsenter', ...place, '--'], taken: () => said.slice(1) };
}

const PLACE = '203.0.113.'; // for documentation (RFC 5737)
const hosts = Object.entries({ first: 2, second: 3, plain: 4, refuses: 5, busy: 6, away: 9 });
const addresses = hosts.map(([name, number]) => `${name}.test. 60 A ${PLACE}${number}`);
// The name server gives the servers of a name in any order: of so many one is the other way round.
const prefers = Array.from({ length: 8 }, (_, index) => `prefers-${index}`);
const asks = (name, ...mx) => mx.map((host, index) => `${name}.test. 60 MX ${10 * (index + 1)} ${host}.test.`);

test('mail to other domains goes to the servers that their names say, in that order', { skip }, async (t) => {
  const world = await outside(t, {
    records: [
      ...addresses,
      ...prefers.flatMap((name) => asks(name, 'first', 'second')),
      ...asks('falls-back', 'away', 'second'),
      ...asks('decided', 'refuses', 'second'),
      ...asks('later', 'busy'),
      'wants-none.test. 60 MX 0 .',
    ],
    servers: {
      [`${PLACE}2`]: {},
      [`${PLACE}3`]: {},
      [`${PLACE}4`]: {},
      [`${PLACE}5`]: { refuses: 550 },
      [`${PLACE}6`]: { refuses: 450 },
    },
  });
  const service = await Service.make(t, { SEND_EMAIL: 'true' });
  const joe = await service.user('joe');
  await service.start('smtp');
  const domains = [...prefers, 'falls-back', 'plain', 'decided', 'later', 'wants-none', 'nowhere'];
  const to = domains.map((name) => `ann@${name}.test`);
  const { response } = await service.smtp(joe).sendMail({ from: joe.user, to, subject: 'to all', text: 'the text' });
  const [, id] = /Queued as (\w+)/.exec(response);
  const sender = service.run(['smtp-bree.js'], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], through: world.through });
  const logged = (what) => {
    const lines = sender.log.split('\n').filter(Boolean).map((line) => JSON.parse(line));
    return lines.filter((line) => line.id === id && line.message === what);
  };
  await within(PATIENCE, 'all were tried', () => logged('attempted').length === domains.length);

  const taken = world.taken();
  const places = Object.fromEntries(taken.map(({ to: [recipient], address }) => [recipient, address]));
  assert.deepEqual(places, {
    ...Object.fromEntries(prefers.map((name) => [`ann@${name}.test`, `${PLACE}2`])),
    'ann@falls-back.test': `${PLACE}3`,
    'ann@plain.test': `${PLACE}4`,
  });
  assert.equal(taken.length, prefers.length + 2);
  const outcomes = logged('not delivered');
  const outcome = (text) => outcomes.find(({ reason }) => reason.includes(text))?.permanent;
  assert.equal(outcomes.length, 4);
  for (const [text, permanent] of [
    ['550 not this one', true],
    ['450 not this one', false],
    ['5.1.10 wants-none.test takes no mail', true],
    ['5.1.2 nowhere.test does not exist', true],
  ]) {
    assert.equal(outcome(text), permanent, `${text}: ${JSON.stringify(outcomes)}`);
  }

  // Signed, so that whoever asks for the key finds it unchanged; over TLS, though nobody vouches for the certificate.
  const key = execFileSync('openssl', ['rsa', '-pubout', '-outform', 'DER'], {
    input: readFileSync(service.settings.DKIM_PRIVATE_KEY_PATH),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const resolver = async (name) => {
    assert.equal(name, 'default._domainkey.example.test');
    return [[`v=DKIM1; k=rsa; p=${key.toString('base64')}`]];
  };
  for (const { raw, secure, from } of taken) {
    assert.deepEqual([secure, from], [true, joe.user]);
    const { results } = await dkimVerify(Buffer.from(raw, 'latin1'), { resolver, minBitLength: 1024 });
    assert.deepEqual(results.map(({ status }) => status.result), ['pass']);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forward, reply } from '../lib/answer.js';
import { Service } from './service.js';

const people = (...addresses) => addresses.map((address) => ({ name: '', address }));
const mail = {
  from: [{ name: 'Ann', address: 'ann@example.test' }],
  replyTo: [],
  to: people('joe@example.test', 'bob@example.test'),
  cc: people('eve@elsewhere.test', 'Joe@example.test'),
  date: new Date('2026-11-24T10:00:00Z'),
  subject: 'plans',
  text: 'one\r\n> two\r\n\r\n',
  html: null,
};
const joe = 'joe@example.test';

test('recipients are taken as people write them, and none is lost', async (t) => {
  const service = await Service.make(t);
  Object.assign(process.env, service.settings);
  const { compose } = await import('../lib/compose.js');
  const recipients = async (to) => (await compose(joe, { to })).recipients;
  const written = 'Ann <ann@example.test>, "Bob, the other" <bob@example.test>; eve@exämple.test';
  assert.deepEqual(await recipients(written), ['ann@example.test', 'bob@example.test', 'eve@xn--exmple-cua.test']);
  const team = 'team: ann@example.test, bob@example.test;';
  assert.deepEqual(await recipients(team), ['ann@example.test', 'bob@example.test']);
  assert.deepEqual(await recipients('ann@example.test <ann@example.test>'), ['ann@example.test']);
  for (const to of ['ann', 'ann@', '@example.test', 'ann@example.test bob@example.test', 'ann@-']) {
    await assert.rejects(recipients(to), { field: 'to' }, to);
  }
});

test('what is sent is CRLF alone, names its hidden recipients nowhere, and fetches nothing', async (t) => {
  const service = await Service.make(t);
  Object.assign(process.env, service.settings);
  const { compose } = await import('../lib/compose.js');
  const attachments = [{ name: '/etc/passwd', type: 'multipart/mixed', content: Buffer.from('x') }];
  const written = { to: 'ann@example.test', bcc: joe, text: 'a\nb\r\nc', html: '<img src="file:///etc/passwd">', attachments };
  const { raw, kept } = await compose(joe, written);
  for (const bytes of [raw, kept]) assert.doesNotMatch(bytes.toString('latin1'), /[^\r]\n|\r[^\n]/);
  assert.doesNotMatch(raw.toString(), /^bcc/im);
  assert.match(kept.toString(), /^Bcc: joe@example\.test\r$/m);
  assert.match(raw.toString(), /^Content-Type: application\/octet-stream; name=/m);
  assert.doesNotMatch(raw.toString(), /root:/);
});

test('a reply goes to who wrote, one to all to the others as well, and none to oneself', () => {
  const one = reply(mail, joe);
  assert.deepEqual([one.to, one.cc], [mail.from, []]);
  assert.deepEqual(reply(mail, joe, { all: true }).cc, people('bob@example.test', 'eve@elsewhere.test'));
  const list = people('list@elsewhere.test');
  assert.deepEqual(reply({ ...mail, replyTo: list }, joe).to, list);
  assert.deepEqual(reply({ ...mail, from: people(joe) }, joe).to, mail.to);
});

test('a reply quotes, a forwarded mail says whose it was, and subjects get one prefix', () => {
  const { subject, text } = reply(mail, joe);
  assert.equal(subject, 'Re: plans');
  assert.equal(text, '\n\nOn Tue, 24 Nov 2026, Ann wrote:\n> one\n>> two\n');
  assert.equal(reply({ ...mail, subject: 'RE: plans' }, joe).subject, 'RE: plans');
  const passed = forward({ ...mail, subject: 'plans\r\nBcc: eve@elsewhere.test' });
  assert.equal(passed.subject, 'Fwd: plans Bcc: eve@elsewhere.test');
  assert.match(passed.text, /\nFrom: Ann <ann@example\.test>\nDate: Tue, 24 Nov 2026 .*\nSubject: .*\nTo: joe@.*\nCc: eve@/s);
});

test('mail that is HTML alone is quoted by its words, however much of it there is', () => {
  const html = '<head><title>no</title><style>p { no }</style></head><p>A &amp; B&nbsp;&#8364;<br>C</p><script>no</script>D';
  assert.equal(reply({ ...mail, text: null, html }, joe).text.split('wrote:\n')[1], '> A & B €\n> C\n> D\n');
  const hostile = ['<style '.repeat(200_000), '<'.repeat(1_000_000), '&#'.repeat(500_000), ' '.repeat(1_000_000)];
  for (const each of hostile) assert.ok(reply({ ...mail, text: null, html: each }, joe).text);
});

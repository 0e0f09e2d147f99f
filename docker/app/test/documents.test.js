// The document store: what is asked of the queue and the accounts is asked of both of their stores; and what happens
// while the document store is away.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FerretDB, skip } from './servers.js';
import { PATIENCE, Service, within } from './service.js';

const folder = mkdtempSync(join(tmpdir(), 'postbox-stores-'));
const ends = [() => rmSync(folder, { recursive: true })];
const stores = [
  ['the file', '-file.js'],
  ['the document store', '-documents.js', skip],
];
const empty = {
  '-file.js': async () => readdirSync(folder).forEach((name) => rmSync(join(folder, name))),
  '-documents.js': async () => {
    for (const name of ['mails', 'parts']) await (await collection(name)).deleteMany();
  },
};
let server;
before(async () => {
  if (skip) return;
  server = await FerretDB.make({ after: (end) => ends.push(end) });
  // The settings of this process are read when the first module of the application is.
  Object.assign(process.env, server.settings('unit'));
});
before(() =>
  Object.assign(process.env, {
    ...Object.fromEntries(
      'WEB_HOST SRS_SECRET API_SECRETS WEB_SSL_KEY_PATH WEB_SSL_CERT_PATH DKIM_PRIVATE_KEY_PATH'
        .split(' ')
        .map((key) => [key, '']),
    ),
    HELPER_ENCRYPTION_KEY: 'k'.repeat(32),
    POSTBOX_STATE: folder,
  }),
);
after(async () => {
  for (const end of ends.reverse()) await end();
});

const away = ({ response }) => /mailbox store is away/.test(response);
const mail = (fields = {}) => ({
  id: randomBytes(8).toString('hex'),
  sender: 'joe@example.test',
  date: Date.now(),
  recipients: ['ann@example.test'],
  raw: Buffer.from('Subject: x\r\n\r\nx\r\n'),
  ...fields,
});

// Some who use the same queue, which is empty.
async function opened(t, file, count = 1) {
  await empty[file]();
  const { QueueStore } = await import(`../lib/queue${file}`);
  const queues = Array.from({ length: count }, () => new QueueStore());
  t.after(() => Promise.all(queues.map((queue) => queue.close())));
  return queues;
}

async function collection(name) {
  const { Documents } = await import('../lib/documents.js');
  const documents = new Documents('EMAILS_MONGO_URI', {});
  ends.push(() => documents.close());
  return documents.collection(name);
}

async function all(queue) {
  const claimed = [];
  for (let found; (found = await queue.claim());) claimed.push(found);
  return claimed;
}

for (const [name, file, absent] of stores) {
  test(`of many who claim from ${name}, one gets each mail, whole`, { skip: absent }, async (t) => {
    const queues = await opened(t, file, 4);
    const mails = Array.from({ length: 40 }, () => mail({ recipients: ['a@x.test', 'b@x.test', 'a@x.test'] }));
    await Promise.all(mails.map((each, index) => queues[index % 4].insert(each)));
    const claimed = (await Promise.all(queues.map(all))).flat();
    assert.deepEqual(claimed.map(({ id }) => id).sort(), mails.map(({ id }) => id).sort());
    for (const { recipients } of claimed) {
      assert.deepEqual(
        recipients.map(({ address, attempts }) => [address, attempts]),
        [
          ['a@x.test', 1],
          ['b@x.test', 1],
          ['a@x.test', 1],
        ],
      );
    }
  });

  test(`a recipient is due again when ${name} was told, and the others are not`, { skip: absent }, async (t) => {
    const [queue] = await opened(t, file);
    await queue.insert(mail({ recipients: ['a@x.test', 'b@x.test', 'c@x.test', 'd@x.test'] }));
    const first = await queue.claim();
    // Later than all that is asked here takes, and before the lease of the others ends.
    const later = Date.now() + 15_000;
    await queue.defer(first, first.recipients[1], later);
    await queue.remove(first, [first.recipients[0]]);
    assert.equal(await queue.claim(), undefined);
    assert.equal(await queue.next(), later);
    const due = Date.now() + 300;
    await queue.defer(first, first.recipients[2], due);
    const second = await within(PATIENCE, 'it is due', () => queue.claim());
    assert.ok(Date.now() >= due);
    assert.deepEqual(
      second.recipients.map(({ address, attempts }) => [address, attempts]),
      [['c@x.test', 2]],
    );
  });

  test(`what an attempt dropped is free when ${name} was told, and what is under way is not`, { skip: absent }, async (t) => {
    const [queue] = await opened(t, file);
    const [one, other] = [mail(), mail()];
    await queue.insert(one);
    await queue.insert(other);
    assert.equal((await all(queue)).length, 2);
    await queue.release([one.id], Date.now());
    assert.deepEqual((await all(queue)).map(({ id }) => id), [other.id]);
  });

  test(`a mail leaves ${name} with its last recipient, and a bounce takes its place`, { skip: absent }, async (t) => {
    const [queue] = await opened(t, file);
    await queue.insert(mail());
    const found = await queue.claim();
    const bounce = mail({ sender: '' });
    await queue.remove(found, found.recipients, bounce);
    const left = await all(queue);
    assert.deepEqual(left.map(({ id, sender }) => [id, sender]), [[bounce.id, '']]);
    await queue.remove(left[0], left[0].recipients);
    assert.equal(await queue.next(), undefined);
  });

  test(`a mail of 50 MB comes out of ${name} as it went in`, { skip: absent }, async (t) => {
    const [queue] = await opened(t, file);
    const raw = randomBytes(50 * 1024 * 1024 + 1);
    await queue.insert(mail({ raw }));
    const found = await queue.claim();
    assert.ok(found.raw.equals(raw));
    await queue.remove(found, found.recipients);
  });

  test(`an address has one account in ${name}, however many make it at once`, { skip: absent }, async (t) => {
    const { AccountStore } = await import(`../lib/accounts${file}`);
    const accounts = new AccountStore();
    t.after(() => accounts.close());
    const made = (id) => ({ id, address: 'joe@here.test', domain: 'here.test', salt: id, hash: id, created: 1 });
    const inserted = await Promise.all(['a', 'b', 'c', 'd'].map((id) => accounts.insert(made(id))));
    assert.deepEqual(inserted.filter(Boolean), [true]);
    assert.equal(await accounts.hasDomain('here.test'), true);
    assert.equal(await accounts.hasDomain('elsewhere.test'), false);
    const { id } = await accounts.get('joe@here.test');
    assert.equal(await accounts.exists(id), true);
    assert.deepEqual(await accounts.all(), [{ id, address: 'joe@here.test', created: 1 }]);
    await accounts.remove(id);
    assert.equal(await accounts.exists(id), false);
  });
}

test('what a dead worker was at is free after its lease; what a living one is at is not', { skip }, async (t) => {
  const [living, dead, next] = await opened(t, '-documents.js', 3);
  await living.work(() => ['under way']);
  // Of the claim that is not under way the answer was lost.
  for (const [worker, id] of [
    [living, 'under way'],
    [living, 'lost'],
    [dead, 'of the dead'],
  ]) {
    await worker.insert(mail({ id }));
    assert.equal((await worker.claim()).id, id);
  }
  const free = [];
  await within(PATIENCE, 'the leases end', async () => {
    free.push(...(await all(next)));
    return free.length >= 2;
  });
  assert.deepEqual(free.map(({ id }) => id).sort(), ['lost', 'of the dead']);
  // Whoever comes back from the dead puts off nothing that another has taken over.
  const [taken] = free.filter(({ id }) => id === 'of the dead');
  await dead.defer(taken, taken.recipients[0], 0);
  assert.deepEqual(await all(next), []);
});

test('a mail that is queued again, since an answer was lost, is queued once', { skip }, async (t) => {
  const [queue] = await opened(t, '-documents.js');
  const twice = mail();
  await queue.insert(twice);
  await queue.insert(twice);
  assert.deepEqual((await all(queue)).map(({ id }) => id), [twice.id]);
});

test('the bytes of a mail that never came in whole are swept away, those of others are not', { skip }, async (t) => {
  const [queue] = await opened(t, '-documents.js');
  const { ObjectId } = await import('mongodb');
  const [parts, mails] = [await collection('parts'), await collection('mails')];
  const part = (id, daysAgo) => ({
    _id: ObjectId.createFromTime(Date.now() / 1000 - daysAgo * 24 * 3600),
    mail: id,
    number: 0,
    data: Buffer.from('x'),
  });
  await parts.insertMany([part('coming in', 0), part('never came in', 2), part('waiting', 3)]);
  await mails.insertOne({ _id: 'waiting', due: 1, recipients: [{ id: 0, due: 1 }] });
  await queue.work(() => []);
  assert.deepEqual((await parts.distinct('mail')).sort(), ['coming in', 'waiting']);
});

test('while the document store is away everybody is told to come again, and nothing is lost', { skip }, async (t) => {
  const documents = await FerretDB.make(t);
  const service = await Service.make(t, documents.settings('away'));
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap', 'smtp', 'smtp-bree');
  const pool = { pool: true, maxConnections: 1 };
  const [mx, smtp] = [service.mx(pool), service.smtp(joe, pool)];
  t.after(() => [mx, smtp].forEach((client) => client.close()));
  const written = (sender, subject) => ({ from: sender, to: joe.user, subject, text: 'x' });
  await smtp.sendMail(written(joe.user, 'before'));
  await documents.kill();
  await assert.rejects(smtp.sendMail(written(joe.user, 'away')), { responseCode: 451 });
  await assert.rejects(service.smtp(joe).sendMail(written(joe.user, 'away')), { responseCode: 454 });
  await assert.rejects(mx.sendMail(written('eve@elsewhere.test', 'away')), { responseCode: 451 });
  await assert.rejects(service.imap(joe), away);
  const admin = await service.admin(['user', 'list']);
  assert.equal(admin.code, 1);
  assert.match(admin.error, /^error: .*ECONNREFUSED/);
  await documents.start();
  const accepted = (client, sender, subject) =>
    within(PATIENCE, `${subject} is accepted`, () => client.sendMail(written(sender, subject)).catch(() => false));
  await accepted(service.smtp(joe), joe.user, 'back');
  await accepted(service.mx(), 'eve@elsewhere.test', 'from outside');
  await within(PATIENCE, 'all are delivered', async () => {
    const found = await service.subjects(joe).catch(() => []);
    return ['back', 'before', 'from outside'].every((subject) => found.includes(subject));
  });
});

test('roles that start before the document store is there are ready, and work when it is', { skip }, async (t) => {
  const documents = await FerretDB.make(t);
  await documents.kill();
  const service = await Service.make(t, documents.settings('late'));
  await service.start('sqlite', 'mx', 'smtp');
  const sent = () => service.mx().sendMail({ from: 'eve@elsewhere.test', to: 'joe@example.test', text: 'x' });
  await assert.rejects(sent(), { responseCode: 451 });
  await documents.start();
  await service.user('joe');
  await within(PATIENCE, 'mx takes mail', () => sent().catch(() => false));
});

test('two databases that are one, and a queue without one, are refused', { skip }, async (t) => {
  const { MONGO_URI } = server.settings('same');
  const service = await Service.make(t, { MONGO_URI, EMAILS_MONGO_URI: MONGO_URI });
  await assert.rejects(service.start('smtp'), /different databases/);
  service.settings.EMAILS_MONGO_URI = '';
  await assert.rejects(service.start('smtp-bree'), /EMAILS_MONGO_URI is empty/);
});

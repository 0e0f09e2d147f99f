// The instant between a merge's commit and the removal of what it merged is too short for kill -9 to meet by chance.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const SETTINGS = { WEB_HOST: 'example.test', HELPER_ENCRYPTION_KEY: 'k'.repeat(32), API_SECRETS: 'unused,' };
const UNUSED = ['SRS_SECRET', 'WEB_SSL_KEY_PATH', 'WEB_SSL_CERT_PATH', 'DKIM_PRIVATE_KEY_PATH'];
Object.assign(process.env, SETTINGS, Object.fromEntries(UNUSED.map((key) => [key, ''])));
const { Arrivals } = await import('../lib/arrivals.js');
const { Mailbox } = await import('../lib/mailbox.js');

const CRASH = new Error('crash');

// Opens both files, dies at the given moment of the merge, and returns what the mailbox has after the next merge.
function merged(t, die) {
  const folder = mkdtempSync(join(tmpdir(), 'postbox-merge-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const open = () => [new Arrivals(join(folder, 'a-tmp.sqlite')), new Mailbox(join(folder, 'a.sqlite'), 'password')];
  let [arrivals, mailbox] = open();
  for (const name of ['one', 'two']) arrivals.add(name, 0, Buffer.from(`Subject: ${name}\r\n\r\nx\r\n`));
  die(arrivals);
  assert.throws(() => mailbox.merge(arrivals), CRASH);
  arrivals.close();
  mailbox.close();
  [arrivals, mailbox] = open();
  mailbox.merge(arrivals);
  assert.deepEqual(arrivals.waiting(10), []);
  const { id, uids } = mailbox.open({ path: 'INBOX' });
  const subjects = mailbox.fetch({ folder: id, uids, described: true }).map(({ envelope }) => envelope[1].toString());
  arrivals.close();
  mailbox.close();
  return subjects;
}

const dying = (method) => (arrivals) => {
  arrivals[method] = () => {
    throw CRASH;
  };
};

test('a crash while mails are taken over loses and doubles nothing', (t) => {
  const second = (arrivals) => {
    const { mail } = arrivals;
    arrivals.mail = (arrival) => {
      if (arrival === 'two') throw CRASH;
      return mail.call(arrivals, arrival);
    };
  };
  assert.deepEqual(merged(t, second), ['one', 'two']);
});

test('a crash after they are taken over and before they are removed doubles nothing', (t) => {
  assert.deepEqual(merged(t, dying('remove')), ['one', 'two']);
});

test('a mail that was stored and merged is not stored again by its retry', (t) => {
  const again = (arrivals) => {
    dying('remove')(arrivals);
    arrivals.add('one', 0, Buffer.from('Subject: one\r\n\r\nx\r\n'));
  };
  assert.deepEqual(merged(t, again), ['one', 'two']);
});

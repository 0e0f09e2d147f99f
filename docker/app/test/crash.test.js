// kill -9 at any instant loses nothing that was answered 250 and doubles nothing.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PATIENCE, Service, within } from './service.js';

// Sends `count` mails, `atOnce` at a time, each until it is answered 250 (what a real sender does). Returns the subjects.
async function sendAll(count, atOnce, make, send) {
  const subjects = Array.from({ length: count }, (_, index) => `mail ${index}`);
  const waiting = [...subjects];
  const accepted = new Set();
  const sender = async () => {
    for (let subject; (subject = waiting.pop());) {
      const mail = { ...make(subject), messageId: `<${subject.replace(' ', '-')}@elsewhere.test>`, date: new Date(0) };
      await within(PATIENCE, `${subject} is accepted`, () =>
        send(mail).then(
          () => accepted.add(subject),
          () => false,
        ),
      );
    }
  };
  await Promise.all(Array.from({ length: atOnce }, sender));
  return subjects.sort();
}

// Until `stop` is called, but ten times at most: kills and restarts one of the roles, at random.
function rampage(service, roles, pauseFor) {
  let on = true;
  let kills = 0;
  const done = (async () => {
    while (on && kills < 10) {
      await pause(randomInt(...pauseFor));
      await service.restart(roles[kills % roles.length]);
      kills += 1;
    }
  })();
  return {
    async stop() {
      on = false;
      await done;
      return kills;
    },
  };
}

test('sqlite killed while 200 mails come in', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  const killer = rampage(service, ['sqlite'], [30, 250]);
  const mx = service.mx({ pool: true, maxMessages: Infinity, maxConnections: 4 });
  const subjects = await sendAll(
    200,
    4,
    (subject) => ({ from: 'eve@elsewhere.test', to: joe.user, subject, text: 'x' }),
    (mail) => mx.sendMail(mail),
  );
  mx.close();
  const kills = await killer.stop();
  const found = await service.subjects(joe);
  t.diagnostic(`accepted ${subjects.length}, found ${found.length}, kills ${kills}`);
  assert.ok(kills > 0);
  assert.deepEqual(found.sort(), subjects);
});

test('sqlite killed while it merges 200 mails', async (t) => {
  const service = await Service.make(t);
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  const mx = service.mx({ pool: true });
  const subjects = await sendAll(
    200,
    4,
    (subject) => ({ from: 'eve@elsewhere.test', to: joe.user, subject, text: 'x' }),
    (mail) => mx.sendMail(mail),
  );
  mx.close();
  // The merge begins with the login. A quarter later at each kill, so that some hit it, until one login comes through.
  let kills = 0;
  for (let delay = 60, merged = false; !merged; delay *= 1.25, kills += 1) {
    const login = service.subjects(joe).then(
      (found) => found.length === subjects.length,
      () => false,
    );
    await pause(delay);
    await service.restart('sqlite');
    merged = await login;
  }
  const found = await service.subjects(joe);
  t.diagnostic(`accepted ${subjects.length}, found ${found.length}, kills ${kills}`);
  assert.deepEqual(found.sort(), subjects);
});

test('every role killed in turn while 60 mails go from user to user', async (t) => {
  const service = await Service.make(t);
  const [joe, ann] = [await service.user('joe'), await service.user('ann')];
  await service.start('sqlite', 'mx', 'imap', 'smtp', 'smtp-bree');
  const killer = rampage(service, ['smtp', 'smtp-bree', 'mx', 'sqlite', 'imap'], [100, 400]);
  const subjects = await sendAll(
    60,
    3,
    (subject) => ({ from: joe.user, to: ann.user, subject, text: 'x' }),
    (mail) => service.smtp(joe).sendMail(mail),
  );
  const kills = await killer.stop();
  // In the document store a dead worker's mails are free after its lease, 30 s.
  const found = await within(PATIENCE + 30_000, 'all are delivered', async () => {
    const there = await service.subjects(ann);
    return new Set(there).size === subjects.length && there;
  });
  t.diagnostic(`accepted ${subjects.length}, found ${found.length}, kills ${kills}`);
  // A client that got no answer sends again, and the queue cannot know: it may be there twice, as RFC 5321 6.1 allows.
  assert.deepEqual([...new Set(found)].sort(), subjects);
});

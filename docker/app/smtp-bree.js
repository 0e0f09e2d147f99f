// The role `smtp-bree`: sends what is queued, retries, and tells the sender of what cannot be delivered.
import { live } from './lib/life.js';
import { Accounts } from './lib/accounts.js';
import { Held } from './lib/lock.js';
import { log } from './lib/log.js';
import { close } from './lib/outgoing.js';
import { Queue } from './lib/queue.js';
import { Sender } from './lib/sender.js';

const AT_ONCE = 5; // mails under way
const POLL = 10_000; // ms; the bell wakes us, this is for a bell that was not heard
const HELD = 500; // ms between looks at the queue that another worker holds

// As the application's, it never says ready.
await live('smtp-bree', start, { ready: false });

async function start() {
  const queue = new Queue();
  const accounts = new Accounts();
  const sender = new Sender(queue, accounts);
  const underWay = new Map();
  let dropped = false;
  let begun = false;
  let timer;
  let stopped = false;
  let again = false;
  let working;

  // Claims what is due, as much as may be under way. Returns how long to sleep (ms) if neither the bell rings nor a
  // place gets free.
  const round = async () => {
    try {
      if (!begun) await queue.work(() => [...underWay.values()]);
      begun = true;
      if (dropped) await queue.release([...underWay.values()], Date.now() + POLL);
      dropped = false;
      for (let mail; !stopped && underWay.size < AT_ONCE && (mail = await queue.claim());) {
        // The queue could not be told what came of it (a full disk): left alone, it would wait for its lease to end.
        const attempt = sender.attempt(mail).catch((error) => {
          dropped = true;
          log('error', 'attempt failed', { id: mail.id, error });
        });
        underWay.set(attempt, mail.id);
        attempt.finally(() => underWay.delete(attempt) && work());
      }
      if (underWay.size === AT_ONCE) return POLL;
      return Math.max(0, Math.min(POLL, ((await queue.next()) ?? Infinity) - Date.now()));
    } catch (error) {
      if (error instanceof Held) return HELD;
      dropped = begun; // what came of a claim is not known
      log('error', 'the queue does not answer', { error });
      return POLL;
    }
  };
  // One round at a time: who calls during one gets another after it.
  const rounds = async () => {
    clearTimeout(timer);
    let pause = POLL;
    while (again && !stopped) {
      again = false;
      pause = await round();
    }
    timer = setTimeout(work, pause);
    working = undefined;
  };
  const work = () => {
    again = true;
    working ??= rounds();
  };
  await queue.listen(work);
  work();

  return async () => {
    stopped = true;
    await working;
    clearTimeout(timer);
    await Promise.all(underWay.keys());
    close();
    await queue.close();
    await accounts.close();
  };
}

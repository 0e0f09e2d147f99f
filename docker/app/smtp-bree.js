// The role `smtp-bree`: sends what is queued, retries, and tells the sender of what cannot be delivered.
import { join } from 'node:path';
import { Accounts } from './lib/accounts.js';
import { live } from './lib/life.js';
import { Held, lock } from './lib/lock.js';
import { log } from './lib/log.js';
import { close } from './lib/outgoing.js';
import { Queue } from './lib/queue.js';
import { Sender } from './lib/sender.js';
import { settings } from './lib/settings.js';

const AT_ONCE = 5; // mails under way
const POLL = 10_000; // ms; the bell wakes us, this is for a bell that was not heard
const LOCKED = 500; // ms between looks at the lock that another worker holds

// As the application's, it never says ready.
await live('smtp-bree', start, { ready: false });

async function start() {
  const queue = new Queue();
  const accounts = new Accounts();
  const sender = new Sender(queue, accounts);
  const underWay = new Map();
  let dropped = false;
  let unlock;
  let timer;
  let stopped = false;

  // Claims what is due, as much as may be under way, and sleeps until the bell, the next due mail or a free place.
  const work = () => {
    clearTimeout(timer);
    if (stopped) return;
    let pause = POLL;
    try {
      if (!unlock) {
        unlock = lock(join(settings.POSTBOX_STATE, 'queue'));
        queue.release();
      }
      if (dropped) {
        queue.release(Date.now() + POLL, [...underWay.values()]);
        dropped = false;
      }
      for (let mail; underWay.size < AT_ONCE && (mail = queue.claim());) {
        // The queue could not be told what came of it (a full disk): left alone, it would wait for its lease to end.
        const attempt = sender.attempt(mail).catch((error) => {
          dropped = true;
          log('error', 'attempt failed', { id: mail.id, error });
        });
        underWay.set(attempt, mail.id);
        attempt.finally(() => underWay.delete(attempt) && work());
      }
      if (underWay.size < AT_ONCE) pause = Math.max(0, Math.min(POLL, (queue.next() ?? Infinity) - Date.now()));
    } catch (error) {
      if (error instanceof Held) pause = LOCKED;
      else log('error', 'the queue does not answer', { error });
    }
    timer = setTimeout(work, pause);
  };
  const bell = queue.listen(work);
  work();

  return async () => {
    stopped = true;
    clearTimeout(timer);
    bell.close();
    await Promise.all(underWay.keys());
    close();
    queue.close();
    accounts.close();
    unlock?.();
  };
}

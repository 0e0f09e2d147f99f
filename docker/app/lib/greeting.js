// Whether a mail server greets with 220 or 421: as the application, who is given a Redis and cannot reach it takes nobody.
import { log } from './log.js';
import { reply } from './message.js';
import { notifications } from './notifications.js';

// Options for smtp-server, and what closes them.
export async function greeting(prefix) {
  const redis = await notifications(prefix);
  if (!redis) return { options: {}, close: () => {} };
  const onConnect = (session, done) =>
    redis.reach().then(
      () => done(),
      (error) => {
        log('info', 'client refused', { error });
        done(reply(421, 'Service not available, try again later'));
      },
    );
  return { options: { onConnect }, close: () => redis.close() };
}

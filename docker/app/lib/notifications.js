// What processes of the service tell each other over Redis, where the settings of the role name one. Nothing is kept
// there: whoever does not hear something finds it out later, or is told that it missed something.
import { log } from './log.js';
import { digest } from './secrets.js';
import { settings } from './settings.js';

const WITHIN = 4000; // ms; it is near, and a health check waits 5 s for a greeting
// Two services at one Redis do not hear each other.
const SERVICE = digest(settings.HELPER_ENCRYPTION_KEY).toString('hex', 0, 8);

// Undefined without a host. `prefix` is the application's: of several roles each may have a Redis of its own.
export async function notifications(prefix) {
  const setting = (name) => settings[`${prefix}_REDIS_${name}`] || undefined;
  if (!setting('HOST')) return undefined;
  const { Redis } = await import('ioredis');
  return new Notifications(
    new Redis({
      host: setting('HOST'),
      port: Number(setting('PORT') ?? 6379),
      username: setting('USERNAME'),
      password: setting('PASSWORD'),
      tls: setting('TLS') === 'true' ? {} : undefined,
      connectTimeout: WITHIN,
      commandTimeout: WITHIN,
      maxRetriesPerRequest: 3,
      autoResubscribe: false,
      retryStrategy: (times) => Math.min(times * 100, 1000),
    }),
  );
}

class Notifications {
  // Whether everything that is published comes to us.
  hears = false;
  #redis;
  #published;

  constructor(redis) {
    this.#redis = redis;
    let away = false;
    redis.on('ready', () => {
      if (away) log('info', 'redis answers again');
      away = false;
    });
    redis.on('error', (error) => {
      if (!away) log('error', 'redis is away', { error });
      away = true;
    });
  }

  // Rejects while Redis is away. When it has resolved, everything that was published before has been heard.
  reach() {
    return this.#redis.ping();
  }

  // Rejects if nobody has heard it.
  publish(topic, data) {
    const published = this.#redis.publish(channel(topic), data).then((count) => {
      if (!count) throw new Error('nobody listens');
    });
    this.#published = published.catch(() => {});
    return published;
  }

  // Until what was published has come to Redis or has failed to.
  published() {
    return this.#published;
  }

  // Resolves when it is listening, or when it cannot yet. `lost` is called when something may have been missed.
  listen(topic, heard, lost) {
    const redis = this.#redis;
    redis.on('messageBuffer', (name, data) => heard(data));
    redis.on('close', () => {
      if (this.hears) lost?.();
      this.hears = false;
    });
    return new Promise((resolve) => {
      const subscribe = async () => {
        try {
          await redis.subscribe(channel(topic));
          this.hears = true;
        } catch (error) {
          log('error', 'cannot listen at redis', { error });
        }
        resolve();
      };
      redis.on('ready', subscribe);
      redis.once('error', resolve);
      if (redis.status === 'ready') subscribe();
    });
  }

  close() {
    this.#redis.disconnect();
  }
}

const channel = (topic) => `postbox:${SERVICE}:${topic}`;

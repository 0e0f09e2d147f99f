// Rings when something is queued: over Redis where BREE_REDIS_HOST names one, else by a file in the state folder.
// Who does not hear it looks now and then.
import { watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { log } from './log.js';
import { notifications } from './notifications.js';
import { settings } from './settings.js';
import { folder } from './state.js';

const FILE = join(settings.POSTBOX_STATE, 'queue.bell');

export class Bell {
  #redis = notifications('BREE');
  #watcher;

  constructor() {
    if (settings.BREE_REDIS_HOST) return;
    folder();
    writeFileSync(FILE, '', { flag: 'a' });
  }

  // What was queued is queued, heard or not.
  async ring() {
    try {
      const redis = await this.#redis;
      if (redis) await redis.publish('queue', '');
      else writeFileSync(FILE, '\n');
    } catch (error) {
      log('info', 'the bell of the queue was not heard', { error });
    }
  }

  async listen(rung) {
    const redis = await this.#redis;
    if (redis) await redis.listen('queue', rung);
    else this.#watcher = watch(FILE, rung);
  }

  async close() {
    this.#watcher?.close();
    (await this.#redis)?.close();
  }
}

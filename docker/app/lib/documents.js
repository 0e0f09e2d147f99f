// A database of the document store, which speaks MongoDB's protocol. The driver is loaded only where one is set.
import { setTimeout as pause } from 'node:timers/promises';
import { AbstractCursor, MongoClient, MongoNetworkError, MongoNetworkTimeoutError } from 'mongodb';
import { settings } from './settings.js';

const AWAY_AFTER = 3000; // ms; short enough for whoever waits for an answer
const AGAIN_AFTER = 100; // ms
const ANSWER_WITHIN = 10_000; // ms; the greatest part of a mail takes a tenth of a second
const OPTIONS = {
  appName: 'postbox',
  // What has been answered is on the disks of a majority, whatever the URI says.
  writeConcern: { w: 'majority', journal: true },
  serverSelectionTimeoutMS: AWAY_AFTER,
  connectTimeoutMS: AWAY_AFTER,
  waitQueueTimeoutMS: AWAY_AFTER,
  socketTimeoutMS: ANSWER_WITHIN,
  maxPoolSize: 5,
  promoteBuffers: true,
};

// The code of an error: a unique index has the value already. Our own, where the driver tried again after it had lost the
// answer and the server did not recognise that (FerretDB).
const DUPLICATE = 11000;

// What FerretDB says to one of two who waited for each other in PostgreSQL (40P01): nothing of it was stored.
const DEADLOCK = 16908292;

// Gives undefined where something unique is there already; of a document whose id nobody else has, that was stored by a
// try whose answer was lost. After a broken connection it tries again for a while, so that a server that is right back
// leaves nobody in doubt.
export async function insertOnce(collection, document) {
  for (const end = Date.now() + AWAY_AFTER; ; await pause(AGAIN_AFTER)) {
    try {
      return await collection.insertOne(document);
    } catch (error) {
      if (error.code === DUPLICATE) return undefined;
      const passing = error instanceof MongoNetworkError || error.code === DEADLOCK;
      if (!passing || Date.now() > end) throw error;
    }
  }
}

// What the driver does, within a time: asked at the very moment at which the server is killed, it may wait for ever, and no
// time limit of its own ends that (seen in 7.9.0 with findOne, timeoutMS included).
function limited(target) {
  const get = (object, name) => {
    const value = object[name];
    if (typeof value !== 'function') return value;
    return (...parameters) => {
      const result = value.apply(object, parameters);
      if (result instanceof Promise) return answered(result);
      return result instanceof AbstractCursor ? limited(result) : result;
    };
  };
  return new Proxy(target, { get });
}

function answered(result) {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new MongoNetworkTimeoutError('the document store did not answer')), ANSWER_WITHIN);
  });
  return Promise.race([result, late]).finally(() => clearTimeout(timer));
}

export class Documents {
  #uri;
  #indexes;
  #client;

  // `key` is the setting with the URI; `indexes` has those of each collection. Connects when it is first asked.
  constructor(key, indexes) {
    this.#uri = settings[key];
    this.#indexes = indexes;
    if (!this.#uri) throw new Error(`${key} is empty, though MONGO_URI is set`);
    if (settings.MONGO_URI === settings.EMAILS_MONGO_URI) {
      throw new Error('MONGO_URI and EMAILS_MONGO_URI have to name different databases');
    }
  }

  // Rejects while the store is away.
  async collection(name) {
    this.#client ??= this.#connect();
    return limited((await this.#client).db().collection(name));
  }

  async close() {
    await (await this.#client?.catch(() => {}))?.close();
  }

  // Once connected, a client connects again by itself; one that could not connect at first is of no more use.
  async #connect() {
    const client = new MongoClient(this.#uri, OPTIONS);
    try {
      await client.connect();
      for (const [name, indexes] of Object.entries(this.#indexes)) {
        await client.db().collection(name).createIndexes(indexes);
      }
      return client;
    } catch (error) {
      this.#client = undefined;
      await client.close();
      throw error;
    }
  }
}

// Asks `sqlite` for housekeeping at the start and then every hour, and leaves a trace: what came of it is in the log, and in
// the file housekeeping/<role>.json of the state folder where roles have that in common.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { log } from './log.js';
import { settings } from './settings.js';
import { folder } from './state.js';
import { Storage } from './storage.js';

const EVERY = 60 * 60_000; // ms
const AGAIN = 10_000; // ms after it has failed: mostly `sqlite` is away, and soon back

// `what` is the kind of work. Returns the function that ends it; what `sqlite` is at it finishes by itself.
export function housekeep(role, what) {
  const storage = new Storage();
  let stopped = false;
  let timer;
  const run = async () => {
    const begun = Date.now();
    const outcome = await inPieces(storage, what).catch((error) => ({ error: error.message }));
    if (stopped) return;
    const trace = { role, what, time: new Date(begun).toISOString(), took: Date.now() - begun, ...outcome };
    log(outcome.error ? 'error' : 'info', 'housekeeping', { ...trace, error: undefined, reason: outcome.error });
    leave(role, trace);
    timer = setTimeout(run, outcome.error ? AGAIN : EVERY);
  };
  void run();
  return () => {
    stopped = true;
    clearTimeout(timer);
    storage.close();
  };
}

// A piece at a request, so that no other request waits for the whole. Returns the sum.
async function inPieces(storage, what) {
  const sum = {};
  for (let after = ''; after !== undefined; ) {
    const answer = await storage.request('housekeep', { what, after });
    ({ after } = answer);
    for (const [name, count] of Object.entries(answer.counts)) sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}

// Whole or not at all. A disk that is full stops nothing. With a document store the state folder is that of `sqlite` alone.
function leave(role, trace) {
  if (settings.MONGO_URI) return;
  try {
    const path = join(folder('housekeeping'), `${role}.json`);
    writeFileSync(`${path}.new`, `${JSON.stringify(trace)}\n`);
    renameSync(`${path}.new`, path);
  } catch (error) {
    log('error', 'no trace of the housekeeping', { error });
  }
}

// The life of a role's process: start, say `ready`, drain when asked, end. The contract is the application's:
// TERM, INT, HUP and the message "shutdown" drain once each; a second signal of a kind has its default action.
import { loaded } from './frugal.js';
import { log } from './log.js';
import { settings } from './settings.js';

// What `POSTBOX_FAULTS` may change.
const POLITE = { start: (start) => start(), ready: () => {}, stop: (drain) => drain() };

// `start` returns the function that closes what it opened. `within` (ms) is how long closing may take: 5 s as
// the application has it, 60 s for the mailbox store.
export async function live(role, start, { within = 5000, ready = true } = {}) {
  process.umask(0o077); // mail is its user's own
  log('info', 'this is postbox, a sample application: not for production', { role });
  let conduct;
  let close;
  try {
    conduct = { ...POLITE, ...(settings.POSTBOX_FAULTS && (await import('./faults.js')).faults(role)) };
    close = await conduct.start(start);
  } catch (error) {
    log('fatal', 'cannot start', { role, error, address: error.address, port: error.port });
    process.exit(1);
  }
  loaded();
  const drain = async (closed = close, code = 0) => {
    setTimeout(() => {
      log('error', 'not drained in time', { role, within });
      process.exit(1);
    }, within);
    try {
      await closed();
    } catch (error) {
      log('error', 'cannot close', { role, error });
      process.exit(1);
    }
    log('info', 'drained', { role });
    process.exit(code);
  };
  let stopping = false;
  const stop = (reason) => {
    if (stopping) return;
    stopping = true;
    log('info', 'draining', { role, reason });
    conduct.stop(drain);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, stop);
  if (process.send) {
    process.on('message', (message) => message === 'shutdown' && stop(message));
    // The other end may be gone; the role lives on without it.
    if (ready) process.send('ready', () => {});
  }
  log('info', 'ready', { role });
  conduct.ready();
}

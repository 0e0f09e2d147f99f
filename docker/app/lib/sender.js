// What becomes of a queued mail after an attempt: delivered, tried again later, or given up with a bounce.
import { domain } from './accounts.js';
import { bounce } from './bounce.js';
import { log } from './log.js';
import { send } from './outgoing.js';

const GIVE_UP = 5 * 24 * 3600 * 1000; // ms; RFC 5321 4.5.4.1: at least 4-5 days
// ms, doubled at each attempt: our own mx is soon back, others are asked seldom.
const OWN = { first: 500, most: 60_000 };
const OTHERS = { first: 60_000, most: 4 * 3600 * 1000 };

export class Sender {
  constructor(queue, accounts) {
    this.queue = queue;
    this.accounts = accounts;
  }

  async attempt(mail) {
    const names = new Map();
    for (const { address } of mail.recipients) {
      names.set(address, (await this.accounts.local(address)) ? '' : domain(address).toLowerCase());
    }
    const groups = Map.groupBy(mail.recipients, ({ address }) => names.get(address));
    await Promise.all([...groups].map(([name, recipients]) => this.#deliver(mail, recipients, name === '')));
  }

  async #deliver(mail, recipients, own) {
    const failures = await send(mail, recipients, own);
    const over = (failure) => failure.permanent || Date.now() - mail.date > GIVE_UP;
    const { later = [], given = [] } = Object.groupBy(failures, (failure) => (over(failure) ? 'given' : 'later'));
    const failed = new Set(failures.map(({ recipient }) => recipient));
    const delivered = recipients.filter((recipient) => !failed.has(recipient));
    // A bounce is never bounced (RFC 5321 6.1): it has no sender.
    const report = given.length && mail.sender ? bounce(mail, given) : undefined;
    await this.queue.finish(mail, [...delivered, ...given.map(({ recipient }) => recipient)], report);
    for (const { recipient } of later) {
      await this.queue.defer(mail, recipient, Date.now() + pause(recipient.attempts, own ? OWN : OTHERS));
    }
    for (const { reason, permanent } of failures) log('info', 'not delivered', { id: mail.id, reason, permanent });
    log('info', 'attempted', { id: mail.id, delivered: delivered.length, later: later.length, given: given.length });
  }
}

const pause = (attempts, { first, most }) => Math.min(most, first * 2 ** (attempts - 1));

// Login, with limits on guessing that are counted in memory by each role: a restart forgets them.
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { log } from './log.js';

// Someone who mistypes, or a device with an old password, is soon over the first; trying many passwords is hopeless.
const PAIR = { limit: 10, window: 60_000 };
// One client at many addresses. An office behind one address of the network has some such devices, not a hundred.
const CLIENT = { limit: 100, window: 10 * 60_000 };
// Many clients at one address, each of them below its own limit. Clients that its user came from are not counted.
const ADDRESS = { limit: 100, window: 60 * 60_000 };
// What is remembered of each kind, the oldest goes first: some 4 MB in all, while an attacker's own count, which is
// renewed by each guess, stays.
const MOST = 5000;
const LONGEST = 254;

export class TooMany extends Error {}

export class Login {
  #pairs = new Counts(PAIR);
  #clients = new Counts(CLIENT);
  #addresses = new Counts(ADDRESS);
  #known = new Recent();
  #underWay = new Map();

  constructor(accounts) {
    this.accounts = accounts;
  }

  // The account, undefined for wrong credentials; throws TooMany above a limit, where the right password is refused as
  // well: at this client for a minute (its pair) or ten (the client); for an hour at clients from which the address
  // has not logged in since the role has started. An HTTP client logs in with each of the requests that it makes at
  // once: the same credentials are one attempt.
  async check(address, password, client) {
    const name = address.trim().toLowerCase();
    const from = network(client);
    const attempt = digest(name, from, password);
    if (!this.#underWay.has(attempt)) {
      this.#underWay.set(
        attempt,
        this.#attempt(name, from, password).finally(() => this.#underWay.delete(attempt)),
      );
    }
    return this.#underWay.get(attempt);
  }

  async #attempt(address, client, password) {
    const pair = digest(address, client);
    const counts = [this.#pairs.of(pair), this.#clients.of(digest(client))];
    if (!this.#known.get(pair)) counts.push(this.#addresses.of(digest(address)));
    const full = counts.filter(({ failures, limit }) => failures >= limit);
    if (full.length) {
      const minutes = Math.ceil((Math.max(...full.map(({ until }) => until)) - Date.now()) / 60_000);
      throw new TooMany(`Too many failed logins, try again in ${minutes === 1 ? 'a minute' : `${minutes} minutes`}`);
    }
    // Counted before the answer is known, so that parallel guesses do not slip past a limit.
    for (const count of counts) count.failures += 1;
    let wrong = false;
    try {
      const account = await this.accounts.verify(address, password);
      wrong = !account;
      if (account) {
        this.#known.set(pair, true);
        counts[0].failures = 1;
      }
      return account;
    } finally {
      // No more lines than the limits let guesses through; of what was typed no more than an address can be (RFC 5321).
      if (wrong) log('info', 'login failed', { address: address.slice(0, LONGEST), client });
      // Right, or nothing was guessed because the accounts are away.
      if (!wrong) for (const count of counts) count.failures = Math.max(0, count.failures - 1);
    }
  }
}

// Failures of each key in a window that begins with the first.
class Counts {
  #recent = new Recent();

  constructor(rule) {
    this.rule = rule;
  }

  of(key) {
    const found = this.#recent.get(key);
    const count = found?.until > Date.now() ? found : this.#fresh();
    this.#recent.set(key, count);
    return count;
  }

  #fresh() {
    return { failures: 0, limit: this.rule.limit, until: Date.now() + this.rule.window };
  }
}

// The MOST keys that were set last.
class Recent {
  #values = new Map();

  get(key) {
    return this.#values.get(key);
  }

  set(key, value) {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > MOST) this.#values.delete(this.#values.keys().next().value);
  }
}

// As long as any other, however long the address is that somebody sends.
const digest = (...parts) => createHash('sha256').update(JSON.stringify(parts)).digest('base64');

// Whoever has one address of IPv6 has 2^64 of them (RFC 6177): they are one client.
function network(client) {
  const address = String(client).replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(address)) return address;
  const [front, back = ''] = address.split('%')[0].split('::');
  const groups = front.split(':').filter(Boolean);
  const rest = back.split(':').filter(Boolean);
  if (address.includes('::')) groups.push(...Array(8 - groups.length - rest.length).fill('0'), ...rest);
  return `${groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`;
}

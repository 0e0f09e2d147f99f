// Login with a limit per address and client, counted in memory: a restart forgets it.
const LIMIT = 10;
const WINDOW = 60_000; // ms

export class TooMany extends Error {}

export class Login {
  #failures = new Map();
  #underWay = new Map();

  constructor(accounts) {
    this.accounts = accounts;
  }

  // The account, undefined for wrong credentials; throws TooMany after LIMIT failures within WINDOW. An HTTP client
  // logs in with each of the requests that it makes at once: the same credentials are one attempt.
  async check(address, password, client) {
    const who = `${address.toLowerCase()} ${client}`;
    const attempt = `${who} ${password}`;
    if (!this.#underWay.has(attempt)) {
      this.#underWay.set(
        attempt,
        this.#attempt(who, address, password).finally(() => this.#underWay.delete(attempt)),
      );
    }
    return this.#underWay.get(attempt);
  }

  async #attempt(who, address, password) {
    const now = Date.now();
    for (const [key, { since }] of this.#failures) if (now - since > WINDOW) this.#failures.delete(key);
    const failures = this.#failures.get(who) ?? { since: now, count: 0 };
    if (failures.count >= LIMIT) throw new TooMany('Too many failed logins, try again in a minute');
    // Counted before the answer is known, so that parallel guesses do not slip past the limit.
    failures.count += 1;
    this.#failures.set(who, failures);
    const account = await this.accounts.verify(address, password);
    if (account) this.#failures.delete(who);
    return account;
  }
}

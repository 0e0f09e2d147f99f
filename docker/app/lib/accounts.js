// The accounts of the service and their passwords: in the document store if there is one, else in a file.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { settings } from './settings.js';

const { AccountStore } = await import(settings.MONGO_URI ? './accounts-documents.js' : './accounts-file.js');

// One derivation at a time: each takes 8 MB, which a pool of threads would keep once per thread.
process.env.UV_THREADPOOL_SIZE ??= '1';
// As much work as Node's default (N 16384, p 1) in half the memory.
const COST = { N: 8192, r: 8, p: 2 };
const derive = (password, salt) => promisify(scrypt)(password, salt, 32, COST);
const NOBODY = { salt: Buffer.alloc(16), hash: Buffer.alloc(32) };

export const normal = (address) => address.trim().toLowerCase();
export const domain = (address) => address.slice(address.lastIndexOf('@') + 1);

export class Accounts {
  #store = new AccountStore();

  async find(address) {
    const found = await this.#store.get(normal(address));
    return found ? { id: found.id, address: found.address } : undefined;
  }

  exists(id) {
    return this.#store.exists(id);
  }

  all() {
    return this.#store.all();
  }

  // Whether mail for the address stays here, whoever the recipient is.
  async local(address) {
    const name = domain(normal(address));
    return name === settings.WEB_HOST || this.#store.hasDomain(name);
  }

  async add(address, password) {
    const salt = randomBytes(16);
    const account = { id: randomBytes(12).toString('hex'), address: normal(address) };
    const hash = await derive(password, salt);
    const rest = { domain: domain(account.address), salt, hash, created: Date.now() };
    const inserted = await this.#store.insert({ ...account, ...rest });
    if (!inserted) throw new Error(`the account exists: ${account.address}`);
    return account;
  }

  remove(id) {
    return this.#store.remove(id);
  }

  // The account, or undefined. Takes as long for an address that does not exist.
  async verify(address, password) {
    const found = await this.#store.get(normal(address));
    const { salt, hash } = found ?? NOBODY;
    const matches = timingSafeEqual(await derive(password, salt), hash);
    return found && matches ? { id: found.id, address: found.address } : undefined;
  }

  close() {
    return this.#store.close();
  }
}

// The accounts in the document store, in the database that MONGO_URI names.
import { Documents, insertOnce } from './documents.js';

export class AccountStore {
  constructor() {
    this.documents = new Documents('MONGO_URI', {
      accounts: [{ key: { address: 1 }, unique: true }, { key: { domain: 1 } }],
    });
  }

  async get(address) {
    const found = await (await this.#accounts()).findOne({ address });
    return found && { id: found._id, ...found };
  }

  async exists(id) {
    return Boolean(await (await this.#accounts()).findOne({ _id: id }, { projection: { _id: 1 } }));
  }

  async hasDomain(name) {
    return Boolean(await (await this.#accounts()).findOne({ domain: name }, { projection: { _id: 1 } }));
  }

  async all() {
    const found = (await this.#accounts()).find().sort({ address: 1 });
    return found.map(({ _id: id, address, created }) => ({ id, address, created })).toArray();
  }

  // Whether it was inserted: an address is there once.
  async insert({ id, ...rest }) {
    return Boolean(await insertOnce(await this.#accounts(), { _id: id, ...rest })) || this.exists(id);
  }

  async remove(id) {
    await (await this.#accounts()).deleteOne({ _id: id });
  }

  close() {
    return this.documents.close();
  }

  #accounts() {
    return this.documents.collection('accounts');
  }
}

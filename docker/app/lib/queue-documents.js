// The queue in the document store, in the database that EMAILS_MONGO_URI names, for any number of workers.
//
// A mail is one document, so that it is there with all its recipients or not at all, but for its bytes: a document has
// at most 16 MB. They are in parts of their own, stored before it and removed after it. A recipient is claimed by moving
// the time at which it is due; who is at it moves that again and again, so that a dead worker's mail is soon free.
import { randomUUID } from 'node:crypto';
import { ObjectId } from 'mongodb';
import { Documents, insertOnce } from './documents.js';
import { log } from './log.js';

const PART = 8 * 1024 * 1024; // bytes
const LEASE = 30_000; // ms
const DAY = 24 * 3600; // s; no mail takes so long to come in

const recipients = { input: '$recipients', as: 'recipient' };
const due = { $set: { due: { $min: '$recipients.due' } } }; // of the mail; null when nobody is left
// Updates for recipients that fulfil `condition`.
const change = (condition, values) => {
  const changed = { $cond: [condition, { $mergeObjects: ['$$recipient', values] }, '$$recipient'] };
  return [{ $set: { recipients: { $map: { ...recipients, in: changed } } } }, due];
};

export class QueueStore {
  #worker = randomUUID();
  #documents = new Documents('EMAILS_MONGO_URI', {
    mails: [{ key: { due: 1 } }, { key: { 'recipients.worker': 1 } }],
    parts: [{ key: { mail: 1, number: 1 }, unique: true }],
  });
  #ours = { $eq: ['$$recipient.worker', this.#worker] };
  #renewal;

  async insert({ id, sender, date, recipients: addresses, raw }) {
    const [mails, parts] = await this.#collections();
    for (let number = 0; number * PART < raw.length; number += 1) {
      await insertOnce(parts, { mail: id, number, data: raw.subarray(number * PART, (number + 1) * PART) });
    }
    const entries = addresses.map((address, index) => ({ id: index, address, due: date, attempts: 0, worker: null }));
    await insertOnce(mails, { _id: id, sender, date, size: raw.length, due: date, recipients: entries });
  }

  async work(underWay) {
    const [mails, parts] = await this.#collections();
    await mails.deleteMany({ due: null });
    const old = await parts.distinct('mail', { _id: { $lt: ObjectId.createFromTime(Date.now() / 1000 - DAY) } });
    const kept = new Set(await mails.distinct('_id', { _id: { $in: old } }));
    await parts.deleteMany({ mail: { $in: old.filter((id) => !kept.has(id)) } });
    this.#renewal = setInterval(
      () => this.#renew(underWay()).catch((error) => log('error', 'cannot stay at the mails under way', { error })),
      LEASE / 3,
    );
  }

  async release(underWay, time) {
    const [mails] = await this.#collections();
    const filter = { _id: { $nin: underWay }, 'recipients.worker': this.#worker };
    await mails.updateMany(filter, change(this.#ours, { due: time, worker: null }));
  }

  async claim() {
    const [mails, parts] = await this.#collections();
    const now = Date.now();
    const end = now + LEASE;
    const claimed = { due: end, worker: this.#worker, attempts: { $add: ['$$recipient.attempts', 1] } };
    const mail = await mails.findOneAndUpdate(
      { due: { $lte: now } },
      change({ $lte: ['$$recipient.due', now] }, claimed),
      { sort: { due: 1 }, returnDocument: 'after' },
    );
    if (!mail) return undefined;
    const found = await parts.find({ mail: mail._id }).sort({ number: 1 }).toArray();
    const raw = Buffer.concat(found.map(({ data }) => data));
    if (raw.length !== mail.size) throw new Error(`mail ${mail._id} has ${raw.length} bytes of ${mail.size}`);
    const mine = mail.recipients.filter((recipient) => recipient.worker === this.#worker && recipient.due === end);
    return { ...mail, id: mail._id, raw, recipients: mine };
  }

  async next() {
    const [mails] = await this.#collections();
    const first = await mails.findOne({ due: { $ne: null } }, { projection: { due: 1 }, sort: { due: 1 } });
    return first?.due;
  }

  // One that another worker has taken over meanwhile is left to it.
  async defer(mail, { id }, time) {
    const [mails] = await this.#collections();
    const one = { $and: [this.#ours, { $eq: ['$$recipient.id', id] }] };
    await mails.updateOne({ _id: mail.id }, change(one, { due: time, worker: null }));
  }

  // The bounce first: dying in between sends it twice, never not at all.
  async remove(mail, done, bounce) {
    if (bounce) await this.insert(bounce);
    const [mails, parts] = await this.#collections();
    const gone = { $in: ['$$recipient.id', done.map(({ id }) => id)] };
    const left = { $filter: { ...recipients, cond: { $not: [gone] } } };
    await mails.updateOne({ _id: mail.id }, [{ $set: { recipients: left } }, due]);
    const { deletedCount } = await mails.deleteOne({ _id: mail.id, due: null });
    if (deletedCount) await parts.deleteMany({ mail: mail.id });
  }

  close() {
    clearInterval(this.#renewal);
    return this.#documents.close();
  }

  // Only of those: a claim whose answer was lost would else be ours for ever.
  async #renew(underWay) {
    const [mails] = await this.#collections();
    await mails.updateMany({ _id: { $in: underWay } }, change(this.#ours, { due: Date.now() + LEASE }));
  }

  #collections() {
    return Promise.all(['mails', 'parts'].map((name) => this.#documents.collection(name)));
  }
}

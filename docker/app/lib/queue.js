// What is to be sent: written by `smtp`, emptied by `smtp-bree`; in the document store if there is one, else in a file.
// A mail in it is durable.
import { randomBytes } from 'node:crypto';
import { Bell } from './bell.js';
import { settings } from './settings.js';

const { QueueStore } = await import(settings.MONGO_URI ? './queue-documents.js' : './queue-file.js');

export class Queue {
  #store = new QueueStore();
  #bell = new Bell();

  static id() {
    return randomBytes(8).toString('hex');
  }

  // Durable when it has resolved.
  async add(id, sender, recipients, raw) {
    await this.#store.insert({ id, sender, date: Date.now(), recipients, raw });
    this.#bell.ring(); // which nobody has to wait for
  }

  // Calls back when something was added, by whatever process.
  listen(rung) {
    return this.#bell.listen(rung);
  }

  // To be asked first by whoever claims. Rejects with Held while another process has the file. `underWay` returns the ids
  // of the mails that are being sent, which nobody else is to claim meanwhile.
  work(underWay) {
    return this.#store.work(underWay);
  }

  // A mail with those of its recipients that are due, or undefined. Who dies with it loses nothing.
  claim() {
    return this.#store.claim();
  }

  // What was claimed and is none of these mails (an attempt failed half-way) is due again at `time` (ms since the epoch).
  release(underWay, time) {
    return this.#store.release(underWay, time);
  }

  // When the next recipient is due (ms since the epoch), or undefined.
  next() {
    return this.#store.next();
  }

  defer(mail, recipient, due) {
    return this.#store.defer(mail, recipient, due);
  }

  // Delivered, or given up: then `bounce` takes its place.
  async finish(mail, recipients, bounce) {
    const report = bounce && { id: Queue.id(), sender: '', date: Date.now(), recipients: [mail.sender], raw: bounce };
    await this.#store.remove(mail, recipients, report);
    if (bounce) this.#bell.ring();
  }

  async close() {
    await this.#bell.close();
    await this.#store.close();
  }
}

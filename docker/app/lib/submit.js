// Takes a mail of a user of this service into the queue, whoever brings it: a mail client, a page, a program.
import { randomUUID } from 'node:crypto';
import { log } from './log.js';
import { normal } from './accounts.js';
import { date, has, received } from './message.js';
import { Queue } from './queue.js';
import { settings } from './settings.js';

// `session` tells who brings it, as smtp-server's sessions do. Returns the mail's id; it is durable then.
export async function submit(queue, session, mail) {
  const id = Queue.id();
  const { mailFrom, rcptTo } = session.envelope;
  // RFC 6409 8.2 and 8.3: a submission server may add what the client left out.
  const added = [
    has(mail, 'Date') ? '' : `Date: ${date()}\r\n`,
    has(mail, 'Message-ID') ? '' : `Message-ID: <${randomUUID()}@${settings.WEB_HOST}>\r\n`,
  ];
  const raw = Buffer.concat([Buffer.from(received(session, id) + added.join('')), mail]);
  try {
    await queue.add(
      id,
      normal(mailFrom.address),
      rcptTo.map(({ address }) => address),
      raw,
    );
  } catch (error) {
    log('error', 'not queued', { id, error });
    throw error;
  }
  log('info', 'queued', { id, size: raw.length, recipients: rcptTo.length });
  return id;
}

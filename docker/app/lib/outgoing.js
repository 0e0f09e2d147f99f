// One attempt to hand a mail to the server that takes mail for a domain, DKIM-signed (RFC 6376).
import { resolveMx } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { buffer } from 'node:stream/consumers';
import DKIM from 'nodemailer/lib/dkim';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { domain } from './accounts.js';
import { settings } from './settings.js';

// As the application greets, where that is a name: containers are given that of reverse DNS, which others compare.
const NAME = hostname().includes('.') ? hostname() : settings.SMTP_HOST;
const KEPT = 2000; // ms that a connection to our own mx waits for the next mail

const signer = new DKIM({
  domainName: settings.DKIM_DOMAIN_NAME,
  keySelector: settings.DKIM_KEY_SELECTOR,
  privateKey: readFileSync(settings.DKIM_PRIVATE_KEY_PATH, 'utf8'),
});
const kept = new Set();

// Returns a failure for each recipient that was not taken; `own`: by the mx of this service.
export async function send(mail, recipients, own) {
  const message = await buffer(signer.sign(mail.raw));
  const envelope = {
    from: mail.sender,
    to: recipients.map(({ address }) => address),
    size: message.length,
    use8BitMime: /[^\0-\x7f]/.test(message.toString('latin1')),
  };
  let rejected;
  try {
    rejected = own ? await ownServer(envelope, message) : await otherServers(envelope, message);
  } catch (error) {
    rejected = error.rejectedErrors;
    if (!rejected) return recipients.map((recipient) => failure(recipient, error));
  }
  return rejected.map((error) =>
    failure(
      recipients.find(({ address }) => address === error.recipient),
      error,
    ),
  );
}

export function close() {
  for (const connection of kept) connection.close();
}

function failure(recipient, error) {
  const reason = (error.response ?? error.message).replace(/\s+/g, ' ');
  const permanent = error.permanent ?? error.responseCode >= 500;
  const status = /\b[245]\.\d{1,3}\.\d{1,3}\b/.exec(reason)?.[0] ?? (permanent ? '5.0.0' : '4.0.0');
  return { recipient, address: recipient.address, permanent, reason, status };
}

// A greeting and a TLS handshake take longer than a mail, so the connection is kept for the next one.
async function ownServer(envelope, message) {
  const [waiting] = kept;
  kept.delete(waiting);
  clearTimeout(waiting?.timer);
  const connection = waiting ?? (await connect(settings.POSTBOX_MX_HOST, settings.MX_PORT));
  const rejected = await transfer(connection, envelope, message);
  connection.timer = setTimeout(() => connection.quit(), KEPT).unref();
  kept.add(connection);
  return rejected;
}

async function otherServers(envelope, message) {
  if (settings.SEND_EMAIL !== 'true') {
    throw hopeless('5.7.1 Delivery to outside addresses is switched off (SEND_EMAIL is not true)');
  }
  const hosts = await exchangers(domain(envelope.to[0]));
  for (const [index, host] of hosts.entries()) {
    try {
      const connection = await connect(host, 25);
      const rejected = await transfer(connection, envelope, message);
      connection.quit();
      return rejected;
    } catch (error) {
      // Who has answered has decided (RFC 5321 5.1); the others are asked only for one that is away.
      if (error.responseCode || index === hosts.length - 1) throw error;
    }
  }
  throw new Error('no server to ask');
}

// By preference; the domain itself where it names none (RFC 5321 5.1), an error where it wants no mail (RFC 7505).
async function exchangers(name) {
  try {
    const hosts = (await resolveMx(name)).sort((a, b) => a.priority - b.priority).map(({ exchange }) => exchange);
    if (hosts.length === 1 && !hosts[0]) throw hopeless(`5.1.10 ${name} takes no mail`);
    return hosts;
  } catch (error) {
    if (error.code === 'ENODATA') return [name];
    if (error.code === 'ENOTFOUND') throw hopeless(`5.1.2 ${name} does not exist`);
    throw error;
  }
}

function hopeless(text) {
  return Object.assign(new Error(text), { permanent: true });
}

// Opportunistic TLS (RFC 7435): without a policy of the other side there is no name to verify; our own mx is near.
function connect(host, port) {
  const connection = new SMTPConnection({
    host,
    port: Number(port),
    name: NAME,
    tls: { rejectUnauthorized: false },
    connectionTimeout: 30_000,
    greetingTimeout: 60_000,
    socketTimeout: 10 * 60_000,
  });
  return new Promise((resolve, reject) => {
    // Also what befalls it while it waits: then it is simply gone.
    connection.on('error', reject);
    connection.on('end', () => kept.delete(connection));
    connection.connect((error) => (error ? reject(error) : resolve(connection)));
  });
}

function transfer(connection, envelope, message) {
  return new Promise((resolve, reject) => {
    // After the callback, if there is one: an answer that refuses ends the connection as well.
    connection.once('end', () => setImmediate(reject, new Error('the connection was closed')));
    connection.send(envelope, message, (error, info) => {
      if (!error) return resolve(info.rejectedErrors ?? []);
      connection.close();
      reject(error);
    });
  });
}

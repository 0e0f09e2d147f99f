// The role `mx`: takes mail from other servers (RFC 5321) for the accounts that are here, and for nobody else.
import { live } from './lib/life.js';
import { randomBytes } from 'node:crypto';
import { SMTPServer } from 'smtp-server';
import { Accounts } from './lib/accounts.js';
import { greeting } from './lib/greeting.js';
import { results, withoutOurs } from './lib/authentication.js';
import { closeMail, listen } from './lib/listen.js';
import { log } from './lib/log.js';
import { has, read, received, reply } from './lib/message.js';
import { digest } from './lib/secrets.js';
import { bytes, settings } from './lib/settings.js';
import { Storage } from './lib/storage.js';
import { certificate } from './lib/tls.js';

await live('mx', start);

async function start() {
  const accounts = new Accounts();
  const storage = new Storage();
  const greeted = await greeting('BREE');
  const options = {
    ...greeted.options,
    ...certificate(),
    disabledCommands: ['AUTH'],
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: false,
    size: bytes('SMTP_MESSAGE_MAX_SIZE'),
    onRcptTo({ address }, session, done) {
      admit(address, accounts).then(() => done(), done);
    },
    onData(stream, session, done) {
      deliver(stream, session, accounts, storage).then((text) => done(null, text), done);
    },
  };
  const servers = await listen(() => new SMTPServer(options), settings.MX_PORT);
  return async () => {
    await closeMail(servers);
    storage.close();
    greeted.close();
    await accounts.close();
  };
}

async function admit(address, accounts) {
  let local;
  try {
    if (await accounts.find(address)) return;
    local = await accounts.local(address);
  } catch (error) {
    log('error', 'recipient not looked up', { error });
    throw reply(451, 'The recipient cannot be looked up now, try again later');
  }
  // smtp-server would say 5.1.1 for every 550.
  if (!local) throw reply('550 5.7.1', 'Relaying is denied');
  throw reply(550, 'No such mailbox here');
}

// 250 is said only after `sqlite` has all copies on its disk; otherwise 451, and the retry adds what is missing.
async function deliver(stream, session, accounts, storage) {
  const mail = await read(stream);
  if (stream.sizeExceeded) throw reply('552 5.3.4', 'The mail is too big');
  const id = randomBytes(8).toString('hex');
  const sender = session.envelope.mailFrom.address;
  const trace = Buffer.from(`Return-Path: <${sender}>\r\n${await results(mail, session)}${received(session, id)}`);
  // A mail with a Message-ID is one mail however often it comes (RFC 5322 3.6.4): a retry is recognised by its bytes.
  const same = has(mail, 'Message-ID') ? mail : id;
  let recipients;
  try {
    const found = await Promise.all(session.envelope.rcptTo.map(({ address }) => accounts.find(address)));
    recipients = found.filter(Boolean);
    const arrivals = recipients.map(({ id: account }) => ({
      account,
      arrival: digest(sender, account, same).toString('hex'),
    }));
    await storage.request('deliver', { arrivals, raw: Buffer.concat([trace, withoutOurs(mail)]) });
  } catch (error) {
    log('error', 'not stored', { id, error });
    throw reply(451, 'The mail cannot be stored now, try again later');
  }
  log('info', 'stored', { id, size: mail.length, recipients: recipients.length });
  return `Stored as ${id}`;
}

// The role `smtp`: takes mail from the users of the service (RFC 6409) and queues it.
import { live } from './lib/life.js';
import { SMTPServer } from 'smtp-server';
import { Accounts, normal } from './lib/accounts.js';
import { greeting } from './lib/greeting.js';
import { closeMail, listen } from './lib/listen.js';
import { log } from './lib/log.js';
import { Login, TooMany } from './lib/login.js';
import { read, reply } from './lib/message.js';
import { Queue } from './lib/queue.js';
import { bytes, settings } from './lib/settings.js';
import { submit } from './lib/submit.js';
import { certificate, implicit } from './lib/tls.js';

await live('smtp', start);

async function start() {
  const accounts = new Accounts();
  const login = new Login(accounts);
  const queue = new Queue();
  const greeted = await greeting('BREE');
  const options = {
    ...greeted.options,
    ...certificate(),
    secure: implicit(settings.SMTP_PORT, '465'),
    authMethods: ['PLAIN', 'LOGIN'],
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: false,
    size: bytes('SMTP_MESSAGE_MAX_SIZE'),
    maxRecipients: Number(settings.MAX_RECIPIENTS),
    onAuth({ username, password }, { remoteAddress }, done) {
      login.check(username, password, remoteAddress).then(
        (account) => (account ? done(null, { user: account }) : done(reply(535, 'Wrong address or password'))),
        (error) => {
          log('info', 'login failed', { error });
          done(
            error instanceof TooMany
              ? reply(454, error.message)
              : reply(454, 'Login is not possible now, try again later'),
          );
        },
      );
    },
    onMailFrom({ address }, { user }, done) {
      if (normal(address) === user.address) return done();
      done(reply('553 5.7.1', 'You may send from your own address only'));
    },
    onData(stream, session, done) {
      enqueue(stream, session, queue).then((text) => done(null, text), done);
    },
  };
  const servers = await listen(() => new SMTPServer(options), settings.SMTP_PORT);
  return async () => {
    await closeMail(servers);
    greeted.close();
    await queue.close();
    await accounts.close();
  };
}

// 250 is said only after the queue has it on disk.
async function enqueue(stream, session, queue) {
  const mail = await read(stream);
  if (stream.sizeExceeded) throw reply('552 5.3.4', 'The mail is too big');
  const id = await submit(queue, session, mail).catch(() => {
    throw reply(451, 'The mail cannot be queued now, try again later');
  });
  return `Queued as ${id}`;
}

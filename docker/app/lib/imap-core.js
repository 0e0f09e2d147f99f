// wildduck's imap-core, made to stand alone: nothing of wildduck's own configuration, and no command that ends the role.
import dns from 'node:dns';
import { log } from './log.js';

// Its configuration (files, arguments, environment) is none of ours, and a bad file would stop us.
process.env.DISABLE_WILD_CONFIG = 'true';
const { IMAPServer } = (await import('wildduck/imap-core/index.js')).default;
const { IMAPConnection } = (await import('wildduck/imap-core/lib/imap-connection.js')).default;
const errors = (await import('wildduck/lib/errors.js')).default;

errors.gelf.handler = { emit: (channel, { short_message: message }) => log('info', message) };

// It greets only after a reverse look-up, up to 1 s later; nobody should wait for a resolver.
dns.reverse = (address, callback) => process.nextTick(callback, new Error('not looked up'));

// Some commands throw when what they need is missing (ENABLE without a word), which would end everybody's session.
const { _onCommand } = IMAPConnection.prototype;
IMAPConnection.prototype._onCommand = function (command, callback) {
  try {
    _onCommand.call(this, command, callback);
  } catch (error) {
    log('info', 'command failed', { error });
    this._currentCommand = false;
    const [tag] = String(command.value).split(/[^\w.]/);
    this.send(`${tag || '*'} BAD The command cannot be understood`);
    callback?.();
  }
};

export { IMAPServer };

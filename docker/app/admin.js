// Accounts by hand: `node admin.js user add|remove|list`.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { Accounts } from './lib/accounts.js';
import { ADDRESS } from './lib/address.js';
import { lock } from './lib/lock.js';
import { Mailboxes } from './lib/mailboxes.js';
import { settings } from './lib/settings.js';
import { folder } from './lib/state.js';
import { Away, Storage } from './lib/storage.js';

const USAGE = `usage: node admin.js user add ADDRESS [--password-stdin] [--json]
       node admin.js user remove ADDRESS [--json]
       node admin.js user list [--json]

A password is made and printed unless one is given on stdin. It is the key of the mailbox and cannot be changed.`;

class Usage extends Error {}

const options = { json: { type: 'boolean' }, 'password-stdin': { type: 'boolean' }, help: { type: 'boolean' } };

const commands = {
  async add(accounts, address, { 'password-stdin': given }) {
    if (!ADDRESS.test(address)) throw new Error(`not a mail address: ${address}`);
    if (await accounts.find(address)) throw new Error(`the account exists: ${address}`);
    // In hexadecimal: base64url has a `-`, and where it comes first a mail client's command line takes it for an option.
    const password = given ? (await text(process.stdin)).replace(/\r?\n$/, '') : randomBytes(15).toString('hex');
    if (!password) throw new Error('the password is empty');
    const account = await accounts.add(address, password);
    return [given ? account : { ...account, password }, given ? account.address : `${account.address} ${password}`];
  },
  async remove(accounts, address) {
    const account = await accounts.find(address);
    if (!account) throw new Error(`no such account: ${address}`);
    // First, so that nothing is lost to a retry when it cannot be; and again, for what arrived until mx knew.
    await removeMailbox(account.id);
    await accounts.remove(account.id);
    await removeMailbox(account.id);
    return [account, `removed ${account.address}`];
  },
  async list(accounts) {
    const all = await accounts.all();
    return [all, all.map(({ address }) => address).join('\n')];
  },
};

// By the one who has the mailboxes; when nobody has them, by ourselves.
async function removeMailbox(account) {
  const storage = new Storage();
  try {
    await storage.request('remove', { account });
  } catch (error) {
    if (!(error instanceof Away)) throw error;
    const mail = folder(settings.SQLITE_STORAGE_PATH);
    const unlock = lock(join(mail, 'mailboxes'));
    new Mailboxes(mail).remove(account);
    unlock();
  } finally {
    storage.close();
  }
}

function parse() {
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const [subject, verb, ...operands] = positionals;
    const wanted = verb === 'list' ? 0 : 1;
    if (!values.help && (subject !== 'user' || !Object.hasOwn(commands, verb) || operands.length !== wanted)) {
      throw new Usage('unknown command');
    }
    return { values, verb, operands };
  } catch (error) {
    throw new Usage(error.message);
  }
}

async function main() {
  const { values, verb, operands } = parse();
  if (values.help) return console.log(USAGE);
  const accounts = new Accounts();
  try {
    const [data, plain] = await commands[verb](accounts, ...operands, values);
    if (values.json) console.log(JSON.stringify(data));
    else if (plain) console.log(plain);
  } finally {
    await accounts.close();
  }
}

process.umask(0o077);
try {
  await main();
} catch (error) {
  const usage = error instanceof Usage;
  console.error(`error: ${error.message}${usage ? `\n\n${USAGE}` : ''}`);
  process.exitCode = usage ? 64 : 1;
}

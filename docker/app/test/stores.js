// For `pnpm test:stores`: every service of the tests has its accounts and its queue in one FerretDB, each in databases of
// its own, and tells what is new over one Redis.
import { FerretDB, Redis } from './servers.js';

const servers = [];

export async function globalSetup() {
  const after = (end) => servers.push(end);
  const documents = await FerretDB.make({ after });
  const redis = await Redis.make({ after });
  process.env.POSTBOX_TEST_STORES = JSON.stringify({
    ...documents.settings('NAME'),
    ...redis.settings('IMAP', 'BREE'),
  });
}

export async function globalTeardown() {
  for (const end of servers) await end();
}

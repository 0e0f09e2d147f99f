// Listens on each address of POSTBOX_LISTEN, one server each, skipping addresses that the host does not have.
import { log } from './log.js';
import { list } from './settings.js';

const ABSENT = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

export async function listen(make, port) {
  const servers = [];
  let absent = new Error('POSTBOX_LISTEN is empty');
  for (const host of list('POSTBOX_LISTEN')) {
    const server = make();
    try {
      await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port: Number(port), host, ipv6Only: host.includes(':') }, () => {
          server.off('error', reject);
          resolve();
        });
      });
      // From now on it is of a single client. Without anybody who hears of it, it would end the process.
      server.on('error', (error) => log('info', 'client failed', { error }));
      servers.push(server);
    } catch (error) {
      if (!ABSENT.has(error.code)) throw error;
      absent = error;
    }
  }
  if (!servers.length) throw absent;
  return servers;
}

export function close(servers) {
  return Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
}

// smtp-server lets idle clients stay until its closeTimeout, which is longer than a role has; only a transaction is
// worth waiting for.
export function closeMail(servers) {
  for (const { connections } of servers) {
    for (const connection of connections) {
      if (connection.session?.envelope?.mailFrom) continue;
      connection.send(421, 'Server shutting down');
      connection.close();
    }
  }
  return close(servers);
}

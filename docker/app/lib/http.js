// Serves a hono application at the port of a role, over TLS where `<PREFIX>_PROTOCOL` is https.
import { createServer as plain } from 'node:http';
import { createServer as secure } from 'node:https';
import { getRequestListener } from '@hono/node-server';
import { close, listen } from './listen.js';
import { settings } from './settings.js';
import { certificate } from './tls.js';

const IDLE = 5000; // ms a connection may stay without a request, as Node has it

// Returns the function that drains: requests under way are answered, idle connections end at once.
export async function serveHttp(app, prefix) {
  const answer = getRequestListener(app.fetch);
  const tls = settings[`${prefix}_PROTOCOL`] === 'https' && certificate(prefix);
  const options = { keepAliveTimeout: IDLE };
  const servers = await listen(
    () => (tls ? secure({ ...tls, ...options }, answer) : plain(options, answer)),
    settings[`${prefix}_PORT`],
  );
  return async () => {
    const closed = close(servers);
    for (const server of servers) server.closeIdleConnections();
    await closed;
  };
}

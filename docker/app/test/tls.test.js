// smtp-server asks a TLS socket for its protocol after its handshake failed, when it may have let go of its TLS state.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { TLSSocket } from 'node:tls';

// The settings have to be there, whatever they are.
const schema = readFileSync(new URL('../.env.schema', import.meta.url), 'utf8');
for (const [, key] of schema.matchAll(/^(\w+)=/gm)) process.env[key] ??= '';
await import('../lib/tls.js');

test('a socket without TLS state has no protocol, and asking does not end the process', (context, done) => {
  const server = createServer((raw) => {
    const socket = new TLSSocket(raw, { isServer: true });
    socket.on('error', () => {});
    socket._destroySSL();
    assert.equal(socket.getProtocol(), null);
    socket.destroy();
    server.close(done);
  });
  server.listen(0, '127.0.0.1', () => connect(server.address().port, '127.0.0.1').on('error', () => {}).resume());
});

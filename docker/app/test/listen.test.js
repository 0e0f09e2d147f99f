import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';

// The settings have to be there, whatever they are.
const schema = readFileSync(new URL('../.env.schema', import.meta.url), 'utf8');
for (const [, key] of schema.matchAll(/^(\w+)=/gm)) process.env[key] ??= '';
process.env.POSTBOX_LISTEN = '127.0.0.1';
const { close, listen } = await import('../lib/listen.js');

// The first one was told to nobody, and the second ended the process.
test('each failure of a client is logged, and none ends a server', async (t) => {
  const servers = await listen(createServer, 0);
  t.after(() => close(servers));
  const write = t.mock.method(process.stderr, 'write', () => true);
  for (const message of ['first', 'second']) servers[0].emit('error', new Error(message));
  write.mock.restore();
  const lines = write.mock.calls.map(({ arguments: [line] }) => JSON.parse(line));
  assert.deepEqual(lines.map(({ message, error }) => [message, error]), [
    ['client failed', 'first'],
    ['client failed', 'second'],
  ]);
});

test('a port that somebody else has is an error', async (t) => {
  const servers = await listen(createServer, 0);
  t.after(() => close(servers));
  await assert.rejects(listen(createServer, servers[0].address().port), { code: 'EADDRINUSE' });
});

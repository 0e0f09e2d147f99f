import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const OPENER = `
  import { Store } from '${new URL('../lib/database.js', import.meta.url)}';
  for (let file = 0; file < 200; file++) {
    new Store(process.argv[1] + '/' + file, 'CREATE TABLE IF NOT EXISTS mails (id INTEGER)').close();
  }
`;

// The first start of two roles: one of them ended with "database is locked".
test('processes that make the same file at the same time all get it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postbox-files-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const openers = [1, 2, 3, 4].map(() =>
    spawn(process.execPath, ['--input-type=module', '--eval', OPENER, folder], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  const ends = await Promise.all(openers.map((opener) => once(opener, 'exit')));
  assert.deepEqual(
    ends.map(([code]) => code),
    [0, 0, 0, 0],
  );
});

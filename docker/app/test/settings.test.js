// The sample's own reading of settings, held to the application's loader.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { arrives, fill, parse } from '../lib/loader.js';

// What the loader makes of a folder whose .env is this text, with nothing in the environment.
function loaded(t, text) {
  const folder = mkdtempSync(join(tmpdir(), 'postbox-settings-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, '.env'), text);
  const loader = createRequire(import.meta.url).resolve('@ladjs/env');
  const script = `console.log(JSON.stringify(Object.entries(require(${JSON.stringify(loader)})()).map(([k, v]) => [k, String(v)])))`;
  return Object.fromEntries(JSON.parse(execFileSync(process.execPath, ['-e', script], { cwd: folder, env: {} })));
}

const TEXT = `# comment
PLAIN=a b # kept
SPACED =  x y \t
QUOTED="a\\nb"
SINGLE='a\\nb'
AFTER="x" 
LONE="
export NOTHING=1
EQUALS==a=b
AMPERSAND={{& SLASH }}
SLASH=a/b=c
ESCAPED={{SLASH}}
RAW={{{ SLASH }}}
AGAIN={{LATER}}
LATER={{RAW}}
UNKNOWN=[{{NOBODY}}]
TWICE=1
TWICE=2
FLAG=TRUE
NUMBER=007
HUGE=12345678901234567890123456789012
HEX=0x1F
LIST=a,,1,true,b*
ENDS=a,
COMMA=,
STAR=12*
LISTED=a,b*
BACKTICKS=\`a,b\`
EMPTY=
DOLLAR=$PLAIN
`;

test('settings are what the application’s loader makes of them', (t) => {
  const read = Object.entries(fill(parse(TEXT))).map(([key, value]) => [key, arrives(value)]);
  assert.deepEqual(Object.fromEntries(read), loaded(t, TEXT));
});

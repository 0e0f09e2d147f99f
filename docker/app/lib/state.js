// The folder of everything that is to stay, which is its owner's alone.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { settings } from './settings.js';

// A folder in it, or itself; made if it is not there.
export function folder(...names) {
  const path = join(settings.POSTBOX_STATE, ...names);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

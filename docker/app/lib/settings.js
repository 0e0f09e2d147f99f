// Settings as the application's loader reads them: .env.defaults < .env < environment, both files beside the entrypoints
// and optional. Every key of .env.schema must be there; an empty value is fine.
import { readFileSync } from 'node:fs';

import { arrives, fill, parse } from './loader.js';

function read(name) {
  let text;
  try {
    text = readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
  return parse(text);
}

function load() {
  const all = { ...read('.env.defaults'), ...read('.env'), ...process.env };
  const missing = Object.keys(read('.env.schema')).filter((key) => !(key in all));
  if (missing.length) {
    console.error(`MISSING CONFIG VALUES: ${missing.join(', ')}`);
    process.exit(1);
  }
  return Object.fromEntries(Object.entries(fill(all)).map(([key, value]) => [key, arrives(value)]));
}

export const settings = load();
export const production = settings.NODE_ENV === 'production';

export function list(key) {
  return settings[key]
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
}

// "50MB" -> 52428800
export function bytes(key) {
  const [, number, unit] = /^(\d+)\s*([KMG]?)B?$/i.exec(settings[key]) ?? [];
  if (!number) throw new Error(`${key} is not a size: ${settings[key]}`);
  return Number(number) * 1024 ** ['', 'K', 'M', 'G'].indexOf(unit.toUpperCase());
}

// Settings as the application reads them: .env.defaults < .env < environment, both files beside the
// entrypoints and optional. Every key of .env.schema must be there; an empty value is fine.
import { readFileSync } from 'node:fs';

const LINE = /^\s*([\w.-]+)\s*=\s*(.*?)\s*$/;

function read(name) {
  let text;
  try {
    text = readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
  const lines = text
    .split(/\r?\n/)
    .map((line) => LINE.exec(line))
    .filter(Boolean);
  return Object.fromEntries(lines.map(([, key, value]) => [key, unquote(value)]));
}

// As dotenv 8: quotes are stripped, \n counts inside double quotes only, and there are no inline comments.
function unquote(value) {
  if (/^".*"$/s.test(value)) return value.slice(1, -1).replaceAll('\\n', '\n');
  return /^'.*'$/s.test(value) ? value.slice(1, -1) : value;
}

function load() {
  const all = { ...read('.env.defaults'), ...read('.env'), ...process.env };
  const missing = Object.keys(read('.env.schema')).filter((key) => !(key in all));
  if (missing.length) {
    console.error(`MISSING CONFIG VALUES: ${missing.join(', ')}`);
    process.exit(1);
  }
  const fill = (value) => value.replace(/\{\{\{?\s*(\w+)\s*\}?\}\}/g, (_, key) => all[key] ?? '');
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, fill(fill(value))]));
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

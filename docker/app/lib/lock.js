// A lock that ends with its process, kill -9 included: an open write transaction on a small SQLite file.
import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import Database from 'better-sqlite3-multiple-ciphers';

export class Held extends Error {}

// Returns the function that releases. The text beside the lock only says who has it.
export function lock(path) {
  const db = new Database(`${path}.lock`, { timeout: 0 });
  try {
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    db.close();
    if (error.code !== 'SQLITE_BUSY') throw error;
    throw new Held(`${path} is in use by ${holder(path)}`);
  }
  writeFileSync(`${path}.holder`, `process ${process.pid} on ${hostname()}\n`);
  return () => db.close();
}

function holder(path) {
  try {
    return readFileSync(`${path}.holder`, 'utf8').trim();
  } catch {
    return 'another process';
  }
}

// A real name server, with records of the test's own.
import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PATIENCE, within } from './service.js';

const knotd = ['/usr/sbin/knotd', '/usr/local/sbin/knotd'].find(existsSync);

export const noNameServer = !knotd && 'there is no knotd';

// Serves these records on a port of 127.0.0.1, those of a name in any order, and the absence of all others. Returns what ends it.
export async function serveNames(port, records) {
  const folder = mkdtempSync(join(tmpdir(), 'postbox-dns-'));
  const zone = ['. 60 SOA ns.test. root.test. 1 60 60 60 60', '. 60 NS ns.test.', 'ns.test. 60 A 127.0.0.1'];
  writeFileSync(join(folder, 'zone'), `${[...zone, ...records].join('\n')}\n`);
  writeFileSync(
    join(folder, 'knot.conf'),
    `server:\n  rundir: ${folder}\n  listen: 127.0.0.1@${port}\n  answer-rotation: on\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n` +
      `database:\n  storage: ${folder}\nlog:\n- target: stderr\n  any: warning\nzone:\n- domain: .\n  file: ${folder}/zone\n`,
  );
  const child = spawn(knotd, ['--config', join(folder, 'knot.conf')], { stdio: 'ignore' });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const end = async () => {
    kill();
    process.off('exit', kill);
    if (child.exitCode === null && !child.signalCode) await once(child, 'exit');
    rmSync(folder, { recursive: true });
  };
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  try {
    await within(PATIENCE, 'the name server answers', () => resolver.resolveNs('.').catch(() => false));
  } catch (error) {
    await end();
    throw error;
  }
  return end;
}

// A TXT record.
export const text = (name, value) => `${name}. 60 TXT ${value.match(/.{1,200}/g).map((part) => `"${part}"`).join(' ')}`;

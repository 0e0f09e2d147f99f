// Copies what of an application decides on its packages, so that installing them depends on nothing else:
// manifest.mjs SOURCE TARGET ARCHITECTURE
//
// In TARGET: `app`, the files; `pnpm`, the version of pnpm, with its hash if there is one; `build`, the script that
// builds the application, or nothing.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [source, target, architecture] = process.argv.slice(2);
const app = join(target, 'app');
mkdirSync(app, { recursive: true });

const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
const lock = join(source, 'pnpm-lock.yaml');
if (!existsSync(lock)) fail('there is no pnpm-lock.yaml: without it every build would install other packages');
for (const name of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', '.npmrc', '.pnpmfile.cjs', 'patches']) {
  if (existsSync(join(source, name))) cpSync(join(source, name), join(app, name), { recursive: true });
}

// Of pnpm the version that wrote the lock file; the application may name one that does not read it any more.
const named = /^pnpm@([^+]+)(?:\+sha512\.([0-9a-f]+))?$/.exec(manifest.packageManager ?? '');
const format = /^lockfileVersion: '?([\d.]+)'?/m.exec(readFileSync(lock, 'utf8'))?.[1];
const wanted = { '5.3': [6], '5.4': [7], '6.0': [8], '9.0': [9, 10, 11] }[format];
if (!wanted) fail(`pnpm-lock.yaml has the unknown format ${format}`);
const fits = named && wanted.includes(Number(named[1].split('.')[0]));
if (named && !fits) {
  console.error(`warning: packageManager names pnpm ${named[1]}, which does not read pnpm-lock.yaml of format ${format}`);
}
writeFileSync(join(target, 'pnpm'), fits ? `${named[1]} ${named[2] ?? ''}\n` : `${wanted[0]}\n`);

// Its own scripts would want files that are not here.
const scripts = manifest.scripts ?? {};
const build = ['build:production', 'build:prod', 'build'].find((name) => scripts[name]) ?? '';
writeFileSync(join(target, 'build'), build);
delete manifest.scripts;

// Packages with a binary for each platform: the one that the image is for, whatever this one is.
const cpu = { amd64: 'x64', arm64: 'arm64' }[architecture];
if (!cpu) fail(`there is no Node for the architecture ${architecture}`);
manifest.pnpm = { ...manifest.pnpm, supportedArchitectures: { os: ['linux'], cpu: [cpu], libc: ['glibc'] } };
const workspace = join(app, 'pnpm-workspace.yaml');
if (existsSync(workspace)) {
  // Where pnpm finds this file it may look nowhere else.
  const text = readFileSync(workspace, 'utf8');
  const settings = `supportedArchitectures:\n  os: [linux]\n  cpu: [${cpu}]\n  libc: [glibc]\n`;
  if (!/^supportedArchitectures:/m.test(text)) writeFileSync(workspace, `${text.trimEnd()}\n${settings}`);
}
writeFileSync(join(app, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);

function fail(why) {
  console.error(`error: ${why}`);
  process.exit(1);
}

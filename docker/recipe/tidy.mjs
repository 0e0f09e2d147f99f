// Removes from installed packages what running them does not need, and what differs from one installation to the next:
// tidy.mjs FOLDER ARCHITECTURE
//
// pnpm's notes (times, the place of its store); what compiling left beside the result; sources of what is compiled, types
// and source maps, which only compilers, editors and debuggers read; programs and libraries for other platforms, of which
// packages bring one for each. Modes become the same everywhere. Licences stay.
import { chmodSync, closeSync, existsSync, lstatSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const [root, architecture] = process.argv.slice(2);
const machine = { amd64: 62, arm64: 183 }[architecture]; // elf.h: EM_X86_64, EM_AARCH64
const READ_BY_TOOLS = /\.(c|cc|cpp|cxx|h|hh|hpp|gypi?|[cm]?[jt]s\.map|css\.map|d\.[cm]?ts)$/;
const NOTES = ['.modules.yaml', '.pnpm-workspace-state.json', '.pnpm-workspace-state-v1.json', '.cache', '.pnpm/lock.yaml'];

let removed = 0;
let kept = 0;
for (const note of NOTES) rmSync(join(root, note), { recursive: true, force: true });
tidy(root, false);
console.log(`${kept} files, ${removed} removed that this image has no use for`);

/** Tidies a folder; `compiled` is whether node-gyp made it. */
function tidy(folder, compiled) {
  // Folders before what lies beside them: that tells what made them.
  const entries = readdirSync(folder, { withFileTypes: true });
  entries.sort((one, other) => other.isDirectory() - one.isDirectory());
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      tidy(path, compiled || isOfGyp(path));
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true });
    } else if (entry.isFile() && (isForeign(path) || isForTools(path) || (compiled && !isResult(path)))) {
      rmSync(path);
      removed += 1;
    } else if (entry.isFile()) {
      kept += 1;
      chmodSync(path, lstatSync(path).mode & 0o100 ? 0o755 : 0o644);
    }
  }
  chmodSync(folder, 0o755);
}

/** Whether a file is read by tools alone. TypeScript, where it runs, reads its own types. */
function isForTools(path) {
  return READ_BY_TOOLS.test(path) && !path.includes('/typescript/lib/');
}

/** Whether a file is a program or library that the image's platform cannot load: by its first bytes. */
function isForeign(path) {
  const head = Buffer.alloc(20);
  const file = openSync(path, 'r');
  const length = readSync(file, head);
  closeSync(file);
  if (length < 20) return false;
  const magic = head.readUInt32BE(0);
  if (magic === 0x7f454c46) return head.readUInt16LE(18) !== machine || wantsMusl(path);
  const isMachO = magic === 0xcffaedfe || magic === 0xcefaedfe;
  const isWindows = head.toString('latin1', 0, 2) === 'MZ' && /\.(node|dll|exe)$/.test(path);
  return isMachO || isWindows;
}

/** Whether it is for another C library than the image's. Only add-ons come for both. */
function wantsMusl(path) {
  return path.endsWith('.node') && readFileSync(path).includes('libc.musl-');
}

/** Whether node-gyp made this folder. */
function isOfGyp(folder) {
  const isNamedSo = basename(folder) === 'build' && existsSync(join(dirname(folder), 'binding.gyp'));
  return isNamedSo && existsSync(join(folder, 'config.gypi'));
}

/** Whether a file is what it was made for: an add-on, or a library beside one. */
function isResult(path) {
  return basename(dirname(path)) === 'Release' && /\.(node|so[.\d]*)$/.test(path);
}

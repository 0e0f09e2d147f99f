// The rest of the world, in a network of its own (unshare --net --mount): a name server and mail servers, as the plan that
// is its argument says. Prints a line of JSON once it is there, and one for each mail that was taken; goes when its stdin ends.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { serveNames } from './name-server.js';

const { records, servers } = JSON.parse(process.argv[2]);
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const folder = mkdtempSync(join(tmpdir(), 'postbox-outside-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
const path = (name) => join(folder, name);
writeFileSync(path('resolv.conf'), 'nameserver 127.0.0.1\n');
const make = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=nobody.invalid'.split(' ');
execFileSync('openssl', [...make, '-keyout', path('key.pem'), '-out', path('cert.pem')], { stdio: 'ignore' });
// A cable to nowhere: where there is no address but those of the host itself, no mail is sent (nodemailer).
const ip = (words) => execFileSync('ip', words.split(' '));
ip('link set lo up');
ip('link add near type veth peer name far');
for (const end of ['near', 'far']) ip(`link set ${end} up`);
for (const address of Object.keys(servers)) ip(`address add ${address}/24 dev near`);
execFileSync('mount', ['--bind', path('resolv.conf'), '/etc/resolv.conf']);
const end = await serveNames(53, records);
process.stdin.resume().on('end', async () => {
  await end();
  process.exit(0);
});

// Each at an address of its own; `refuses`: with this code whoever a mail is for.
for (const [address, { refuses }] of Object.entries(servers)) {
  const server = new SMTPServer({
    authOptional: true,
    key: readFileSync(path('key.pem')),
    cert: readFileSync(path('cert.pem')),
    onRcptTo: (_, session, done) => done(refuses && Object.assign(new Error('not this one'), { responseCode: refuses })),
    onData: async (stream, session, done) => {
      const raw = (await buffer(stream)).toString('latin1');
      const { mailFrom, rcptTo } = session.envelope;
      tell({ address, secure: session.secure, from: mailFrom.address, to: rcptTo.map((it) => it.address), raw });
      done();
    },
  });
  await new Promise((resolve) => server.listen(25, address, resolve));
}
tell('there');

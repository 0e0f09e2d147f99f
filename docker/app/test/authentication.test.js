// What mx says of a mail's author, with the answers of a real name server.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { noNameServer, serveNames, text } from './name-server.js';
import { freePort, PATIENCE, Service, within } from './service.js';

const skip = noNameServer;

async function nameServer(t, records) {
  const port = await freePort();
  t.after(await serveNames(port, records));
  return `127.0.0.1:${port}`;
}

// A name server that hears every question and answers none. `heard` holds the questions.
async function deaf(t) {
  const socket = createSocket('udp4');
  socket.heard = [];
  socket.on('message', (question) => socket.heard.push(question.toString('latin1')));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket;
}

const key = (() => {
  const privateKey = execFileSync('openssl', ['genrsa', '1024'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  const der = execFileSync('openssl', ['rsa', '-pubout', '-outform', 'DER'], { input: privateKey, stdio: ['pipe', 'pipe', 'ignore'] });
  return { privateKey, record: text('s._domainkey.elsewhere.test', `v=DKIM1; k=rsa; p=${der.toString('base64')}`) };
})();
const signature = { dkim: { domainName: 'elsewhere.test', keySelector: 's', privateKey: key.privateKey } };
const policy = text('_dmarc.elsewhere.test', 'v=DMARC1; p=reject');

async function started(t, dns) {
  const service = await Service.make(t, { POSTBOX_DNS: dns });
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap');
  return { service, joe };
}

// The results that the only mail in the mailbox carries, one each, and the mail.
async function found(service, joe) {
  const client = await service.imap(joe);
  await client.mailboxOpen('INBOX');
  const mails = await client.fetchAll('1:*', { source: true });
  client.close();
  const source = mails.at(-1).source.toString();
  const [, field] = /^Authentication-Results: (.*?)\r\n(?![ \t])/ms.exec(source);
  const [id, ...parts] = field.split(/;\s+/);
  assert.equal(id, 'mx.example.test');
  return { source, parts, short: parts.map((part) => part.split(' ')[0]) };
}

const mail = (joe, rest = {}) => ({ from: 'Eve <eve@elsewhere.test>', to: joe.user, subject: 'x', text: 'the text', ...rest });

test('a signature that is right passes, and with it the policy of the author', { skip }, async (t) => {
  const { service, joe } = await started(t, await nameServer(t, [key.record, policy]));
  await service.mx(signature).sendMail(mail(joe));
  const { parts, short } = await found(service, joe);
  assert.deepEqual(short, ['spf=none', 'dkim=pass', 'dmarc=pass']);
  assert.match(parts[1], /header\.d=elsewhere\.test .*header\.s=s /);
  assert.match(parts[2], /header\.from=elsewhere\.test/);
});

test('a mail that was changed after it was signed fails, and is taken', { skip }, async (t) => {
  const { service, joe } = await started(t, await nameServer(t, [key.record, policy]));
  const transport = service.mx({ ...signature, streamTransport: true, buffer: true, host: undefined });
  const sent = await transport.sendMail(mail(joe));
  const raw = sent.message.toString().replace('the text', 'another text');
  await service.mx().sendMail({ raw, envelope: sent.envelope });
  assert.deepEqual((await found(service, joe)).short, ['spf=none', 'dkim=fail', 'dmarc=fail']);
});

test('a mail without signature fails only where there is a policy', { skip }, async (t) => {
  const { service, joe } = await started(t, await nameServer(t, [policy]));
  await service.mx().sendMail(mail(joe));
  assert.deepEqual((await found(service, joe)).short, ['spf=none', 'dkim=none', 'dmarc=fail']);
  await service.mx().sendMail(mail(joe, { from: 'eve@nowhere.test' }));
  assert.deepEqual((await found(service, joe)).short, ['spf=none', 'dkim=none', 'dmarc=none']);
  const signatures = Array.from({ length: 11 }, () => 'DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.test; s=s; h=from; b=; bh=');
  await service.mx().sendMail({ raw: `${signatures.join('\r\n')}\r\nFrom: eve@elsewhere.test\r\n\r\nx\r\n`, envelope: { from: '', to: joe.user } });
  assert.deepEqual((await found(service, joe)).short, ['spf=none', 'dkim=policy']);
});

test('what pretends to be our own result is removed, however it is written, and the rest stays', async (t) => {
  const { service, joe } = await started(t, '127.0.0.1:1');
  const forged = [
    'Authentication-Results: mx.example.test; dkim=pass header.d=forged.test',
    'authentication-results : (a comment; with a semicolon)\r\n "MX.Example.Test" 1;\r\n\tspf=pass smtp.mailfrom=forged.test',
    'Authentication-Results:\r\n mx\\.example.test; dmarc=pass header.from=forged.test',
    'X-A: b\rAuthentication-Results: mx.example.test; dmarc=pass header.from=forged.test',
  ];
  const kept = ['Authentication-Results: other.example; dkim=pass', 'Subject: kept', 'From: eve@elsewhere.invalid'];
  const body = 'Authentication-Results: mx.example.test; is only quoted here\r\n';
  const raw = [forged[0], kept[0], forged[1], kept[1], forged[2], kept[2], forged[3], '', body].join('\r\n');
  // By hand: nodemailer would tidy up.
  const socket = connect(Number(service.settings.MX_PORT), '127.0.0.1').setEncoding('latin1');
  let answers = '';
  socket.on('data', (data) => (answers += data));
  const words = ['EHLO x', 'MAIL FROM:<eve@elsewhere.invalid>', `RCPT TO:<${joe.user}>`, 'DATA', `${raw}.`, 'QUIT'];
  for (const [index, word] of words.entries()) {
    await within(PATIENCE, 'an answer', () => answers.match(/^\d{3} .*$/gm)?.length > index);
    socket.write(`${word}\r\n`);
  }
  await once(socket, 'close');
  const { source } = await found(service, joe);
  const ours = source.slice(source.indexOf('Authentication-Results: other'));
  assert.equal(ours, `${kept.join('\r\n')}\r\nX-A: b\r\r\n\r\n${body}`);
  assert.equal(source.includes('forged'), false);
});

test('a resolver that does not answer costs one mail its deadline and none its delivery', async (t) => {
  const dns = await deaf(t);
  const { service, joe } = await started(t, `127.0.0.1:${dns.address().port}`);
  await service.mx(signature).sendMail(mail(joe));
  const first = await found(service, joe);
  assert.deepEqual(first.short, ['spf=none', 'dkim=temperror', 'dmarc=temperror']);
  const asked = dns.heard.length;
  assert.ok(asked > 0);
  // The next ones do not ask at all.
  await service.mx(signature).sendMail(mail(joe, { subject: 'second' }));
  const second = await found(service, joe);
  assert.match(second.source, /Subject: second/);
  assert.deepEqual(second.short, ['spf=none', 'dkim=temperror', 'dmarc=temperror']);
  assert.equal(dns.heard.length, asked);
});

test('our own mail passes by our own key, and nobody is asked', async (t) => {
  const dns = await deaf(t);
  const service = await Service.make(t, { POSTBOX_DNS: `127.0.0.1:${dns.address().port}` });
  const joe = await service.user('joe');
  await service.start('sqlite', 'mx', 'imap', 'smtp', 'smtp-bree');
  await service.smtp(joe).sendMail({ from: joe.user, to: joe.user, subject: 'to myself', text: 'x' });
  await within(PATIENCE, 'it is delivered', async () => (await service.subjects(joe)).length === 1);
  const { parts, short } = await found(service, joe);
  assert.deepEqual(short, ['spf=none', 'dkim=pass']);
  assert.match(parts[1], /header\.d=example\.test/);
  await service.mx().sendMail({ from: 'eve@outside.invalid', to: joe.user, subject: 'x', text: 'x' });
  assert.deepEqual((await found(service, joe)).short, ['spf=none', 'dkim=none', 'dmarc=none']);
  assert.deepEqual(dns.heard, []);
});

test('SPF is asked for clients from afar, and DMARC goes by it', { skip }, async (t) => {
  const service = await Service.make(t, {
    POSTBOX_DNS: await nameServer(t, [text('elsewhere.test', 'v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all'), policy]),
  });
  // No client of this machine comes from there: the module is asked itself.
  const script = `const { results } = await import('./lib/authentication.js');
    const mail = Buffer.from('From: eve@elsewhere.test\\r\\n\\r\\nx\\r\\n');
    for (const [remoteAddress, address] of JSON.parse(process.argv[1])) {
      const session = { remoteAddress, hostNameAppearsAs: 'elsewhere.test', envelope: { mailFrom: { address } } };
      console.log((await results(mail, session)).match(/(spf|dkim|dmarc)=(pass|fail|none)/g).join(' '));
    }`;
  const of = (...clients) => {
    const words = ['--input-type=module', '--eval', script, JSON.stringify(clients)];
    const options = { cwd: join(import.meta.dirname, '..'), env: service.settings };
    return execFileSync(process.execPath, words, options).toString().trim().split('\n');
  };
  assert.deepEqual(
    of(
      ['192.0.2.1', 'eve@elsewhere.test'],
      ['2001:db8::1', 'eve@elsewhere.test'],
      ['192.0.2.1', ''],
      ['192.0.2.1', 'eve@nowhere.test'],
      ['192.0.2.9', 'eve@elsewhere.test'],
      ['10.1.2.3', 'eve@elsewhere.test'],
      ['::1', 'eve@elsewhere.test'],
    ),
    [
      'spf=pass dkim=none dmarc=pass',
      'spf=pass dkim=none dmarc=pass',
      'spf=pass dkim=none dmarc=pass',
      'spf=none dkim=none dmarc=fail',
      'spf=fail dkim=none dmarc=fail',
      'spf=none dkim=none dmarc=fail',
      'spf=none dkim=none dmarc=fail',
    ],
  );
});

// Behind a front: whose request it is, for the limits on logins and for the trace of a mail.
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { test } from 'node:test';
import { Service, freePort } from './service.js';

const basic = ({ user, pass }) => ({ authorization: `Basic ${Buffer.from(`${user}:${pass}`).toString('base64')}` });
const form = ({ user, pass }) => new URLSearchParams({ address: user, password: pass });

// How somebody logs in at each role that speaks HTTP.
const LOGINS = {
  web: (auth) => ['POST', '/sign-in', { 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded' }, form(auth)],
  api: (auth) => ['GET', '/v1/account', basic(auth)],
  caldav: (auth) => ['PROPFIND', '/dav/', { depth: '0', ...basic(auth) }],
  carddav: (auth) => ['PROPFIND', '/dav/', { depth: '0', ...basic(auth) }],
};

async function made(t, role, trust) {
  const port = await freePort();
  const service = await Service.make(t, { [`${role.toUpperCase()}_PORT`]: port, TRUST_PROXY: trust });
  const joe = await service.user('joe');
  await service.start('sqlite', role);
  const status = (auth, forwarded) => {
    const [method, path, headers, body] = LOGINS[role](auth);
    if (forwarded) headers['x-forwarded-for'] = forwarded;
    return ask(port, { method, path, headers }, body);
  };
  return { service, joe, status };
}

async function ask(port, options, body) {
  const answer = await new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, rejectUnauthorized: false, agent: false, ...options }, resolve);
    asked.on('error', reject).end(body?.toString());
  });
  answer.resume();
  return answer.statusCode;
}

for (const role of Object.keys(LOGINS)) {
  test(`${role} limits logins by the address that the front has added, whatever stands before it`, async (t) => {
    const { joe, status } = await made(t, role, 'true');
    for (let at = 0; at < 10; at += 1) {
      const forged = ['', `198.51.100.${at}, `, 'unknown,'][at % 3];
      assert.equal(await status({ user: joe.user, pass: `wrong ${at}` }, `${forged}192.0.2.1`), 401);
    }
    assert.equal(await status(joe, '198.51.100.1, 192.0.2.1'), 429);
    assert.ok((await status(joe, '2001:db8::1')) < 400);
    // What is no address is nobody's: then it is the front's own.
    assert.ok((await status(joe, '192.0.2.1, anybody')) < 400);
  });

  test(`${role} without a front believes nobody`, async (t) => {
    const { joe, status } = await made(t, role, 'false');
    for (let at = 0; at < 10; at += 1) {
      assert.equal(await status({ user: joe.user, pass: `wrong ${at}` }, `192.0.2.${at}`), 401);
    }
    assert.equal(await status(joe, '192.0.2.99'), 429);
  });
}

test('a mail that is sent over HTTP says from where', async (t) => {
  const { service, joe } = await made(t, 'api', 'true');
  await service.start('mx', 'imap', 'smtp-bree');
  const mail = JSON.stringify({ to: [joe.user], subject: 'traced', text: 'x' });
  const headers = { ...basic(joe), 'content-type': 'application/json', 'x-forwarded-for': '2001:db8::7' };
  assert.equal(await ask(service.settings.API_PORT, { method: 'POST', path: '/v1/messages', headers }, mail), 202);
  assert.match(await service.source(joe), /Received: from \[2001:db8::7\] \(\[2001:db8::7\]\)/);
});

// What a device may ask of caldav and carddav, and what it must not be able to do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDAVClient } from 'tsdav';
import {
  AT_TEN,
  CALENDAR,
  CONTACTS,
  PROP,
  between,
  card,
  client,
  event,
  found,
  query,
  report,
  sync,
} from './dav-device.js';
import { PATIENCE, freePort, within } from './service.js';

test('an object is made, read, changed and removed under the conditions of its client', async (t) => {
  const { ask } = await client(t);
  const path = `${CALENDAR}one.ics`;
  const made = await ask('PUT', path, event('one', AT_TEN), { 'if-none-match': '*' });
  assert.equal(made.status, 201);
  const etag = made.headers.get('etag');
  assert.equal((await ask('PUT', path, event('one', AT_TEN), { 'if-none-match': '*' })).status, 412);
  assert.equal((await ask('PUT', path, event('one', AT_TEN), { 'if-match': '"other"' })).status, 412);
  assert.equal((await ask('PUT', path, event('one', AT_TEN, 'SUMMARY:new'), { 'if-match': etag })).status, 204);
  const read = await ask('GET', path);
  assert.deepEqual([read.status, read.text], [200, event('one', AT_TEN, 'SUMMARY:new')]);
  assert.notEqual(read.headers.get('etag'), etag);
  const head = await ask('HEAD', path);
  assert.deepEqual([head.status, head.headers.get('etag')], [200, read.headers.get('etag')]);
  assert.equal((await ask('DELETE', path, undefined, { 'if-match': etag })).status, 412);
  assert.equal((await ask('DELETE', path)).status, 204);
  assert.equal((await ask('GET', path)).status, 404);
  assert.equal((await ask('DELETE', path)).status, 404);
});

test('one UID is in a calendar once, and stays with its object', async (t) => {
  const { ask } = await client(t);
  await ask('PUT', `${CALENDAR}one.ics`, event('one', AT_TEN));
  for (const [name, uid] of [
    ['two.ics', 'one'],
    ['one.ics', 'two'],
  ]) {
    const { status, text } = await ask('PUT', CALENDAR + name, event(uid, AT_TEN));
    assert.equal(status, 403);
    assert.match(text, /<C:no-uid-conflict><D:href>\/dav\/joe%40example.test\/calendar\/one.ics<\/D:href>/);
  }
});

test('nothing is answered without a login, and nothing of others with one', async (t) => {
  const { ask, service } = await client(t);
  await service.user('ann');
  for (const method of ['OPTIONS', 'PROPFIND', 'REPORT', 'GET', 'PUT', 'DELETE', 'MKCALENDAR', 'PATCH']) {
    const { status, headers } = await ask(method, '/dav/', undefined, {}, '');
    assert.deepEqual(
      [status, headers.get('www-authenticate')],
      [401, 'Basic realm="postbox caldav", charset="UTF-8"'],
      method,
    );
  }
  assert.equal((await ask('GET', '/', undefined, {}, '')).status, 200);
  assert.equal((await ask('PROPFIND', '/dav/ann%40example.test/', undefined, { depth: '1' })).status, 403);
  assert.equal((await ask('PUT', '/dav/ann@example.test/calendar/x.ics', event('x', AT_TEN))).status, 403);
});

test('guessing a password is slowed down, and the store being away is a matter of time', async (t) => {
  const { ask, service, joe } = await client(t);
  await service.stop('sqlite', 'SIGKILL');
  const away = await ask('PROPFIND', CALENDAR, undefined, { depth: '0' });
  assert.deepEqual([away.status, Number(away.headers.get('retry-after')) > 0], [503, true]);
  await service.start('sqlite');
  assert.equal((await ask('PROPFIND', CALENDAR, undefined, { depth: '0' })).status, 207);
  const refused = await within(PATIENCE, 'guessing ends', async () => {
    const answer = await ask('PROPFIND', '/dav/', undefined, {}, `${joe.user}:guess`);
    return answer.status !== 401 && answer;
  });
  assert.deepEqual([refused.status, Number(refused.headers.get('retry-after')) > 0], [429, true]);
});

test('a device is told what has changed since it asked, in pieces if it likes', async (t) => {
  const { ask } = await client(t);
  for (const name of ['a', 'b', 'c']) await ask('PUT', CALENDAR + name, event(name, AT_TEN));
  const all = await ask('REPORT', CALENDAR, sync(''));
  assert.deepEqual(
    all.hrefs,
    ['a', 'b', 'c'].map((name) => CALENDAR + name),
  );
  const [token] = found(all.text, 'sync-token');
  await ask('PUT', `${CALENDAR}b`, event('b', AT_TEN, 'SUMMARY:new'));
  await ask('DELETE', `${CALENDAR}a`);
  const changed = await ask('REPORT', CALENDAR, sync(token));
  assert.deepEqual(changed.hrefs, [`${CALENDAR}b`, `${CALENDAR}a`]);
  assert.match(changed.text, /calendar\/a<\/D:href><D:status>HTTP\/1.1 404 /);
  assert.deepEqual((await ask('REPORT', CALENDAR, sync(found(changed.text, 'sync-token')[0]))).hrefs, []);
  const piece = await ask('REPORT', CALENDAR, sync(token, '<D:limit><D:nresults>1</D:nresults></D:limit>'));
  assert.deepEqual(piece.hrefs, [`${CALENDAR}b`, CALENDAR]);
  assert.match(piece.text, /507 Insufficient Storage/);
  assert.deepEqual((await ask('REPORT', CALENDAR, sync(found(piece.text, 'sync-token')[0]))).hrefs, [`${CALENDAR}a`]);
  // A calendar that is made anew under the old name is another one.
  await ask('DELETE', CALENDAR);
  for (const stale of [token, 'data:,1-999', 'nonsense']) {
    const { status, text } = await ask('REPORT', CALENDAR, sync(stale));
    assert.deepEqual([status, text.includes('<D:valid-sync-token/>')], [403, true], stale);
  }
});

test('calendars are made with the properties that their client gives, which are kept as they were written', async (t) => {
  const { ask } = await client(t);
  const set = '<D:set><D:prop><D:displayname>A &lt; B</D:displayname><x:odd xmlns:x="urn:x" at="1"><x:in/></x:odd>';
  const only =
    '<supported-calendar-component-set><comp name="VTODO"/></supported-calendar-component-set></D:prop></D:set>';
  const path = '/dav/joe%40example.test/tasks/';
  assert.equal((await ask('MKCALENDAR', path, report('mkcalendar', set + only))).status, 201);
  assert.equal((await ask('MKCALENDAR', path)).status, 405);
  const { text } = await ask('PROPFIND', path, undefined, { depth: '0' });
  assert.match(text, />A &lt; B<\/D:displayname>/);
  assert.match(text, /<x:odd( xmlns:x="urn:x"| at="1"){2}><x:in\/><\/x:odd>/);
  const refused = await ask('PUT', `${path}event.ics`, event('event', AT_TEN));
  assert.deepEqual([refused.status, refused.text.includes('C:supported-calendar-component')], [403, true]);

  const patch = (content) => report('D:propertyupdate', `<D:set><D:prop>${content}</D:prop></D:set>`);
  const both = await ask('PROPPATCH', path, patch('<D:displayname>new</D:displayname><D:getetag>x</D:getetag>'));
  assert.match(
    both.text,
    /<D:getetag\/><\/D:prop><D:status>HTTP\/1.1 403 .*<D:displayname\/><\/D:prop><D:status>HTTP\/1.1 424 /,
  );
  assert.match((await ask('PROPFIND', path, undefined, { depth: '0' })).text, />A &lt; B<\/D:displayname>/);
  assert.equal((await ask('PROPPATCH', path, patch('<D:displayname>new</D:displayname>'))).status, 207);
  assert.match((await ask('PROPFIND', path, undefined, { depth: '0' })).text, />new<\/D:displayname>/);
  const odd = await ask('PROPPATCH', path, patch('<D:displayname>&#7;</D:displayname>'));
  assert.equal(odd.status, 400);
  const plain = await ask('MKCOL', '/dav/joe%40example.test/plain/');
  assert.deepEqual([plain.status, plain.text.includes('D:valid-resourcetype')], [403, true]);
});

test('contacts are found by what is in them', async (t) => {
  const { ask } = await client(t, 'carddav');
  await ask('PUT', `${CONTACTS}ann`, card('ann', 'FN:Ann Äpfel', 'EMAIL;TYPE=work:ann@example.test'));
  await ask('PUT', `${CONTACTS}bob`, card('bob', 'FN:Bob', 'item1.TEL;TYPE=cell:+1', 'NOTE:apple'));
  const filtered = async (filter) =>
    (await ask('REPORT', CONTACTS, report('A:addressbook-query', `${PROP}<A:filter ${filter}</A:filter>`))).hrefs;
  const [ann, bob] = [`${CONTACTS}ann`, `${CONTACTS}bob`];
  const match = (name, text, options = '') =>
    `<A:prop-filter name="${name}"><A:text-match ${options}>${text}</A:text-match></A:prop-filter>`;
  assert.deepEqual(await filtered(`>${match('FN', 'äPFEL')}`), [ann]);
  assert.deepEqual(await filtered(`>${match('FN', 'bo', 'match-type="starts-with"')}`), [bob]);
  assert.deepEqual(await filtered(`>${match('FN', 'bob', 'match-type="equals" negate-condition="yes"')}`), [ann]);
  assert.deepEqual(await filtered(`>${match('FN', 'x')}${match('NOTE', 'apple')}`), [bob]);
  assert.deepEqual(await filtered(`test="allof">${match('FN', 'x')}${match('NOTE', 'apple')}`), []);
  assert.deepEqual(await filtered('><A:prop-filter name="EMAIL"><A:is-not-defined/></A:prop-filter>'), [bob]);
  const cell = '<A:param-filter name="TYPE"><A:text-match>CELL</A:text-match></A:param-filter>';
  assert.deepEqual(await filtered(`><A:prop-filter name="TEL">${cell}</A:prop-filter>`), [bob]);
  assert.deepEqual(await filtered('>'), [ann, bob]);
  const several = `${PROP}<D:href>${bob}</D:href><D:href>https://elsewhere.test/x</D:href><D:href>%</D:href>`;
  const { text, hrefs } = await ask('REPORT', CONTACTS, report('A:addressbook-multiget', several));
  assert.deepEqual([hrefs.length, text.match(/404 Not Found/g).length], [3, 2]);
  assert.equal((await ask('PUT', `${CONTACTS}old`, card('old').replace('3.0', '2.1'))).status, 403);
});

test('whatever is malformed is refused, and the role goes on', async (t) => {
  const { ask, service } = await client(t);
  const objects = [
    '',
    'hello',
    'BEGIN:VCALENDAR',
    'BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n',
    Buffer.from([0xff, 0xfe, 0x00]),
    event('bad').repeat(2),
    event('bad', 'SUMMARY:a\x07b'),
    event('bad', 'DTSTART:garbage'),
    event('bad', 'RRULE:FREQ=DAILY'),
    event('bad', AT_TEN, 'RRULE:FREQ=SOMETIMES'),
    event('bad', AT_TEN).replace('UID:bad\r\n', ''),
    event('bad', AT_TEN).replace('VERSION', 'METHOD:REQUEST\r\nVERSION'),
    event('bad', AT_TEN).replaceAll('VEVENT', 'VFREEBUSY'),
    card('bad'),
  ];
  for (const object of objects) {
    const { status, text } = await ask('PUT', `${CALENDAR}bad.ics`, object);
    assert.deepEqual([status, /^<\?xml.*<D:error.*<C:/s.test(text)], [403, true], String(object));
  }
  const bodies = [
    ['PROPFIND', '<a', 400],
    ['PROPFIND', '<a xmlns="DAV:"/>', 400],
    ['PROPFIND', '<D:propfind/>', 400],
    ['PROPFIND', '<!DOCTYPE x [<!ENTITY y "z">]><propfind xmlns="DAV:"><allprop/></propfind>', 400],
    ['PROPFIND', `${'<a>'.repeat(20_000)}${'</a>'.repeat(20_000)}`, 400],
    ['PROPFIND', '<a>'.repeat(400_000), 413],
    ['PROPPATCH', '', 400],
    ['REPORT', '', 400],
    ['REPORT', '<x/>', 403],
    ['REPORT', report('calendar-query', PROP), 400],
    ['REPORT', query('<comp-filter/>'), 403],
    ['REPORT', between('yesterday', 'tomorrow'), 403],
    ['REPORT', between('20260303T000000Z', '20260302T000000Z'), 403],
    ['REPORT', between('20260302T000000Z', '20260303T000000Z', 'VFREEBUSY'), 403],
    ['REPORT', query('<prop-filter name="UID"><text-match collation="i;none">x</text-match></prop-filter>'), 403],
    ['REPORT', report('free-busy-query', ''), 400],
    ['REPORT', sync('', '<D:limit><D:nresults>many</D:nresults></D:limit>'), 400],
  ];
  for (const [method, body, expected] of bodies) {
    assert.equal(
      (await ask(method, CALENDAR, body, { depth: '0' })).status,
      expected,
      `${method} ${body.slice(0, 200)}`,
    );
  }
  assert.equal((await ask('PROPFIND', CALENDAR, undefined, { depth: 'infinity' })).status, 403);
  assert.equal((await ask('PUT', `${CALENDAR}big.ics`, 'x'.repeat(5_000_000))).status, 413);
  assert.equal((await ask('PUT', '/dav/joe%40example.test/nowhere/x.ics', event('x', AT_TEN))).status, 409);
  const unknown = await ask('PATCH', CALENDAR);
  assert.deepEqual([unknown.status, unknown.headers.get('allow')?.includes('PROPFIND')], [405, true]);
  for (const path of ['/dav/%', '/dav/joe%40example.test/a/b/c/d', '/elsewhere']) {
    assert.ok([400, 404].includes((await ask('GET', path)).status), path);
  }
  assert.equal((await ask('PROPFIND', CALENDAR, undefined, { depth: '1' })).hrefs.length, 1);
  assert.doesNotMatch(service.process('caldav').log, /"error"/);
});

test('tsdav finds calendars and address books, and what is in them', async (t) => {
  const { service, joe, url } = await client(t);
  const iCalString = event('one', AT_TEN);
  const dav = await connect(url, joe, 'caldav');
  const [calendar] = await dav.fetchCalendars();
  assert.deepEqual([calendar.displayName, new URL(calendar.url).pathname], ['Calendar', CALENDAR]);
  const made = await dav.createCalendarObject({ calendar, filename: 'one.ics', iCalString });
  assert.equal(made.status, 201);
  const timeRange = { start: '2026-03-02T00:00:00Z', end: '2026-03-03T00:00:00Z' };
  const [object, ...more] = await dav.fetchCalendarObjects({ calendar, timeRange });
  // It trims what it has read.
  assert.deepEqual([object.data, object.etag, more], [iCalString.trim(), made.headers.get('etag'), []]);
  assert.equal((await dav.deleteCalendarObject({ calendarObject: object })).status, 204);

  service.settings.CARDDAV_PORT = await freePort();
  service.settings.CARDDAV_PROTOCOL = 'http';
  await service.start('carddav');
  const contacts = await connect(`http://127.0.0.1:${service.settings.CARDDAV_PORT}`, joe, 'carddav');
  const [addressBook] = await contacts.fetchAddressBooks();
  const vCardString = card('ann', 'FN:Ann');
  assert.equal((await contacts.createVCard({ addressBook, filename: 'ann.vcf', vCardString })).status, 201);
  const cards = await contacts.fetchVCards({ addressBook });
  assert.deepEqual(
    cards.map(({ data }) => data),
    [vCardString.trim()],
  );
});

function connect(serverUrl, { user: username, pass: password }, defaultAccountType) {
  const credentials = { username, password };
  return createDAVClient({ serverUrl, credentials, authMethod: 'Basic', defaultAccountType });
}

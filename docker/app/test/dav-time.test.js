// When events happen: what a device finds in a range of time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AT_TEN, CALENDAR, between, client, event, query, report } from './dav-device.js';

test('events are found by the times at which they happen', async (t) => {
  const { ask } = await client(t);
  const zone = [
    'BEGIN:VTIMEZONE',
    'TZID:Here',
    'BEGIN:STANDARD',
    'DTSTART:19700101T000000',
    'TZOFFSETFROM:+0500',
    'TZOFFSETTO:+0500',
    'END:STANDARD',
    'END:VTIMEZONE',
  ].join('\r\n');
  const objects = {
    once: event('once', AT_TEN, 'DTEND:20260302T110000Z'),
    day: event('day', 'DTSTART;VALUE=DATE:20260310'),
    zoned: event('zoned', 'DTSTART;TZID=Here:20260305T100000', 'DURATION:PT1H').replace(
      'BEGIN:VEVENT',
      `${zone}\r\nBEGIN:VEVENT`,
    ),
    weekly: event(
      'weekly',
      'DTSTART:20200106T080000Z',
      'DURATION:PT1H',
      'RRULE:FREQ=WEEKLY',
      'EXDATE:20260316T080000Z',
    ),
    moved: event('moved', 'DTSTART:20260101T200000Z', 'RRULE:FREQ=DAILY;COUNT=2').replace(
      'END:VCALENDAR',
      'BEGIN:VEVENT\r\nUID:moved\r\nRECURRENCE-ID:20260102T200000Z\r\nDTSTART:20260320T200000Z\r\nEND:VEVENT\r\nEND:VCALENDAR',
    ),
  };
  for (const [name, text] of Object.entries(objects)) {
    assert.equal((await ask('PUT', CALENDAR + name, text)).status, 201, name);
  }
  for (const [start, end, expected] of [
    ['20260302T100000Z', '20260302T103000Z', ['once']],
    ['20260302T110000Z', '20260302T120000Z', []],
    ['20260310T230000Z', '20260310T233000Z', ['day']],
    ['20260305T050000Z', '20260305T060000Z', ['zoned']],
    ['20260305T100000Z', '20260305T110000Z', []],
    ['20260309T080000Z', '20260309T080001Z', ['weekly']],
    ['20260316T080000Z', '20260316T080001Z', []],
    ['20260102T000000Z', '20260103T000000Z', []],
    ['20260320T000000Z', '20260321T000000Z', ['moved']],
  ]) {
    const { hrefs } = await ask('REPORT', CALENDAR, between(start, end), { depth: '1' });
    assert.deepEqual(
      hrefs,
      expected.map((name) => CALENDAR + name),
      `${start} ${end}`,
    );
  }
  const busy = await ask(
    'REPORT',
    CALENDAR,
    report('free-busy-query', '<time-range start="20260302T000000Z" end="20260303T000000Z"/>'),
  );
  assert.deepEqual(busy.text.match(/FREEBUSY:.*/g).sort(), [
    'FREEBUSY:20260302T080000Z/20260302T090000Z',
    'FREEBUSY:20260302T100000Z/20260302T110000Z',
  ]);
});

test('each time of a recurring event is told apart when a client asks for it, but not without end', async (t) => {
  const { ask } = await client(t);
  await ask('PUT', `${CALENDAR}daily`, event('daily', 'DTSTART:20260101T080000Z', 'DURATION:PT1H', 'RRULE:FREQ=DAILY'));
  const expand = (from, to) => {
    const [start, end] = [`${from}T000000Z`, `${to}T000000Z`];
    const data = `<D:prop><calendar-data><expand start="${start}" end="${end}"/></calendar-data></D:prop>`;
    const time = `<comp-filter name="VEVENT"><time-range start="${start}" end="${end}"/></comp-filter>`;
    const filter = `<filter><comp-filter name="VCALENDAR">${time}</comp-filter></filter>`;
    return ask('REPORT', CALENDAR, report('calendar-query', data + filter));
  };
  const { text } = await expand('20260303', '20260305');
  assert.deepEqual(text.match(/RECURRENCE-ID:\w+/g), [
    'RECURRENCE-ID:20260303T080000Z',
    'RECURRENCE-ID:20260304T080000Z',
  ]);
  assert.doesNotMatch(text, /RRULE/);
  const endless = await expand('20260101', '90000101');
  assert.deepEqual([endless.status, endless.text.includes('D:number-of-matches-within-limits')], [403, true]);
});

test('events are found by the times at which their alarms go off', async (t) => {
  const { ask } = await client(t);
  const alarm = (trigger) => ['BEGIN:VALARM', 'ACTION:DISPLAY', 'DESCRIPTION:x', trigger, 'END:VALARM'];
  for (const [name, ...lines] of [
    ['before', AT_TEN, 'RRULE:FREQ=DAILY;COUNT=2', ...alarm('TRIGGER:-P1D')],
    ['end', AT_TEN, 'DURATION:PT1H', ...alarm('TRIGGER;RELATED=END:PT0S')],
    ['fixed', AT_TEN, ...alarm('TRIGGER;VALUE=DATE-TIME:20260401T000000Z')],
    ['broken', AT_TEN, ...alarm('TRIGGER:soon')],
    ['silent', AT_TEN],
  ]) {
    assert.equal((await ask('PUT', CALENDAR + name, event(name, ...lines))).status, 201, name);
  }
  const ringing = async (start, end) => {
    const time = `<time-range start="${start}" end="${end}"/>`;
    const alarms = `<comp-filter name="VEVENT"><comp-filter name="VALARM">${time}</comp-filter></comp-filter>`;
    return (await ask('REPORT', CALENDAR, query(alarms))).hrefs.map((path) => path.replace(CALENDAR, ''));
  };
  assert.deepEqual(await ringing('20260301T100000Z', '20260301T100001Z'), ['before']);
  assert.deepEqual(await ringing('20260302T100000Z', '20260302T110000Z'), ['before']);
  assert.deepEqual(await ringing('20260302T110000Z', '20260302T110001Z'), ['end']);
  assert.deepEqual(await ringing('20260303T000000Z', '20260331T000000Z'), []);
  assert.deepEqual(await ringing('20260401T000000Z', '20260401T000001Z'), ['fixed']);
});

test('a rule that never fits is refused at once, and others do not wait for it', async (t) => {
  const { ask } = await client(t);
  const never = event('never', AT_TEN, 'RRULE:FREQ=SECONDLY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=30');
  const { status, text } = await ask('PUT', `${CALENDAR}never.ics`, never);
  assert.deepEqual([status, text.includes('C:valid-calendar-data')], [403, true]);
  assert.equal((await ask('GET', '/')).status, 200);
});

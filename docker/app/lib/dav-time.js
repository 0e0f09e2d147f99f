// When something in a calendar happens: occurrences of events, tasks and journals in a time range (RFC 4791 9.9).
// Times without a zone, and days, are taken as UTC.
import ICAL from 'ical.js';
import { Refused } from './dav-xml.js';

const DAY = 86_400_000; // ms
const TRIES = 100_000; // hours between two 29ths of February, with room; only a rule that never fits needs more
const MOST = 100_000; // occurrences looked at: a daily event of three centuries
const MOST_TOLD = 10_000; // occurrences in an answer

// ical.js would look for the 30th of February for ever, and everybody else would wait.
const { check_contracting_rules: fits } = ICAL.RecurIterator.prototype;
ICAL.RecurIterator.prototype.check_contracting_rules = function () {
  const fit = fits.call(this);
  this.tries = fit ? 0 : (this.tries ?? 0) + 1;
  if (this.tries > TRIES) throw new Error('the rule never fits');
  return fit;
};

// What has to be a time or a rule, so that it can be asked for later.
export const TIMES = [
  ...['dtstart', 'dtend', 'due', 'duration', 'recurrence-id', 'rrule', 'rdate', 'exdate'],
  ...['created', 'completed', 'dtstamp', 'last-modified'],
];

export const ms = (time) => time.toUnixTime() * 1000;
const utc = (time) => (time.isDate ? time : time.convertToZone(ICAL.Timezone.utcTimezone));
const recurs = (component) => component.hasProperty('rrule') || component.hasProperty('rdate');

// What a calendar is about, its time zones aside.
export const items = (calendar) => calendar.getAllSubcomponents().filter(({ name }) => name !== 'vtimezone');

// [from, to] of a time-range element in ms, infinite where it is open.
export function range(element, condition) {
  const [from, to] = ['start', 'end'].map((name) => {
    const text = element.getAttribute(name);
    if (!text) return NaN;
    const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
    if (!parts) throw new Refused(403, condition);
    const [year, month, ...rest] = parts.slice(1).map(Number);
    return Date.UTC(year, month - 1, ...rest);
  });
  if (Number.isNaN(from) ? Number.isNaN(to) : from >= to) throw new Refused(403, condition);
  return [Number.isNaN(from) ? -Infinity : from, Number.isNaN(to) ? Infinity : to];
}

// ms from the start to the end of each occurrence.
function length(component) {
  const value = (name) => component.getFirstPropertyValue(name);
  const start = value('dtstart');
  const end = value('dtend') ?? value('due');
  if (end) return Math.max(0, ms(end) - ms(start));
  if (component.name !== 'vjournal' && value('duration')) return value('duration').toSeconds() * 1000;
  return start.isDate && component.name !== 'vtodo' ? DAY : 0;
}

// Starts of a dated component, without those that another component of the calendar tells of (RECURRENCE-ID).
function* starts(component) {
  const first = component.getFirstPropertyValue('dtstart');
  if (!recurs(component)) return yield first;
  const others = items(component.parent).map((other) => other.getFirstPropertyValue('recurrence-id'));
  const elsewhere = new Set(others.filter(Boolean).map(ms));
  const expansion = new ICAL.RecurExpansion({ component, dtstart: first });
  for (let count = 0, time; count < MOST && (time = next(expansion)); count += 1) {
    if (!elsewhere.has(ms(time))) yield time;
  }
}

function next(expansion) {
  try {
    return expansion.next();
  } catch {
    return undefined; // nothing fits any more
  }
}

// [ICAL.Time, start, end] of each that overlaps the range.
export function* occurrences(component, [from, to]) {
  const duration = length(component);
  for (const time of starts(component)) {
    const start = ms(time);
    const end = start + duration;
    if (start >= to) return;
    if (duration ? from < end : from <= start) yield [time, start, end];
  }
}

// Those of several components, if they are not too many to be told.
function* told(components, span) {
  let count = 0;
  for (const component of components) {
    for (const [time, start, end] of occurrences(component, span)) {
      if ((count += 1) > MOST_TOLD) throw new Refused(403, 'D:number-of-matches-within-limits');
      yield { component, time, start, end };
    }
  }
}

export function overlaps(component, [from, to]) {
  const time = (name) => component.hasProperty(name) && ms(component.getFirstPropertyValue(name));
  if (component.hasProperty('dtstart')) return !occurrences(component, [from, to]).next().done;
  if (component.name !== 'vtodo') return false;
  const [due, created, completed] = ['due', 'created', 'completed'].map(time);
  if (due !== false) return from < due && to >= due;
  if (completed === false) return created === false || to > created;
  if (created === false) return from <= completed && to >= completed;
  return from <= Math.max(created, completed) && to >= Math.min(created, completed);
}

// Whether an alarm goes off in the range, its repetitions aside. One whose trigger nobody can read never does.
export function rings(alarm, [from, to]) {
  try {
    const trigger = alarm.getFirstProperty('trigger');
    const value = trigger.getFirstValue();
    const within = (time) => from <= time && time < to;
    if (value.toUnixTime) return within(ms(value));
    const shift = value.toSeconds() * 1000;
    const moment = trigger.getParameter('related') === 'END' ? 2 : 1; // of what `occurrences` gives
    const around = [from - shift - 1, to - shift + 1];
    return occurrences(alarm.parent, around).some((occurrence) => within(occurrence[moment] + shift));
  } catch {
    return false;
  }
}

// [first, last] in ms between which all of a calendar happens, a day wider for the zones of those without one; null
// where there is no bound. Throws if a time, or a rule, is none.
export function bounds(calendar) {
  let [first, last] = [Infinity, -Infinity];
  for (const component of items(calendar)) {
    for (const name of TIMES) {
      for (const property of component.getAllProperties(name)) property.getValues();
    }
    const start = component.getFirstPropertyValue('dtstart');
    if (!start && recurs(component)) throw new Error('a rule needs a start');
    if (recurs(component)) new ICAL.RecurExpansion({ component, dtstart: start }).next();
    const dated = start && component.name !== 'vtodo';
    first = Math.min(first, dated ? ms(start) - DAY : -Infinity);
    last = Math.max(last, dated && !recurs(component) ? ms(start) + length(component) + DAY : Infinity);
  }
  return [first, last].map((bound) => (Number.isFinite(bound) ? bound : null));
}

// The calendar with each occurrence in the range in full and in UTC, and without rules (RFC 4791 9.6.5).
export function expanded(calendar, span) {
  const result = new ICAL.Component(['vcalendar', structuredClone(calendar.jCal[1]), []]);
  const dated = items(calendar).filter((item) => item.hasProperty('dtstart'));
  for (const { component, time, start, end } of told(dated, span)) {
    const one = new ICAL.Component(structuredClone(component.jCal));
    const set = (name, value) => {
      one.removeAllProperties(name);
      if (value) one.addPropertyWithValue(name, utc(value));
    };
    const id = recurs(component) ? time : component.getFirstPropertyValue('recurrence-id');
    for (const name of ['rrule', 'rdate', 'exdate', 'exrule', 'duration']) set(name);
    set('dtstart', time);
    set('recurrence-id', id);
    if (end > start) set(component.name === 'vtodo' ? 'due' : 'dtend', later(time, end - start));
    result.addSubcomponent(one);
  }
  return result.toString();
}

function later(time, duration) {
  const result = time.clone();
  result.addDuration(ICAL.Duration.fromSeconds(duration / 1000));
  return result;
}

const stamp = (time) => new Date(time).toISOString().replaceAll(/[-:]|\.\d+/g, '');

// When these calendars have no time (RFC 4791 7.10).
export function busy(calendars, [from, to]) {
  const lines = [];
  const is = (component, name, value) => component.getFirstPropertyValue(name) === value;
  const events = calendars
    .flatMap(items)
    .filter((item) => item.name === 'vevent' && !is(item, 'status', 'CANCELLED') && !is(item, 'transp', 'TRANSPARENT'));
  for (const { component, start, end } of told(events, [from, to])) {
    const type = is(component, 'status', 'TENTATIVE') ? ';FBTYPE=BUSY-TENTATIVE' : '';
    if (end > start) lines.push(`FREEBUSY${type}:${stamp(Math.max(start, from))}/${stamp(Math.min(end, to))}`);
  }
  const head = ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//postbox//EN', 'BEGIN:VFREEBUSY'];
  const about = [`UID:${stamp(from)}-${stamp(to)}`, `DTSTAMP:${stamp(Date.now())}`];
  const span = [`DTSTART:${stamp(from)}`, `DTEND:${stamp(to)}`];
  return [...head, ...about, ...span, ...lines, 'END:VFREEBUSY', 'END:VCALENDAR', ''].join('\r\n');
}

// Filters of queries: CALDAV:filter (RFC 4791 9.7) and CARDDAV:filter (RFC 6352 10.5), over what ical.js has parsed.
import { TIMES, ms, overlaps, range, rings } from './dav-time.js';
import { Refused, child, children, nameOf } from './dav-xml.js';

// RFC 4790 9: what is compared in place of a text.
const COLLATIONS = {
  'i;octet': (value) => value,
  'i;ascii-casemap': (value) => value.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  'i;unicode-casemap': (value) => value.normalize('NFKC').toLowerCase(),
};
const COMPARISONS = {
  equals: (value, wanted) => value === wanted,
  contains: (value, wanted) => value.includes(wanted),
  'starts-with': (value, wanted) => value.startsWith(wanted),
  'ends-with': (value, wanted) => value.endsWith(wanted),
};
const TIMED = { vevent: overlaps, vtodo: overlaps, vjournal: overlaps, valarm: rings };

export const collations = Object.keys(COLLATIONS);

// A function that says whether a calendar matches; throws where the filter is none.
export function calendarFilter(filter) {
  const inner = children(filter);
  if (inner.length !== 1 || nameOf(inner[0]) !== 'C:comp-filter') throw new Refused(403, 'C:valid-filter');
  const matches = component(inner[0]);
  return (calendar) => matches([calendar]);
}

export function contactFilter(filter) {
  const tests = children(filter, 'A:prop-filter').map((each) => property('A', each, 'anyof'));
  return (card) => !tests.length || combined(filter, 'anyof', tests, card);
}

// The time range that everything found must touch, so that the rest need not be read.
export function widest(filter) {
  const inner = children(child(filter, 'C:comp-filter'), 'C:comp-filter');
  const time = inner.length === 1 && !child(inner[0], 'C:is-not-defined') && child(inner[0], 'C:time-range');
  return time ? range(time, 'C:valid-filter') : [-Infinity, Infinity];
}

function component(filter) {
  const name = named('C', filter);
  if (child(filter, 'C:is-not-defined')) return (found) => !found.some((each) => each.name === name);
  const tests = children(filter).map((inner) => {
    switch (nameOf(inner)) {
      case 'C:time-range': {
        const span = range(inner, 'C:valid-filter');
        if (!Object.hasOwn(TIMED, name)) throw new Refused(403, 'C:supported-filter');
        return (each) => TIMED[name](each, span);
      }
      case 'C:comp-filter': {
        const matches = component(inner);
        return (each) => matches(each.getAllSubcomponents());
      }
      case 'C:prop-filter':
        return property('C', inner, 'allof');
      default:
        throw new Refused(403, 'C:supported-filter');
    }
  });
  return (found) => found.some((each) => each.name === name && tests.every((test) => test(each)));
}

// `usual` is how several conditions are combined where the filter does not say.
function property(prefix, filter, usual) {
  const name = named(prefix, filter);
  if (child(filter, `${prefix}:is-not-defined`)) return (each) => !each.hasProperty(name);
  const tests = children(filter).map((inner) => {
    switch (nameOf(inner)) {
      case `${prefix}:text-match`: {
        const matches = text(prefix, inner);
        return (each) => matches(each.jCal.slice(3).flat().join(','));
      }
      case `${prefix}:param-filter`:
        return parameter(prefix, inner);
      case 'C:time-range': {
        const [from, to] = range(inner, 'C:valid-filter');
        if (!TIMES.includes(name)) throw new Refused(403, 'C:supported-filter');
        return (each) => each.getValues().some((time) => time.toUnixTime && from <= ms(time) && ms(time) < to);
      }
      default:
        throw new Refused(403, `${prefix}:supported-filter`);
    }
  });
  return (each) => each.getAllProperties(name).some((one) => !tests.length || combined(filter, usual, tests, one));
}

function parameter(prefix, filter) {
  const name = named(prefix, filter);
  const match = child(filter, `${prefix}:text-match`);
  const matches = match && text(prefix, match);
  const absent = child(filter, `${prefix}:is-not-defined`);
  return (each) => {
    const value = each.getParameter(name);
    if (absent || value === undefined) return Boolean(absent) === (value === undefined);
    return !matches || [value].flat().some(matches);
  };
}

function text(prefix, match) {
  const collation = match.getAttribute('collation') || (prefix === 'C' ? 'i;ascii-casemap' : 'i;unicode-casemap');
  if (!Object.hasOwn(COLLATIONS, collation)) throw new Refused(403, `${prefix}:supported-collation`);
  const comparison = match.getAttribute('match-type') || 'contains';
  if (!Object.hasOwn(COMPARISONS, comparison)) throw new Refused(403, `${prefix}:supported-filter`);
  const normal = COLLATIONS[collation];
  const wanted = normal(match.textContent);
  const negated = match.getAttribute('negate-condition') === 'yes';
  return (value) => COMPARISONS[comparison](normal(value), wanted) !== negated;
}

function combined(filter, usual, tests, subject) {
  const test = filter.getAttribute('test') || usual;
  return test === 'allof' ? tests.every((each) => each(subject)) : tests.some((each) => each(subject));
}

function named(prefix, filter) {
  const name = filter.getAttribute('name');
  if (!name) throw new Refused(403, `${prefix}:valid-filter`);
  return name.toLowerCase();
}

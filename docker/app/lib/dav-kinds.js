// What a calendar and an address book have not in common: names, and what may be in them.
import ICAL from 'ical.js';
import { calendarFilter, contactFilter, widest } from './dav-filter.js';
import { bounds, items } from './dav-time.js';
import { CONTROL, Refused, child, children, element, escaped } from './dav-xml.js';

const COMPONENTS = ['VEVENT', 'VTODO', 'VJOURNAL'];

// The one component that a text is.
function only(name, text) {
  if (CONTROL.test(text)) throw new Error('control characters');
  const parsed = ICAL.parse(text);
  if (parsed[0] !== name) throw new Error(`not one ${name}`);
  return new ICAL.Component(parsed);
}

const texts = (component, name) => component.getAllProperties(name).map((property) => property.getFirstValue());
const format = (name, mime, version) => `<${name} content-type="${mime}" version="${version}"/>`;

export const calendars = {
  kind: 'calendar',
  role: 'caldav',
  prefix: 'C',
  first: {
    name: 'calendar',
    components: COMPONENTS,
    properties: { 'D:displayname': element('D:displayname', 'Calendar') },
  },
  compliance: '1, 3, extended-mkcol, calendar-access',
  methods: ['MKCALENDAR'],
  type: 'calendar',
  mime: 'text/calendar',
  data: 'C:calendar-data',
  invalid: 'C:valid-calendar-data',
  settable: ['C:supported-calendar-component-set'],
  home: 'C:calendar-home-set',
  reports: ['C:calendar-query', 'C:calendar-multiget', 'C:free-busy-query', 'D:sync-collection'],
  properties: {
    'C:supported-calendar-component-set': ({ components }) =>
      components.map((name) => `<C:comp name="${escaped(name)}"/>`).join(''),
    'C:supported-calendar-data': () => format('C:calendar-data', 'text/calendar', '2.0'),
  },

  // RFC 4791 4.1
  read(text, { components }) {
    let calendar;
    let found;
    try {
      calendar = only('vcalendar', text);
      found = items(calendar);
      const [first, last] = bounds(calendar);
      const uids = new Set(found.flatMap((item) => texts(item, 'uid')));
      const uid = [...uids].join();
      if (uids.size !== 1 || !uid || found.some((item) => !item.hasProperty('uid'))) throw new Error('not one UID');
      if (new Set(found.map(({ name }) => name)).size !== 1) throw new Error('not one kind of component');
      if (calendar.hasProperty('method')) throw new Error('METHOD is for messages');
      if (components.includes(found[0].name.toUpperCase())) return { uid, first, last };
    } catch {
      throw new Refused(403, this.invalid);
    }
    throw new Refused(403, 'C:supported-calendar-component');
  },
  components(set) {
    const named = children(child(set, 'C:supported-calendar-component-set'), 'C:comp');
    const names = named.map((comp) => comp.getAttribute('name')?.toUpperCase());
    if (names.some((name) => !COMPONENTS.includes(name))) throw new Refused(403, 'C:supported-calendar-component');
    return names.length ? names : COMPONENTS;
  },
  parse: (text) => new ICAL.Component(ICAL.parse(text)),
  filter: calendarFilter,
  widest,
};

export const contacts = {
  kind: 'contacts',
  role: 'carddav',
  prefix: 'A',
  first: { name: 'contacts', components: [], properties: { 'D:displayname': element('D:displayname', 'Contacts') } },
  compliance: '1, 3, extended-mkcol, addressbook',
  methods: [],
  type: 'addressbook',
  mime: 'text/vcard',
  data: 'A:address-data',
  invalid: 'A:valid-address-data',
  settable: [],
  home: 'A:addressbook-home-set',
  reports: ['A:addressbook-query', 'A:addressbook-multiget', 'D:sync-collection'],
  properties: {
    'A:supported-address-data': () =>
      ['3.0', '4.0'].map((version) => format('A:address-data-type', 'text/vcard', version)).join(''),
  },

  // RFC 6352 5.1
  read(text) {
    let card;
    try {
      card = only('vcard', text);
      if (texts(card, 'uid').length !== 1 || !texts(card, 'uid')[0]) throw new Error('not one UID');
    } catch {
      throw new Refused(403, this.invalid);
    }
    if (!['3.0', '4.0'].includes(texts(card, 'version')[0])) throw new Refused(403, 'A:supported-address-data');
    return { uid: texts(card, 'uid')[0], first: null, last: null };
  },
  components: () => [],
  parse: (text) => new ICAL.Component(ICAL.parse(text)),
  filter: contactFilter,
  widest: () => [-Infinity, Infinity],
};

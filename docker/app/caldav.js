// The role `caldav`: devices keep calendars in step (RFC 4791).
import { live } from './lib/life.js';
import { serveDav } from './lib/dav.js';
import { calendars } from './lib/dav-kinds.js';

await live('caldav', () => serveDav(calendars, 'CALDAV'));

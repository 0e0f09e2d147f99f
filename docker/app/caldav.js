// The role `caldav`: devices keep calendars in step (RFC 4791).
import { live } from './lib/life.js';

await live('caldav', async () => {
  const { serveDav } = await import('./lib/dav.js');
  const { calendars } = await import('./lib/dav-kinds.js');
  return serveDav(calendars, 'CALDAV');
});

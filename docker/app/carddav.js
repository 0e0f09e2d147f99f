// The role `carddav`: devices keep address books in step (RFC 6352).
import { live } from './lib/life.js';

await live('carddav', async () => {
  const { serveDav } = await import('./lib/dav.js');
  const { contacts } = await import('./lib/dav-kinds.js');
  return serveDav(contacts, 'CARDDAV');
});

// The role `carddav`: devices keep address books in step (RFC 6352).
import { live } from './lib/life.js';
import { serveDav } from './lib/dav.js';
import { contacts } from './lib/dav-kinds.js';

await live('carddav', () => serveDav(contacts, 'CARDDAV'));

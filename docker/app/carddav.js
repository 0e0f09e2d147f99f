// The role `carddav`: devices keep address books in step (RFC 6352).
import { serveDav } from './lib/dav.js';
import { contacts } from './lib/dav-kinds.js';
import { live } from './lib/life.js';

await live('carddav', () => serveDav(contacts, 'CARDDAV'));

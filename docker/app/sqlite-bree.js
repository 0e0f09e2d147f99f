// The role `sqlite-bree`: has `sqlite` expire what is long in Trash and Spam and tidy the files, at the start and every
// hour. As the application's, it never says ready.
import { live } from './lib/life.js';
import { housekeep } from './lib/housekeeping.js';

await live('sqlite-bree', async () => housekeep('sqlite-bree', 'mailboxes'), { ready: false });

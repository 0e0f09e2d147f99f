// The role `bree`: has `sqlite` forget the mails that no sender can come with again, at the start and every hour.
// It says ready, as newer releases of the application do.
import { live } from './lib/life.js';
import { housekeep } from './lib/housekeeping.js';

await live('bree', async () => housekeep('bree', 'arrivals'));

// The role `api`: programs read and send the mail of those whose password they have (RFC 9110).
import { live } from './lib/life.js';
import { api } from './lib/api.js';
import { serveHttp } from './lib/http.js';
import { People } from './lib/person.js';

await live('api', start);

async function start() {
  const people = new People();
  const close = await serveHttp(api(people), 'API');
  return async () => {
    await close();
    await people.close();
  };
}

// The role `api`: programs read and send the mail of those whose password they have (RFC 9110).
import { live } from './lib/life.js';

await live('api', start);

async function start() {
  const [{ serveHttp }, { People }, { api }] = await Promise.all([
    import('./lib/http.js'),
    import('./lib/person.js'),
    import('./lib/api.js'),
  ]);
  const people = new People();
  const close = await serveHttp(api(people), 'API');
  return async () => {
    await close();
    await people.close();
  };
}

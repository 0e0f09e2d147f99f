// The role `web`: people read and write their mail in a browser, without any script in it.
import { live } from './lib/life.js';
import { serveHttp } from './lib/http.js';
import { People } from './lib/person.js';
import { webmail } from './lib/web/routes.js';

await live('web', start);

async function start() {
  const people = new People();
  const close = await serveHttp(webmail(people), 'WEB');
  return async () => {
    await close();
    await people.close();
  };
}

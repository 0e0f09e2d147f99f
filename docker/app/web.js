// The role `web`: people read and write their mail in a browser, without any script in it.
import { live } from './lib/life.js';

await live('web', start);

async function start() {
  const [{ serveHttp }, { People }, { webmail }] = await Promise.all([
    import('./lib/http.js'),
    import('./lib/person.js'),
    import('./lib/web/routes.js'),
  ]);
  const people = new People();
  const close = await serveHttp(webmail(people), 'WEB');
  return async () => {
    await close();
    await people.close();
  };
}

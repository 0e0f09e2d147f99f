// A mail that tries all it can to be noticed by its sender, or to do something: with scripts on, as most people have them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { PATIENCE, arrived, deliver, signIn, visit } from './visit.js';

export async function hostile(browser, facts) {
  const tracker = await Tracker.start();
  const html = mailFor(tracker.at);

  // First as a page of its own, or nobody knows whether it tries anything.
  const victim = await visit(browser, facts, { javaScriptEnabled: true });
  const alerts = watch(victim);
  await victim.goto(`${tracker.at}page`).catch(() => {}); // it leads away
  await tracker.sees('script', 'onerror', 'img', 'css', 'import', 'font', 'frame', 'link', 'refresh', 'base', 'svg', 'video');
  const tried = tracker.forget();
  assert.ok(alerts.length > 0);
  await victim.context().close();

  await deliver(facts, facts.bob, { subject: 'You have won', html, text: 'Look at the HTML' });
  const page = await visit(browser, facts, { javaScriptEnabled: true });
  const heard = watch(page);
  await page.goto('/');
  await signIn(page, facts.bob);
  await (await arrived(page, 'You have won')).click();
  await page.getByRole('link', { name: 'HTML', exact: true }).click();
  const mail = page.url();
  await page.frameLocator('iframe').getByText('the end').waitFor();
  assert.deepEqual(tracker.connections, 0, `reached: ${[...tracker.seen.keys()].join(', ')}`);
  assert.deepEqual(heard, []);
  assert.equal(page.url(), mail);

  // Following its links is the reader's will; the other side learns of no more than that.
  for (const name of ['follow', 'follow-top']) {
    const link = page.frameLocator('iframe').getByText(name, { exact: true });
    const [opened] = await Promise.all([page.context().waitForEvent('page'), link.click()]);
    await tracker.sees(name);
    assert.equal(await opened.evaluate(() => window.opener), null);
    assert.equal(tracker.seen.get(name).referer, undefined);
    await opened.close();
  }
  assert.equal(page.url(), mail);
  await page.frameLocator('iframe').getByText('run', { exact: true }).click();
  await page.frameLocator('iframe').getByText('submit').click();
  // The same at the top of a window, where nothing is around it.
  await page.goto(`${mail.split('?')[0]}/html`);
  await page.getByText('the end').waitFor();
  assert.deepEqual([...tracker.forget().keys()], ['follow', 'follow-top']);
  assert.deepEqual(heard, []);

  // Pictures when they are asked for, and nothing else; the sender does not learn where they are shown.
  await page.goto(mail);
  await page.getByRole('link', { name: 'Show them in this mail' }).click();
  await tracker.sees('img', 'css', 'svg');
  await page.frameLocator('iframe').getByText('the end').waitFor();
  const pictures = new Set(['img', 'srcset', 'css', 'style', 'svg', 'background', 'poster', 'input']);
  for (const [name, headers] of tracker.seen) {
    assert.ok(pictures.has(name), `${name} was loaded`);
    assert.equal(headers.referer, undefined, name);
  }
  assert.deepEqual(heard, []);
  console.log(`${tried.size} ways out that work elsewhere are closed: ${[...tried.keys()].join(', ')}`);
  tracker.close();
}

// What a page does that a mail may not make it do.
function watch(page) {
  const heard = [];
  page.on('dialog', (dialog) => {
    heard.push(dialog.message());
    dialog.dismiss().catch(() => {});
  });
  page.on('download', (download) => heard.push(download.url()));
  return heard;
}

// A server that remembers who asked, and counts connections that ask nothing.
class Tracker {
  seen = new Map();
  connections = 0;

  static async start() {
    const tracker = new Tracker();
    tracker.server = createServer(({ url, headers }, response) => {
      if (url === '/page') return response.setHeader('Content-Type', 'text/html').end(mailFor(tracker.at));
      tracker.seen.set(url.slice(1), headers);
      tracker.told?.();
      return response.setHeader('Content-Type', 'text/html').end('<link rel="icon" href="data:,">');
    });
    tracker.server.on('connection', () => (tracker.connections += 1));
    await once(tracker.server.listen(0, '127.0.0.1'), 'listening');
    return tracker;
  }

  get at() {
    return `http://127.0.0.1:${this.server.address().port}/`;
  }

  async sees(...names) {
    const end = AbortSignal.timeout(PATIENCE);
    while (!names.every((name) => this.seen.has(name))) {
      await new Promise((resolve, reject) => {
        this.told = resolve;
        end.onabort = () => reject(new Error(`not seen: ${names.filter((name) => !this.seen.has(name)).join(', ')}`));
        if (end.aborted) end.onabort();
      });
    }
  }

  forget() {
    const { seen } = this;
    this.seen = new Map();
    this.connections = 0;
    return seen;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function mailFor(at) {
  return `<html><head>
<script>alert('script'); new Image().src = '${at}script'</script>
<link rel="preconnect" href="${at}"><LINK
rel="stylesheet" href="${at}link"><link rel="prefetch" href="${at}prefetch"><link rel="icon" href="${at}icon">
<style>@import '${at}import'; @font-face { font-family: f; src: url(${at}font) } body { background: url(${at}css); font-family: f }</style>
</head><body background="${at}background">
<img src="${at}img"><img srcset="${at}srcset 1x"><img src="x:" onerror="alert('onerror'); new Image().src = '${at}onerror'">
<div style="background: url(${at}style)">x</div>
<svg width="9" height="9"><image href="${at}svg" width="9" height="9" /><script>alert('svg')</script></svg>
<svg onload="alert('onload')"><a href="${at}x"><text y="9">y</text></a><use href="${at}use#a" /></svg>
<video src="${at}video" poster="${at}poster" autoplay></video><audio src="${at}audio" autoplay></audio>
<iframe src="${at}frame"></iframe><iframe srcdoc="<img src='${at}srcdoc'>"></iframe>
<object data="${at}object"></object><embed src="${at}embed"><input type="image" src="${at}input">
<form action="${at}form"><button>submit</button><input name="a" autofocus onfocus="alert('focus')"></form>
<a href="${at}follow" ping="${at}ping">follow</a> <a target="_top" rel="opener" href="${at}follow-top">follow-top</a>
<a href="javascript:alert('link')">run</a>
<base href="${at}"><img src="base">
<meta http-equiv="refresh" content="2; url=${at}refresh">
<p>the end</p></body></html>`;
}

// axe-core finds nothing on any page, narrow and wide, light and dark. It is a script: this alone runs with scripts on.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { WIDTHS, arrived, deliver, signIn, visit } from './visit.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function accessibility(browser, facts) {
  const html = '<p>Hello <a href="https://example.test/">there</a><img src="https://example.test/x.png" alt=""></p>';
  const attachments = [{ filename: 'a.txt', content: 'a' }];
  await deliver(facts, facts.bob, { subject: 'For all', text: 'Hello\n\n> quoted\n', html, attachments });
  let pages = 0;
  for (const colorScheme of ['light', 'dark']) {
    for (const viewport of Object.values(WIDTHS)) {
      const page = await visit(browser, facts, { viewport, colorScheme, javaScriptEnabled: true, bypassCSP: true });
      for await (const what of stations(page, facts)) {
        // A click is over when the next page begins to come.
        await page.waitForLoadState();
        await page.addScriptTag({ content: AXE });
        // The HTML of a mail is its sender's, and runs no script that could look at it.
        const { violations } = await page.evaluate(() => window.axe.run(document, { iframes: false }));
        const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
        assert.deepEqual(told, [], `${what}, ${colorScheme}, ${viewport.width} wide`);
        pages += 1;
      }
      await page.context().close();
    }
  }
  console.log(`axe-core finds nothing on ${pages} pages`);
}

async function* stations(page, { bob }) {
  await page.goto('/');
  yield 'sign-in';
  await signIn(page, { ...bob, password: 'a guess' });
  yield 'sign-in refused';
  await signIn(page, bob);
  await arrived(page, 'For all');
  yield 'list';
  await page.getByRole('checkbox').first().check();
  yield 'list with a ticked mail';
  await page.getByRole('link', { name: 'For all' }).first().click();
  const mail = page.url();
  yield 'message';
  await page.goto(`${mail}?view=html`);
  yield 'message as HTML';
  await page.getByRole('button', { name: 'Mark unread' }).click();
  yield 'list with a notice';
  await page.goto('/mail/INBOX?q=all');
  yield 'search';
  await page.goto('/mail/Trash');
  yield 'empty folder';
  await page.goto(`/compose?how=forward&folder=INBOX&uid=${mail.split('/').at(-1)}`);
  yield 'compose';
  await page.getByRole('button', { name: 'Send' }).click();
  yield 'compose refused';
  await page.goto('/nowhere');
  yield 'no such page';
}

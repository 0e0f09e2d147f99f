// Two people write to each other, without any script, with a phone and at a desk.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WIDTHS, arrived, signIn, visit } from './visit.js';

const NARROWEST = { width: 320, height: 640 };
const PLANS = Buffer.from('%PDF-1.7 not really\n\xff', 'latin1');
const TEXT = 'Hello Bob,\n\nthe plans are attached, and at https://example.test/plans?second=1 as well.\n\nAda <3';

export async function walk(browser, facts) {
  for (const [width, viewport] of Object.entries(WIDTHS)) {
    const page = await visit(browser, facts, { viewport });
    const look = (name) => seen(page, join(facts.shots, `${name}-${width}.png`));
    const subject = `Plans for the kitchen, ${width}`;
    await writes(page, facts, subject, look);
    await reads(page, facts, subject, look);
    await isAnswered(page, facts, subject);
    await page.context().close();
    console.log(`walked at ${viewport.width} x ${viewport.height}`);
  }
}

async function writes(page, { ada, bob }, subject, look) {
  await page.goto('/');
  await titled(page, 'Sign in');
  await look('sign-in');
  await signIn(page, { ...ada, password: 'a guess' });
  assert.equal(await page.getByRole('alert').textContent(), 'Wrong address or password');
  await signIn(page, ada);
  await titled(page, 'Inbox');

  await page.getByRole('link', { name: 'Write a mail' }).click();
  await page.getByLabel('Subject').fill(subject);
  await page.getByLabel('Text').fill(TEXT);
  await page.getByRole('button', { name: 'Send' }).click();
  await titled(page, 'Not sent – New mail');
  assert.equal(await page.locator('#to-problem').textContent(), 'A recipient is needed');
  await look('compose-refused');

  await page.getByLabel('To', { exact: true }).fill(`"B., Bob" <${bob.address}>`);
  await page.getByLabel('Attach files').setInputFiles({ name: 'Pläne.pdf', mimeType: 'application/pdf', buffer: PLANS });
  await page.getByRole('button', { name: 'Save draft' }).click();
  await titled(page, 'Draft');
  await noticed(page, 'The draft is saved.');
  assert.equal(await page.getByLabel('To', { exact: true }).inputValue(), `"B., Bob" <${bob.address}>`);
  assert.equal((await page.getByLabel('Text').inputValue()).trimEnd(), TEXT);
  await look('compose');
  await page.getByRole('button', { name: 'Send' }).click();
  await noticed(page, 'Your mail is on its way.');

  await folder(page, 'Drafts');
  await shown(page, 'There is no mail here.');
  await look('empty');
  await folder(page, 'Sent Mail');
  await (await arrived(page, subject)).click();
  await titled(page, subject);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await noticed(page, 'You are signed out.');
  await page.goBack();
  await page.reload();
  await titled(page, 'Sign in');
}

async function reads(page, { bob }, subject, look) {
  await page.goto('/');
  await signIn(page, bob);
  const unread = await arrived(page, subject);
  assert.equal(await unread.textContent(), `Unread: ${subject}`);
  await titled(page, 'Inbox (1)');
  await look('list');
  await search(page, 'kitchen');
  await shown(page, '1 found for “kitchen”');
  await search(page, 'cellar');
  await shown(page, 'Nothing found for “cellar”');
  await page.getByRole('link', { name: 'Show all' }).click();

  await (await arrived(page, subject)).click();
  await titled(page, subject);
  assert.equal((await page.locator('.text').textContent()).trimEnd(), TEXT);
  const elsewhere = page.getByRole('link', { name: 'https://example.test/plans?second=1' });
  assert.equal(await elsewhere.getAttribute('rel'), 'noreferrer noopener');
  await look('message');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Pläne.pdf' }).click()]);
  assert.equal(download.suggestedFilename(), 'Pläne.pdf');
  assert.deepEqual(readFileSync(await download.path()), PLANS);

  await page.getByRole('link', { name: 'Reply' }).click();
  assert.equal(await page.getByLabel('Subject').inputValue(), `Re: ${subject}`);
  assert.match(await page.getByLabel('Text').inputValue(), /^\n\nOn .* wrote:\n> Hello Bob,\n>/);
  await page.getByLabel('Text').fill('Thank you.');
  await page.getByRole('button', { name: 'Send' }).click();
  await noticed(page, 'Your mail is on its way.');
  assert.match(await page.getByRole('listitem').filter({ hasText: subject }).textContent(), /Answered/);

  await page.getByRole('link', { name: subject }).click();
  await page.getByRole('link', { name: 'Forward' }).click();
  assert.equal(await page.getByLabel('Pläne.pdf').isChecked(), true);
  await page.getByRole('link', { name: 'Cancel' }).click();

  await page.getByRole('link', { name: subject }).click();
  await page.getByRole('button', { name: 'Mark unread' }).click();
  await noticed(page, 'Marked as unread.');
  await titled(page, 'Inbox (1)');
  await tick(page, subject, 'Mark read', 'Marked as read.');
  await page.getByRole('link', { name: subject }).click();
  await page.getByLabel('Move to').selectOption('Archive');
  await page.getByRole('button', { name: 'Move', exact: true }).click();
  await noticed(page, 'Moved.');
  await folder(page, 'Archive');
  await tick(page, subject, 'Delete', 'Moved to Trash.');
  await folder(page, 'Trash');
  await tick(page, subject, 'Delete for good', 'Deleted for good.');
  await shown(page, 'There is no mail here.');
}

async function isAnswered(page, { ada }, subject) {
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, ada);
  await (await arrived(page, `Re: ${subject}`)).click();
  assert.equal((await page.locator('.text').textContent()).trimEnd(), 'Thank you.');
  await page.getByRole('button', { name: 'Delete' }).click();
  await noticed(page, 'Moved to Trash.');
  await titled(page, 'Inbox');
}

// The picture is kept; the narrowest screen, or a zoom of 400 % (WCAG 1.4.10), needs no scrolling to the side.
async function seen(page, path) {
  await page.screenshot({ path });
  const before = page.viewportSize();
  await page.setViewportSize(NARROWEST);
  const [needed, there] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(needed <= there, `${page.url()} is ${needed} wide at ${there}`);
  await page.setViewportSize(before);
}

// A click waits for the beginning of the next page, and these do not wait at all.
async function titled(page, title) {
  await page.waitForLoadState('domcontentloaded');
  assert.equal(await page.title(), `${title} – ${process.env.APP_NAME ?? 'postbox'}`);
}

async function shown(page, text) {
  await page.waitForLoadState('domcontentloaded');
  assert.equal(await page.getByText(text).count(), 1);
}

async function noticed(page, notice) {
  assert.equal(await page.getByRole('status').textContent(), notice);
}

async function folder(page, name) {
  await page.getByRole('navigation', { name: 'Folders' }).getByRole('link', { name }).click();
  assert.equal(await page.getByRole('navigation', { name: 'Folders' }).locator('[aria-current=page]').textContent(), name);
}

async function search(page, words) {
  await page.getByRole('searchbox').fill(words);
  await page.getByRole('button', { name: 'Search' }).click();
}

async function tick(page, subject, action, notice) {
  await page.getByLabel(`Select ${subject}`).check();
  await page.getByRole('button', { name: action, exact: true }).click();
  await noticed(page, notice);
}

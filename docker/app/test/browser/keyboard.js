// Signs in and reads a mail with the keys Tab and Enter alone, and sees all the time where it is.
import assert from 'node:assert/strict';
import { arrived, deliver, visit } from './visit.js';

const MOST = 80; // presses of Tab until what is looked for has the focus

export async function keyboard(browser, facts) {
  const page = await visit(browser, facts);
  await page.goto('/');
  await press(page, 'Tab');
  assert.equal(await focused(page), 'Skip to content');
  await press(page, 'Enter');
  await reach(page, 'Mail address');
  await page.keyboard.type(facts.bob.address);
  await reach(page, 'Password');
  await page.keyboard.type(facts.bob.password);
  await go(page, 'Enter');

  await deliver(facts, facts.bob, { subject: 'For the keys', text: 'Well done.' });
  await arrived(page, 'For the keys');
  await press(page, 'Tab');
  await press(page, 'Enter');
  const presses = await reach(page, 'Unread: For the keys');
  await go(page, 'Enter');
  assert.equal(await page.getByRole('heading', { level: 1 }).textContent(), 'For the keys');
  await reach(page, 'Reply');
  await go(page, 'Enter');
  assert.equal(await focused(page), 'Text');
  console.log(`with the keyboard: ${presses} presses from the skip link of the list to its first mail`);
}

// Tab until it has the focus, which is to be seen at each step.
async function reach(page, name) {
  for (let presses = 1; presses < MOST; presses += 1) {
    await press(page, 'Tab');
    assert.ok(await page.evaluate(hasOutline), `the focus is not seen on ${await focused(page)}`);
    if ((await focused(page)) === name) return presses;
  }
  throw new Error(`${name} was not reached on ${page.url()}`);
}

const press = (page, key) => page.keyboard.press(key);

async function go(page, key) {
  await Promise.all([page.waitForEvent('domcontentloaded'), press(page, key)]);
}

const focused = (page) =>
  page.evaluate(() => {
    const { activeElement: element } = document;
    return (element.labels?.[0] ?? element).textContent.trim();
  });

const hasOutline = () =>
  [null, '::after'].some((part) => getComputedStyle(document.activeElement, part).outlineStyle === 'solid');

// Uses the role `web` with a real browser: `node main.js SCENARIO FACTS`, FACTS in JSON: `base`, the address of the pages;
// `mx`, the port where mail comes in; `ada` and `bob`, each { address, password }; `shots`, where pictures are kept.
// Says on stdout what it has seen, and ends with 1 when something is not as it should be.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { accessibility } from './accessibility.js';
import { hostile } from './hostile.js';
import { keyboard } from './keyboard.js';
import { walk } from './walk.js';

const scenarios = { accessibility, hostile, keyboard, walk };
const [scenario, facts] = process.argv.slice(2);
const paths = process.env.PATH.split(delimiter).map((folder) => join(folder, 'chromium'));
// Chromium's own sandbox is not for root; what is tested are the pages.
const browser = await chromium.launch({ executablePath: paths.find(existsSync), args: ['--no-sandbox'] });
try {
  await scenarios[scenario](browser, JSON.parse(facts));
} finally {
  await browser.close();
}

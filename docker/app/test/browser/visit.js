// What every visit has in common: the browser's window, signing in, and mail that comes from outside.
import { createTransport } from 'nodemailer';

// ms; on a busy machine too: only a failure waits so long.
export const PATIENCE = 60_000;

export const WIDTHS = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 800 } };

// Without scripts unless `options` say so.
export async function visit(browser, { base }, options = {}) {
  const context = await browser.newContext({
    baseURL: base,
    ignoreHTTPSErrors: true,
    javaScriptEnabled: false,
    viewport: WIDTHS.desktop,
    ...options,
  });
  return context.newPage();
}

export async function signIn(page, { address, password }) {
  await page.getByLabel('Mail address').fill(address);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
}

export async function deliver({ mx }, to, mail) {
  const transport = createTransport({ host: '127.0.0.1', port: mx, tls: { rejectUnauthorized: false } });
  await transport.sendMail({ from: 'Eve <eve@outside.invalid>', to: to.address, ...mail });
}

// The link of a mail in the folder that is open, once it is there.
export async function arrived(page, subject) {
  const link = page.getByRole('main').getByRole('link', { name: subject });
  for (const end = Date.now() + PATIENCE; (await link.count()) === 0;) {
    if (Date.now() > end) throw new Error(`not in ${page.url()}: ${subject}`);
    await page.reload();
  }
  return link.first();
}

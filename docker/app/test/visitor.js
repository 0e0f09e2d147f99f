// Somebody who visits the pages of the role `web` with a browser that keeps cookies and follows nothing.
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { PATIENCE, Service, freePort, within } from './service.js';

export const SAME = { 'Sec-Fetch-Site': 'same-origin' };

export async function made(t, ...roles) {
  const service = await Service.make(t, { WEB_PORT: await freePort() });
  await service.start('web', ...roles);
  return service;
}

export class Browser {
  cookies = new Map();

  constructor({ settings }) {
    this.port = settings.WEB_PORT;
  }

  async ask(method, path, { headers, body } = {}) {
    const cookie = [...this.cookies].map((pair) => pair.join('=')).join('; ');
    const form = body instanceof URLSearchParams && { 'Content-Type': 'application/x-www-form-urlencoded' };
    const options = { host: '127.0.0.1', port: this.port, rejectUnauthorized: false, method, path, agent: false };
    const answer = await new Promise((resolve, reject) => {
      const asked = request({ ...options, headers: { ...form, ...(cookie && { cookie }), ...headers } }, resolve);
      asked.on('error', reject).end(body?.toString());
    });
    for (const set of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      if (value) this.cookies.set(name, value);
      else this.cookies.delete(name);
    }
    const content = await buffer(answer);
    const { statusCode: status, headers: told } = answer;
    return { status, headers: told, text: content.toString(), to: told.location };
  }

  get(path, headers) {
    return this.ask('GET', path, { headers });
  }

  post(path, fields, headers = SAME) {
    return this.ask('POST', path, { headers, body: new URLSearchParams(fields) });
  }

  async signIn({ user, pass }) {
    const { status } = await this.post('/sign-in', { address: user, password: pass });
    assert.equal(status, 303);
    return this;
  }

  get session() {
    return this.cookies.get('__Host-session');
  }

  set session(value) {
    this.cookies.set('__Host-session', value);
  }
}

// A folder's page with a mail on it; `mail` is what nodemailer takes.
export async function received(t, mail) {
  const service = await made(t, 'sqlite', 'mx');
  const joe = await service.user('joe');
  await service.mx().sendMail({ from: 'eve@elsewhere.test', to: joe.user, ...mail });
  const browser = await new Browser(service).signIn(joe);
  const list = await within(PATIENCE, 'it is there', async () => {
    const page = await browser.get('/mail/INBOX');
    return page.text.includes('/mail/INBOX/1') && page;
  });
  return { service, joe, browser, list };
}

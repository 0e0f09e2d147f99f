// Holds answers of the running api to openapi.json: each has to be described there, and to be as described.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

export const description = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'openapi.json'), 'utf8'));
const METHODS = ['get', 'put', 'post', 'delete', 'patch'];
const ajv = formats(new Ajv({ strict: false, allErrors: true }));
ajv.addSchema(description, 'description');

// 'POST /v1/messages' and the like.
export function operations() {
  return Object.entries(description.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

export class Api {
  // 'GET /v1/account 200' and the like
  seen = new Set();

  constructor({ settings }, { user, pass } = {}) {
    this.base = `http://127.0.0.1:${settings.API_PORT}`;
    this.login = user && { Authorization: `Basic ${Buffer.from(`${user}:${pass}`).toString('base64')}` };
  }

  // The answer, as { status, headers, body }, that was found to be as described.
  async ask(method, path, sent, type = 'application/json') {
    const answer = await fetch(this.base + path, {
      method,
      headers: { ...this.login, ...(sent !== undefined && { 'Content-Type': type }) },
      body: typeof sent === 'string' || sent === undefined ? sent : JSON.stringify(sent),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    const json = answer.headers.get('Content-Type')?.includes('json');
    const body = json ? JSON.parse(bytes) : bytes.toString();
    const { status, headers } = answer;
    this.#check(method, path.split('?')[0], sent, status, headers, body);
    return { status, headers, body };
  }

  get(path) {
    return this.ask('GET', path);
  }

  #check(method, path, sent, status, headers, body) {
    const template = Object.keys(description.paths).find((known) => pattern(known).test(path));
    assert.ok(template, `${path} is not described`);
    const operation = description.paths[template][method.toLowerCase()];
    assert.ok(operation, `${method} ${template} is not described`);
    const pointer = ['paths', template, method.toLowerCase()];
    const [response, at] = resolve(operation.responses[status], [...pointer, 'responses', String(status)]);
    assert.ok(response, `${method} ${template} is not described to answer ${status}: ${JSON.stringify(body)}`);
    this.seen.add(`${method} ${template} ${status}`);
    for (const [name, { required }] of Object.entries(response.headers ?? {})) {
      assert.ok(!required || headers.has(name), `${method} ${template} ${status} lacks ${name}`);
    }
    const [type] = headers.get('Content-Type')?.split(';') ?? [];
    const { content } = response;
    assert.equal(Boolean(content), type !== undefined, `${method} ${template} ${status} has ${type}`);
    if (content?.[type]?.schema) valid([...at, 'content', type, 'schema'], body);
    else assert.ok(!content || content[type] || content['*/*'], `${method} ${template} ${status} is ${type}`);
    // What is taken is described as well.
    if (status < 300 && sent !== undefined) {
      valid([...pointer, 'requestBody', 'content', 'application/json', 'schema'], sent);
    }
  }
}

const pattern = (template) => new RegExp(`^${template.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`);

function resolve(value, at) {
  if (!value?.$ref) return [value, at];
  const path = value.$ref.slice(2).split('/');
  return [path.reduce((inner, name) => inner[name], description), path];
}

function valid(at, value) {
  const pointer = at.map((name) => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  const validate = ajv.getSchema(`description#/${pointer}`);
  assert.ok(validate(value), `${at.slice(1).join(' ')}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`);
}

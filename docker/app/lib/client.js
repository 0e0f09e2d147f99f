// Who asks: the other end of the connection; behind a front, whoever that says it is.
import { isIP } from 'node:net';
import { getConnInfo } from '@hono/node-server/conninfo';
import { settings } from './settings.js';

// Of X-Forwarded-For the last address, which the front has added. All before it may be anybody's word.
export function client(context) {
  const { address } = getConnInfo(context).remote;
  if (settings.TRUST_PROXY !== 'true') return address;
  const last = context.req.header('x-forwarded-for')?.split(',').at(-1).trim();
  return isIP(last) ? last : address;
}

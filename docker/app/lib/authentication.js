// Whether a mail is from whom it says, for its reader: SPF (RFC 7208), DKIM (RFC 6376) and DMARC as a header of
// Authentication-Results (RFC 8601). It never decides whether the mail is taken, and hardly when.
import { createPublicKey } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { BlockList, isIPv6 } from 'node:net';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { dmarc as dmarcVerify } from 'mailauth/lib/dmarc/index.js';
import { spf as spfVerify } from 'mailauth/lib/spf/index.js';
import { log } from './log.js';
import { head } from './message.js';
import { settings } from './settings.js';

const WITHIN = 3000; // ms for all questions about a mail
const PAUSE = 60_000; // ms without questions to a resolver that answered none of them
const SIGNATURES = 10; // that are verified; each may want the whole body hashed in its own way
const UNANSWERED = new Set(['ECANCELLED', 'ECONNREFUSED', 'ETIMEOUT']);
// A line that some reader may take for this field, with the lines that continue it.
const FIELD = /(?<=^|[\r\n])Authentication-Results\s*:[^\n]*\n?(?:[ \t][^\n]*\n?)*/gi;

// No SPF record speaks of these: the client is a neighbour.
const NEAR = new BlockList();
const NETWORKS = '127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 ::1/128 fc00::/7 fe80::/10';
for (const [network, bits] of NETWORKS.split(' ').map((text) => text.split('/'))) {
  NEAR.addSubnet(network, Number(bits), isIPv6(network) ? 'ipv6' : 'ipv4');
}

let pausedUntil = 0;
let ownKey;

// The mail without the fields that pretend to be ours, wherever it has been (RFC 8601 5).
export function withoutOurs(mail) {
  const fields = `${head(mail)}\r\n`;
  const ours = settings.MX_HOST.toLowerCase();
  const pretends = (field) => field.replaceAll('\\', '').toLowerCase().includes(ours);
  // After a lone CR its line end is also that of the field before.
  const rest = (at) => (fields[at - 1] === '\r' ? '\r\n' : '');
  const kept = fields.replace(FIELD, (field, at) => (pretends(field) ? rest(at) : field));
  if (kept === fields) return mail;
  return Buffer.concat([Buffer.from(kept, 'latin1'), mail.subarray(fields.length)]);
}

// The header field that tells the results, its CRLF included. Never rejects.
export async function results(mail, session) {
  let found;
  try {
    found = await verify(mail, session);
  } catch (error) {
    log('error', 'not authenticated', { error });
    found = ['none'];
  }
  return `Authentication-Results: ${[settings.MX_HOST, ...found].join(';\r\n\t')}\r\n`;
}

async function verify(mail, { remoteAddress, hostNameAppearsAs: helo, envelope }) {
  const questions = new Questions();
  const resolver = (name, type) => questions.ask(name, type);
  const near = NEAR.check(remoteAddress, isIPv6(remoteAddress) ? 'ipv6' : 'ipv4');
  const sender = envelope.mailFrom.address;
  try {
    const [spf, dkim] = await Promise.all([
      near ? { info: 'spf=none', status: {} } : spfVerify({ ip: remoteAddress, helo, sender, resolver, strict: true }),
      signatures(mail) > SIGNATURES ? undefined : dkimVerify(mail, { sender, resolver, strict: true }),
    ]);
    if (!dkim) return [spf.info, `dkim=policy (more than ${SIGNATURES} signatures)`];
    const passed = dkim.results.filter(({ status }) => status.result === 'pass');
    const infos = [spf.info, ...dkim.results.map(({ info }) => info)];
    // Just sent by ourselves: there is nothing that the policy of the author's domain could add.
    if (near && passed.some(({ signingDomain }) => signingDomain === settings.DKIM_DOMAIN_NAME)) return infos;
    const dmarc = await dmarcVerify({
      headerFrom: dkim.headerFrom,
      fromFields: dkim.fromFields,
      spfDomains: spf.status.result === 'pass' ? [spf.domain] : [],
      dkimDomains: passed.map(({ signingDomain, status }) => ({ ...status, domain: signingDomain })),
      resolver,
      strict: true,
    });
    return [...infos, dmarc?.info ?? 'dmarc=none'];
  } finally {
    questions.close();
  }
}

const signatures = (mail) => head(mail).match(/^DKIM-Signature\s*:/gim)?.length ?? 0;

// What is asked of DNS about one mail, with one deadline for all of it.
class Questions {
  #resolver;
  #answers = 0;
  #over = Date.now() < pausedUntil;

  async ask(name, type) {
    const known = own(name.toLowerCase());
    if (known) return known;
    if (this.#over) throw Object.assign(new Error('no answer in time'), { code: 'ETIMEOUT' });
    this.#resolver ??= this.#begin();
    try {
      const answer = await this.#resolver.resolve(name, type);
      this.#answers += 1;
      return answer;
    } catch (error) {
      if (!UNANSWERED.has(error.code)) this.#answers += 1;
      throw error;
    }
  }

  close() {
    clearTimeout(this.timer);
  }

  #begin() {
    const resolver = new Resolver({ timeout: 1000, tries: 2 });
    if (settings.POSTBOX_DNS) resolver.setServers([settings.POSTBOX_DNS]);
    this.timer = setTimeout(() => this.#end(), WITHIN);
    return resolver;
  }

  #end() {
    this.#over = true;
    this.#resolver.cancel();
    if (this.#answers) return;
    pausedUntil = Date.now() + PAUSE;
    log('error', 'the resolver does not answer', { pause: PAUSE });
  }
}

// Answered without DNS: the key of our own signatures, which may not be published yet, and names that are none
// (RFC 6761 6.4).
function own(name) {
  if (/(^|\.)invalid\.?$/.test(name)) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
  if (name !== `${settings.DKIM_KEY_SELECTOR}._domainkey.${settings.DKIM_DOMAIN_NAME}`) return undefined;
  ownKey ??= createPublicKey(readFileSync(settings.DKIM_PRIVATE_KEY_PATH)).export({ type: 'spki', format: 'der' });
  return [[`v=DKIM1; k=rsa; p=${ownKey.toString('base64')}`]];
}

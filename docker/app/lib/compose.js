// Makes a mail of what a person wrote.
import { randomUUID } from 'node:crypto';
import { domainToASCII } from 'node:url';
import addressparser from 'nodemailer/lib/addressparser';
import MailComposer from 'nodemailer/lib/mail-composer';
import { domain } from './accounts.js';
import { ADDRESS } from './address.js';
import { Invalid, TooBig } from './person-errors.js';
import { bytes, settings } from './settings.js';

const MEDIA_TYPE = /^(?!multipart\/)[\w.+-]+\/[\w.+-]+$/;
const CONTROL = /[\0-\x1f\x7f]/;

// `raw` is what is sent, `kept` what stays with the sender and names the hidden recipients, `recipients` are all of them.
// `message`: to, cc, bcc (text, or a list of texts or { name, address }), name (of the sender), subject, text, html,
// attachments ({ name, type, content }), inReplyTo, references.
export async function compose(sender, message) {
  const { name = '', subject = '', text = '', html, attachments = [], inReplyTo, references } = message;
  for (const [field, value] of Object.entries({ name, subject })) {
    if (CONTROL.test(value)) throw new Invalid(field, `The ${field} has a control character`);
  }
  const [to, cc, bcc] = ['to', 'cc', 'bcc'].map((field) => addresses(field, message[field]));
  const mail = {
    from: { name, address: sender },
    to,
    cc,
    bcc,
    subject,
    text: lines(text),
    html: html && lines(html),
    inReplyTo,
    references,
    date: new Date(),
    messageId: `<${randomUUID()}@${domain(sender)}>`,
    attachments: attachments.map(({ name: filename, type, content }) => ({
      filename: filename?.replaceAll(/[\0-\x1f\x7f]/g, ' '),
      contentType: MEDIA_TYPE.test(type) ? type : 'application/octet-stream',
      content,
      contentDisposition: 'attachment',
    })),
    // What a person writes names no file of this host and no page that it is to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
  const [node, copy] = [new MailComposer(mail).compile(), new MailComposer(mail).compile()];
  copy.keepBcc = true;
  const raw = await node.build();
  if (raw.length > bytes('SMTP_MESSAGE_MAX_SIZE')) throw new TooBig('The mail is too big');
  const { to: recipients } = node.getEnvelope();
  return { raw, kept: bcc.length ? await copy.build() : raw, recipients, messageId: mail.messageId };
}

// Who gets it is written on it: at least one, at most as many as smtp takes.
export function checkRecipients({ recipients }) {
  const most = Number(settings.MAX_RECIPIENTS);
  if (!recipients.length) throw new Invalid('to', 'A recipient is needed');
  if (recipients.length > most) throw new Invalid('to', `There are ${recipients.length} recipients, at most ${most} are taken`);
}

// The composer leaves the ends of lines as they are, and RFC 5322 2.3 knows one.
const lines = (written) => written.replace(/\r\n|\r|\n/g, '\r\n');

function addresses(field, value = []) {
  return [value].flat().flatMap((one) => {
    const parsed = typeof one === 'string' ? addressparser(one, { flatten: true }) : [one];
    return parsed.map(({ address: written, name = '' }) => {
      const address = written.replace(/[^@]*$/, (host) => domainToASCII(host));
      // What stands beside an address is a name: `a@x b@y` would be one recipient and not two.
      const two = ADDRESS.test(name) && name.toLowerCase() !== written.toLowerCase();
      if (!ADDRESS.test(address) || CONTROL.test(name) || two) {
        throw new Invalid(field, `Not a mail address: ${[name, written].filter(Boolean).join(' ')}`);
      }
      return { address, name };
    });
  });
}

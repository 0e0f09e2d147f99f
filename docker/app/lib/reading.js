// A mail as a person sees it: from what `sqlite` keeps beside it for a list, from its source to be read.
import PostalMime from 'postal-mime';

const MARKS = { seen: '\\Seen', answered: '\\Answered', flagged: '\\Flagged', draft: '\\Draft' };
// A forwarded mail is one attachment and not a part of this one.
const OPTIONS = { forceRfc822Attachments: true };

// The flags (RFC 9051 2.3.2) of `{ seen: true }`.
export const flags = (marks) => Object.keys(marks).map((mark) => MARKS[mark]);

export function summary({ uid, flags: has, date, size, envelope, bodystructure, sent }) {
  const [, subject, from, , , to, cc] = envelope;
  return {
    uid,
    ...marks(has),
    date: new Date(sent ?? date),
    received: new Date(date),
    size,
    from: envelopeAddresses(from),
    to: envelopeAddresses(to),
    cc: envelopeAddresses(cc),
    subject: string(subject),
    attachments: hasAttachment(bodystructure),
  };
}

// Addresses are lists of { name, address }; `attachments` lack their content, which `attachment` has.
export async function read({ uid, flags: has, date, size, raw }) {
  const mail = await parse(raw);
  const sent = Date.parse(mail.date);
  return {
    uid,
    ...marks(has),
    date: new Date(Number.isNaN(sent) ? date : sent),
    received: new Date(date),
    size,
    ...addresses(mail),
    subject: mail.subject ?? '',
    messageId: mail.messageId ?? null,
    inReplyTo: mail.inReplyTo ?? null,
    references: mail.references ?? null,
    text: mail.text ?? null,
    html: mail.html ?? null,
    attachments: mail.attachments.map((part, index) => ({
      index,
      name: name(part, index),
      type: part.mimeType,
      size: part.content.byteLength,
      inline: Boolean(part.related),
      contentId: part.contentId?.replace(/^<|>$/g, '') ?? null,
    })),
    headers: mail.headers.map(({ originalKey, value }) => ({ name: originalKey, value })),
  };
}

// { name, type, content }, or undefined.
export async function attachment({ raw }, index) {
  const part = (await parse(raw)).attachments[index];
  return part && { name: name(part, index), type: part.mimeType, content: Buffer.from(part.content) };
}

// A mail that cannot be understood is still a mail: its source is its text.
async function parse(raw) {
  try {
    return await PostalMime.parse(raw, OPTIONS);
  } catch (error) {
    return { subject: `(unreadable: ${error.message})`, text: raw.toString(), attachments: [], headers: [] };
  }
}

const marks = (has) => Object.fromEntries(Object.entries(MARKS).map(([mark, flag]) => [mark, has.includes(flag)]));

const name = ({ filename, mimeType }, index) =>
  filename ?? `${mimeType === 'message/rfc822' ? 'mail' : 'part'}-${index + 1}`;

// Groups (RFC 5322 3.4) are told by their members.
function addresses({ from, replyTo, to, cc, bcc }) {
  const lists = Object.entries({ from: from && [from], replyTo, to, cc, bcc });
  return Object.fromEntries(lists.map(([key, list = []]) => [key, list.flatMap((one) => one.group ?? [one])]));
}

// ENVELOPE (RFC 9051 7.5.2) has [name, route, local part, domain], and a group's name and end without a domain.
function envelopeAddresses(list) {
  const people = (list ?? []).filter(([, , , host]) => host);
  return people.map(([who, , local, host]) => ({ name: string(who), address: `${string(local)}@${string(host)}` }));
}

const string = (value) => (value ? Buffer.from(value).toString() : '');

// Whether a disposition (RFC 2183) in BODYSTRUCTURE says so.
function hasAttachment(structure) {
  if (!Array.isArray(structure)) return false;
  return String(structure[0]) === 'ATTACHMENT' || structure.some(hasAttachment);
}

// What a reply or a forwarded mail has in it before its writer begins.

// To everybody with `all`, never to the one who writes.
export function reply(mail, own, { all = false } = {}) {
  const others = (people) => people.filter(({ address }) => address.toLowerCase() !== own).map(tidy);
  const authors = mail.replyTo.length ? mail.replyTo : mail.from;
  // Who answers their own mail means those who got it.
  const to = others(authors).length ? others(authors) : mail.to.map(tidy);
  const known = new Set(to.map(({ address }) => address));
  return {
    to,
    cc: all ? others([...mail.to, ...mail.cc]).filter(({ address }) => !known.has(address)) : [],
    subject: prefixed('Re', mail.subject),
    text: `\n\n${when(mail)}, ${who(mail.from)} wrote:\n${quoted(mail)}\n`,
  };
}

export function forward(mail) {
  const head = [
    `From: ${list(mail.from)}`,
    `Date: ${mail.date.toUTCString()}`,
    `Subject: ${mail.subject}`,
    `To: ${list(mail.to)}`,
    ...(mail.cc.length ? [`Cc: ${list(mail.cc)}`] : []),
  ];
  const text = `\n\n---------- Forwarded mail ----------\n${head.join('\n')}\n\n${plain(mail)}\n`;
  return { subject: prefixed('Fwd', mail.subject), text };
}

// What was folded or encoded may have had controls in it, which are not to be sent again.
const line = (written) => written.replace(/[\s\0-\x1f\x7f]+/g, ' ');
const tidy = ({ name, address }) => ({ name: line(name), address });

function prefixed(prefix, subject) {
  return new RegExp(`^${prefix}:`, 'i').test(subject) ? line(subject) : `${prefix}: ${line(subject)}`;
}

const when = ({ date }) => `On ${date.toUTCString().slice(0, 16)}`;
const who = ([author]) => author?.name || author?.address || 'somebody';
const list = (people) => people.map(({ name, address }) => (name ? `${name} <${address}>` : address)).join(', ');

const quoted = (mail) =>
  plain(mail)
    .trimEnd()
    .split(/\r?\n/)
    .map((each) => (each.startsWith('>') ? `>${each}` : `> ${each}`))
    .join('\n');

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

// For those whose mail is HTML alone: its words. In time that grows with its length only, whatever is in it.
function plain({ text, html }) {
  if (text !== null || html === null) return text ?? '';
  return html
    .split(/<(?=\/?(?:head|title|style|script)\b)/i)
    .filter((piece, index) => index === 0 || piece.startsWith('/'))
    .map((piece, index) => (index === 0 ? piece : piece.replace(/^[^>]*>/, '')))
    .join('')
    .replace(/\s+/g, ' ')
    .replace(/<(br|\/p|\/div|\/tr|\/li|\/h\d)\b[^<>]*> ?/gi, '\n')
    .replace(/<[^<>]*>/g, '')
    .replace(/&(?:#(\d{1,6})|(\w{1,8}));/g, (entity, code, name) =>
      code ? String.fromCodePoint(Number(code)) : (ENTITIES[name] ?? entity),
    );
}

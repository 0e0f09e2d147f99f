// What is known of a mail's parts, by imap-core's parser; only the light half of its indexer is loaded.
import BodyStructure from 'wildduck/imap-core/lib/indexer/body-structure.js';
import createEnvelope from 'wildduck/imap-core/lib/indexer/create-envelope.js';
import parseMimeTree from 'wildduck/imap-core/lib/indexer/parse-mime-tree.js';

const UNREADABLE = Buffer.from('Subject: (unreadable)\r\n\r\n');
const PLAIN = new Set(['7bit', '8bit', 'binary']); // no other is allowed around a mail (RFC 2046 5.2.1)
const DEEPEST = 100; // parts in parts, as Dovecot has it
const LOOKED_THROUGH = 1024 * 1024; // bytes, and three times the mail's own size

// The parser's own ways into parts and mails know no end: by 300 kB it would hold up everybody for ten seconds, or throw.
class Parser extends parseMimeTree.MIMEParser {
  mails = [];

  constructor(raw, depth) {
    super(raw);
    this.depth = depth;
  }

  processNodeHeader() {
    super.processNodeHeader();
    const header = this._node.parsedHeader;
    // Given twice it is a list, and one that is folded would end the line of an ENVELOPE.
    if (header.date) [header.date] = [header.date].flat();
  }

  processContentType() {
    super.processContentType();
    const node = this._node;
    const { 'content-type': type, 'content-transfer-encoding': encoding = '7bit' } = node.parsedHeader;
    const mail = type.value === 'message/rfc822';
    if (mail) type.value = ''; // by which it would go in
    node.depth = (node.parentNode.depth ?? this.depth) + 1;
    if (node.depth > DEEPEST) node.multipart = node.boundary = false;
    else if (mail && PLAIN.has(encoding.toLowerCase())) this.mails.push(node);
  }
}

// The tree of a mail's parts. A mail that cannot be understood is still a mail.
export function parse(raw) {
  try {
    return partsOf(raw, { bytes: LOOKED_THROUGH + 3 * raw.length }, 0);
  } catch {
    return partsOf(UNREADABLE, { bytes: 0 }, 0);
  }
}

// What is too deep, or comes when `left` bytes have been looked through, is one part.
function partsOf(raw, left, depth) {
  left.bytes -= raw.length;
  const parser = new Parser(raw, depth);
  parser.parse();
  parser.finalizeTree();
  for (const node of parser.mails) {
    if (node.body.length <= left.bytes) node.message = partsOf(node.body, left, node.depth);
  }
  return parser.tree.childNodes[0];
}

// ENVELOPE, BODYSTRUCTURE and the time it was sent.
export function structure(raw) {
  try {
    return described(parse(raw));
  } catch {
    return described(parse(UNREADABLE));
  }
}

function described(tree) {
  // createEnvelope takes a subject for bytes, and of one that is given twice makes zeros.
  const subject = [tree.parsedHeader.subject].flat().find((words) => words?.trim()) ?? '';
  const bytes = Buffer.from(subject.replace(/\s*\n\s*/g, ' ')).toString('latin1');
  return {
    envelope: sayable(createEnvelope({ ...tree.parsedHeader, subject: bytes })),
    bodystructure: sayable(new BodyStructure(tree, { upperCaseKeys: true, skipContentLocation: false }).create()),
    sent: Date.parse(tree.parsedHeader.date) || null,
  };
}

// As it may stand in an answer: no line ends in what is said in quotes, no zeros in what is counted (RFC 9051 9). Text
// becomes bytes here: imap-core cuts each letter to its low byte, and those of U+010A and U+0122 end a line and a string.
function sayable(it) {
  if (Array.isArray(it)) return it.map(sayable);
  if (Buffer.isBuffer(it)) return Buffer.from(it.toString('latin1').replaceAll('\0', ' '), 'latin1');
  return typeof it === 'string' ? Buffer.from(it.replace(/\p{Cc}+/gu, ' ')) : it;
}

// All text of all parts, decoded.
export function text(node) {
  const { 'content-type': type, 'content-transfer-encoding': encoding } = node.parsedHeader;
  const own = type.type === 'text' && node.body?.length ? [decode(node.body, encoding, type.params.charset)] : [];
  const inner = [...(node.childNodes ?? []), ...(node.message ? [node.message] : [])];
  return [...own, ...inner.map(text)].join('\n');
}

function decode(body, encoding = '7bit', charset = 'utf-8') {
  const source = body.toString('latin1');
  const bytes = {
    base64: () => Buffer.from(source, 'base64'),
    'quoted-printable': () => quotedPrintable(source.replace(/=\r?\n/g, '')),
  }[encoding.toLowerCase()];
  return decodeCharset(bytes ? bytes() : Buffer.from(source, 'latin1'), charset);
}

function quotedPrintable(source) {
  return Buffer.from(
    source.replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  );
}

function decodeCharset(bytes, charset) {
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString('latin1'); // a charset that nobody knows
  }
}

// What is known of a mail's parts, by imap-core's parser; only the light half of its indexer is loaded.
import BodyStructure from 'wildduck/imap-core/lib/indexer/body-structure.js';
import createEnvelope from 'wildduck/imap-core/lib/indexer/create-envelope.js';
import parse from 'wildduck/imap-core/lib/indexer/parse-mime-tree.js';

export { parse };

const UNREADABLE = Buffer.from('Subject: (unreadable)\r\n\r\n');

// ENVELOPE, BODYSTRUCTURE and the time it was sent. A mail that cannot be understood is still a mail.
export function structure(raw) {
  try {
    return described(parse(raw));
  } catch {
    return described(parse(UNREADABLE));
  }
}

function described(tree) {
  return {
    envelope: createEnvelope(tree.parsedHeader),
    bodystructure: new BodyStructure(tree, { upperCaseKeys: true, skipContentLocation: false }).create(),
    sent: Date.parse(tree.parsedHeader.date) || null,
  };
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

// Encoded words (RFC 2047) of a raw header line.
export function words(line) {
  const joined = line.replace(/(\?=)\s+(=\?)/g, '$1$2').replace(/\r?\n(?=\s)/g, '');
  return joined.replace(/=\?([\w-]+)(?:\*\w+)?\?([BQ])\?([^?]*)\?=/gi, (word, charset, encoding, content) => {
    const base64 = encoding.toUpperCase() === 'B';
    return decodeCharset(
      base64 ? Buffer.from(content, 'base64') : quotedPrintable(content.replaceAll('_', ' ')),
      charset,
    );
  });
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

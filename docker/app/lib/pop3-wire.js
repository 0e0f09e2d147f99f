// Mails as POP3 sends them (RFC 1939 3): lines end in CRLF, and one that begins with a dot gets another in front.
const LF = 0x0a;
const PIECE = 64 * 1024; // bytes, so that a great mail is not copied as a whole

// The pieces of a multi-line answer, its end included. A bare LF becomes a line's end: clients that take it for one
// and those that do not would see the end of the mail in different places.
export function* multiline(raw) {
  for (let at = 0, end; at < raw.length; at = end) {
    end = raw.indexOf(LF, at + PIECE) + 1 || raw.length;
    yield raw
      .toString('latin1', at, end)
      .replace(/(?<!\r)\n/g, '\r\n')
      .replace(/(^|\n)\./g, '$1..');
  }
  yield raw.length && raw.at(-1) !== LF ? '\r\n.\r\n' : '.\r\n';
}

// The header, the empty line and as many lines of the body (RFC 1939 7, TOP).
export function top(raw, lines) {
  let left = Infinity;
  let at = 0;
  while (at < raw.length && left > 0) {
    const end = raw.indexOf(LF, at) + 1 || raw.length;
    if (left < Infinity) left -= 1;
    else if (end - at <= 2 && !raw.toString('latin1', at, end).trim()) left = lines;
    at = end;
  }
  return raw.subarray(0, at);
}

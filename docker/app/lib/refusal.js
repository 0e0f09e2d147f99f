// What a mailbox answers where what its user asked for cannot be. `code` is IMAP's response code (RFC 9051 7.1), or one of
// the same kind.
export class Refusal extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

export function refuse(code) {
  throw new Refusal(code);
}

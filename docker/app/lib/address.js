// What postbox takes for a mail address (RFC 5321 4.1.2): no quoted local parts, a domain in its ASCII form.
export const ADDRESS = /^[^\s\0-\x1f\x7f@<>"(),:;\\[\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$/u;

// The mail that tells a sender what could not be delivered: multipart/report (RFC 6522) with a delivery status (RFC 3464).
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { date, head } from './message.js';
import { settings } from './settings.js';

// `failures`: [{ address, reason, status }]
export function bounce(mail, failures) {
  const boundary = randomUUID();
  const part = (type, ...lines) => [`--${boundary}`, `Content-Type: ${type}`, '', ...lines, ''];
  const lines = [
    `From: Mail Delivery System <mailer-daemon@${settings.WEB_HOST}>`,
    `To: ${mail.sender}`,
    'Subject: Your mail could not be delivered',
    `Date: ${date()}`,
    `Message-ID: <${randomUUID()}@${settings.WEB_HOST}>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    '',
    ...part(
      'text/plain; charset=utf-8',
      'Your mail could not be delivered to:',
      '',
      ...failures.map(({ address, reason }) => `  ${address}: ${reason}`),
      '',
      'It will not be tried again. The header of your mail is attached.',
    ),
    ...part(
      'message/delivery-status',
      `Reporting-MTA: dns; ${hostname()}`,
      `Arrival-Date: ${date(new Date(mail.date))}`,
      ...failures.flatMap(({ address, reason, status }) => [
        '',
        `Final-Recipient: rfc822; ${address}`,
        'Action: failed',
        `Status: ${status}`,
        `Diagnostic-Code: smtp; ${reason}`,
      ]),
    ),
    ...part('text/rfc822-headers', head(mail.raw)),
    `--${boundary}--`,
    '',
  ];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

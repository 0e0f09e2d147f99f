// The service's certificate, and who speaks TLS from the first byte.
import { readFileSync } from 'node:fs';
import { settings } from './settings.js';

export function certificate() {
  return {
    key: readFileSync(settings.WEB_SSL_KEY_PATH),
    cert: readFileSync(settings.WEB_SSL_CERT_PATH),
    minVersion: 'TLSv1.2',
  };
}

// The application goes by the number alone (465, 2465); postbox takes any number that ends so, for port offsets.
export function implicit(port, ending) {
  return String(port).endsWith(ending);
}

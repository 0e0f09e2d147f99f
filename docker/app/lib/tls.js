// Certificates, and who speaks TLS from the first byte.
import { readFileSync } from 'node:fs';
import { TLSSocket } from 'node:tls';
import { settings } from './settings.js';

// smtp-server asks it of every socket whose handshake failed, and Node 24 dies of a null pointer when that socket has
// let go of its TLS state already: a client that leaves at the wrong moment would end the role.
const { getProtocol } = TLSSocket.prototype;
TLSSocket.prototype.getProtocol = function () {
  return this.ssl ? getProtocol.call(this) : null;
};

// That of the roles that share one, or the one that a role has for itself.
export function certificate(prefix = 'WEB') {
  return {
    key: readFileSync(settings[`${prefix}_SSL_KEY_PATH`]),
    cert: readFileSync(settings[`${prefix}_SSL_CERT_PATH`]),
    minVersion: 'TLSv1.2',
  };
}

// The application goes by the number alone (465, 2465); postbox takes any number that ends so, for port offsets.
export function implicit(port, ending) {
  return String(port).endsWith(ending);
}

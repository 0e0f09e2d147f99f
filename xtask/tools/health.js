// What one would write for Node as a health check: no packages, and the certificate is checked. Beside `berth-init health` in the benchmark.
const [kind, port, authority] = process.argv.slice(2);
const fs = require('node:fs'), https = require('node:https'), net = require('node:net'), tls = require('node:tls');
const trust = { ca: fs.readFileSync(authority), host: '127.0.0.1', port: Number(port), servername: 'localhost', checkServerIdentity() {} };
const failed = (error) => { console.error(error); process.exit(1); };
const healthy = () => process.exit(0);
if (kind === 'https') {
  https.get({ ...trust, path: '/' }, (answer) => (answer.statusCode < 500 ? healthy() : failed(answer.statusCode))).on('error', failed);
} else if (kind === 'imaps') {
  tls.connect(trust).on('error', failed).once('data', (line) => (String(line).startsWith('* OK') ? healthy() : failed(line)));
} else {
  const socket = net.connect(trust.port, trust.host).on('error', failed);
  const steps = [[/^220/, 'EHLO localhost\r\n'], [/STARTTLS/, 'STARTTLS\r\n'], [/^220/, null]];
  socket.on('data', (line) => {
    const [expected, next] = steps.shift();
    if (!expected.test(line)) failed(String(line));
    if (next) return socket.write(next);
    socket.removeAllListeners('data');
    tls.connect({ ...trust, socket }, healthy).on('error', failed);
  });
}

// One line of JSON per event on stderr. Secrets, passwords and mail never go into the fields.
export function log(level, message, fields = {}) {
  const { error, ...rest } = fields;
  const cause = error && { error: error.message, code: error.code };
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...rest, ...cause })}\n`);
}

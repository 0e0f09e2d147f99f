// What the application's loader makes of settings (dotenv 8, mustache, dotenv-parse-variables): of mustache the values of
// other settings alone. The loader itself would cost each role some 15 MB.
const ESCAPED = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '/': '&#x2F;',
  '`': '&#x60;',
  '=': '&#x3D;',
};

export function parse(text) {
  const pairs = text.split(/[\r\n]/).map((line) => /^\s*([\w.-]+)\s*=\s*(.*)$/.exec(line));
  return Object.fromEntries(pairs.filter(Boolean).map(([, key, value]) => [key, unquote(value)]));
}

// Quotes are stripped where they end the line, \n counts inside double quotes only, and there are no inline comments.
function unquote(value) {
  if (/^".*"$/.test(value)) return value.slice(1, -1).replaceAll('\\n', '\n');
  return /^'.*'$/.test(value) ? value.slice(1, -1) : value.trim();
}

// Each value that names others is filled in, in order, so that the next one sees it filled; twice, so that what is named may
// name others in turn.
export function fill(all) {
  const value = (_, raw, mark, name) => {
    const found = String(all[name] ?? '');
    return raw || mark ? found : found.replace(/[&<>"'/`=]/g, (letter) => ESCAPED[letter]);
  };
  for (const key of [...Object.keys(all), ...Object.keys(all)]) {
    all[key] = all[key].replace(/\{\{(\{?)\s*(&?)\s*([\w-]+)\s*\}?\}\}/g, value);
  }
  return all;
}

// The text of what the loader makes of a value: a flag, a number, a list, or the text without what protected it.
export function arrives(text) {
  if (text[0] === '`' && text.endsWith('`')) return text.slice(1, -1);
  if (text.endsWith('*') && !text.includes(',')) return text.slice(0, -1);
  if (/^(true|false)$/i.test(text)) return text.toLowerCase();
  if (text.trim() && !Number.isNaN(Number(text))) return String(Number(text));
  return text.split(',').filter(Boolean).map((part) => (part === text ? part : arrives(part))).join(',');
}

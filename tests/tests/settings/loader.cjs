// The application's own loader, for the test of ours: reads a folder and an environment from each line of standard input,
// as JSON, and answers with the settings that @ladjs/env loads there, or with its error.
const { createRequire } = require('node:module');

const load = createRequire(`${process.env.BERTH_TEST_APP}/package.json`)('@ladjs/env');

// Not by readline, to which U+2028 ends a line, too.
let unread = '';
process.stdin.setEncoding('utf8').on('data', (text) => {
  const lines = (unread + text).split('\n');
  unread = lines.pop();
  for (const line of lines) process.stdout.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`);
});

function answer({ folder, environment }) {
  process.chdir(folder);
  for (const key of Object.keys(process.env)) delete process.env[key];
  for (const [key, value] of environment) process.env[key] = value;
  try {
    return { settings: Object.entries(load()).map(([key, value]) => [key, String(value), tell(value)]) };
  } catch (error) {
    return { error: error.message };
  }
}

// The value with the types of its parts, of which String() says nothing.
function tell(value) {
  if (Array.isArray(value)) return `[${value.map((part) => tell(part)).join(' ')}]`;
  return `${typeof value} ${JSON.stringify(String(value))}`;
}

// What keeps a role at rest small.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// V8's optimizing compiler is 5 MB of a role's memory from the first function on that it is asked for, and loading or a
// single mail makes one hot enough; Maglev compiles what is hot as well. Measured, decision 0003: small mails go through
// as fast, mails of 4 MB take a sixth longer. For this to come first, entrypoints import life.js, which imports this,
// before anything else, and hono when they start: where a module's imports are many, finding them makes functions hot.
setFlagsFromString('--no-turbofan');

// To be called once, when everything is loaded. The collection frees some 5 MB and takes 20-40 ms.
export function loaded() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

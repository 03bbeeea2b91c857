import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { betrays, readings } from '#src/upstream/quotable.ts';

/** What every secret of the tests begins with. `test/run.ts` looks for it in all that the tests print. */
export const mark = 's3cret-in-tests-';

/** A secret that is known when it comes out, also in a Basic header or in a URL. */
export function secret(name: string): string {
  return `${mark}${name}`;
}

/** The mark as it is, and in base64 wherever it may begin there. */
const forms = [
  mark,
  ...[0, 1, 2].map((lead) => {
    const encoded = Buffer.from(`${'x'.repeat(lead)}${mark}`).toString('base64');
    return encoded.slice(Math.ceil((lead * 4) / 3), Math.floor(((lead + mark.length) * 4) / 3));
  }),
];

/** The surroundings of the first secret in the text, if there is one in any form in which it can be read. */
export function secretIn(text: string): string | undefined {
  const found = forms.map((form) => text.indexOf(form)).filter((at) => at >= 0);
  if (found.length === 0) return betrays(readings(text), [mark]) ? text.slice(0, 2000) : undefined;
  const at = Math.min(...found);
  return text.slice(Math.max(0, at - 200), at + 100);
}

/**
 * Fails if a secret is in what comes out: a log, an answer, an error. Whoever writes to a log may swallow what is thrown there:
 * hence the test file fails as a whole, too.
 */
export function assertSecretless(value: unknown, where: string): void {
  const leak = secretIn(typeof value === 'string' ? value : inspect(value, { depth: 10 }));
  if (leak === undefined) return;
  process.exitCode = 1;
  const message = `a secret came out, in ${where}: …${leak}…`;
  process.stderr.write(`${message}\n`);
  assert.fail(message);
}

import assert from 'node:assert/strict';

/** None of the secrets may be in the text, neither as it is nor in base64. */
export function assertWithout(secrets: readonly string[], text: string): void {
  for (const secret of secrets) {
    for (const form of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]) {
      assert.ok(
        !text.includes(form),
        `a secret came out: ${text.slice(Math.max(0, text.indexOf(form) - 200), text.indexOf(form))}…`,
      );
    }
  }
}

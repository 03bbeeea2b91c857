import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { secret, secretIn } from '#test/fakes/secrets.ts';
import { SecretWatch } from '#test/setup/secret-watch.ts';

describe('a secret of the tests', () => {
  const percent = (text: string) => Buffer.from(text).toString('hex').replaceAll(/../g, '%$&');
  const escaped = (text: string) =>
    Buffer.from(text)
      .toString('hex')
      .replaceAll(/(..)(..)/g, '\\u00$1&#x$2;');
  const found = (text: string) => secretIn(text) !== undefined;

  it('is found as it is, in a URL and in base64 at any place', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, behind) => {
        const text = `${before}${secret('x')}${behind}`;
        return (
          found(text) &&
          found(encodeURIComponent(secret(`${behind.length}`))) &&
          found(Buffer.from(text).toString('base64')) &&
          found(Buffer.from(text).toString('base64url')) &&
          found(encodeURIComponent(Buffer.from(text).toString('base64'))) &&
          found(`${before} ${percent(secret('x'))}`) &&
          found(`${before} ${encodeURIComponent(percent(secret('x')))}`) &&
          found(`${before} ${escaped(secret('x'))}`)
        );
      }),
    );
  });

  it('is not found where there is none', () => {
    fc.assert(fc.property(fc.string(), (text) => !found(text) && !found(btoa(encodeURIComponent(text)))));
  });

  it('is found in what tests print, also where it comes in two parts', () => {
    const text = `a line\n${secret('x')}\nand more`;
    for (let at = 0; at < text.length; at += 1) {
      const watch = new SecretWatch().resume();
      for (const chunk of ['x'.repeat(500), text.slice(0, at), text.slice(at)]) if (chunk) watch.write(chunk);
      assert.ok(watch.found, `cut at ${at}`);
    }
    const watch = new SecretWatch().resume();
    watch.write('nothing of that kind');
    assert.equal(watch.found, undefined);
  });
});

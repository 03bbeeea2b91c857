import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Form } from '#src/door/tokens/sent-form.ts';
import { TokenError } from '#src/door/tokens/token-error.ts';

const fields = (count: number): string => Array.from({ length: count }, (_, at) => `f${at}=${at}`).join('&');
const refused = (why: RegExp) => (error: unknown) =>
  error instanceof TokenError && error.code === 'invalid_request' && why.test(error.message);

describe('a form', () => {
  it('says what it says, an empty value as if it was not there', () => {
    const form = new Form('grant_type=password&username=a+b&scope=');
    assert.deepEqual(
      ['grant_type', 'username', 'scope', 'other'].map((name) => form.get(name)),
      ['password', 'a b', undefined, undefined],
    );
  });

  it('has each name once', () => {
    assert.throws(() => new Form('a=1&b=2&a=1'), refused(/more than once/));
  });

  it('has so many fields, and no more', () => {
    assert.equal(new Form(fields(50)).get('f49'), '49');
    assert.throws(() => new Form(fields(51)), refused(/at most 50/));
  });
});

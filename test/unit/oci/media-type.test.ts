import assert from 'node:assert/strict';
import { it } from 'node:test';
import { mediaTypeOf, ociIndex } from '#src/oci/media-type.ts';

it('a media type is read without parameters and in lower case, and only what is fit for a header is one', () => {
  const rows: [text: string | undefined, want: string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    [ociIndex, ociIndex],
    [' Application/JSON ; charset=utf-8', 'application/json'],
    ['application', undefined],
    ['foo bar/baz', undefined],
    ['a/b\r\nX-Evil: 1', undefined],
    ['a/€', undefined],
    ['a/é', undefined],
    [`a/${'b'.repeat(1000)}`, undefined],
  ];
  for (const [text, want] of rows) assert.equal(mediaTypeOf(text), want, text);
});

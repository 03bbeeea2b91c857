import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nextLink } from '#src/upstream/link.ts';

describe('the next page of a Link header', () => {
  for (const [header, want] of [
    ['</v2/a/tags/list?n=2&last=b>; rel="next"', '/v2/a/tags/list?n=2&last=b'],
    ['<https://h/x>;rel=next', 'https://h/x'],
    ['</p>; rel="prev", </n>; rel="next"', '/n'],
    ['</n>; title="a, b" ; REL = "Next" ; type="x"', '/n'],
    ['</n>; rel="prev next"', '/n'],
    ['</p>; rel="prev"', undefined],
    ['</p>; rel="nextone"', undefined],
    ['</p>; xrel="next"', undefined],
    ['/v2/a; rel="next"', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const) {
    it(`of ${header ?? 'nothing'} is ${want ?? 'none'}`, () => assert.equal(nextLink(header), want));
  }

  it('is found in steps that grow with the length of the header, whatever it is made of', () => {
    for (const piece of ['<', '<>', '<>;', '; rel', ';rel = ', '<>;   rel', ' ']) {
      assert.equal(nextLink(piece.repeat(200_000)), undefined);
    }
    fc.assert(fc.property(fc.string(), (header) => typeof nextLink(header) !== 'object'));
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isTagText, parseTag } from '#src/oci/reference.ts';
import { parseTagPage } from '#src/oci/tag-page.ts';

const page = (value: unknown, maxEntries = 1000) =>
  parseTagPage(Buffer.from(JSON.stringify(value)), maxEntries);

describe('a page of tags', () => {
  it('has what are tags of its entries, however many others there are', () => {
    assert.deepEqual(page({ name: 'a', tags: ['b', null, '', 5, 'a b', {}, ['c'], 'sha256:abc', 'a'] }), {
      tags: ['b', 'a'],
      entries: 9,
      isCut: false,
    });
    for (const value of [null, [], {}, { tags: null }, { tags: 'latest' }, { tags: { a: 'b' } }]) {
      assert.deepEqual(page(value), { tags: [], entries: 0, isCut: false });
    }
  });

  it('has no more entries than are wanted, and says so', () => {
    assert.deepEqual(page({ tags: ['!', 'a', 'b', 'c'], name: 'x' }, 3), {
      tags: ['a', 'b'],
      entries: 3,
      isCut: true,
    });
    assert.deepEqual(page({ tags: ['a', 'b', 'c'] }, 3), { tags: ['a', 'b', 'c'], entries: 3, isCut: false });
  });

  it('takes for a tag what the parser of tags takes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\w.-]{1,130}$/)), (text) => {
        let isTag = true;
        try {
          parseTag(text);
        } catch {
          isTag = false;
        }
        assert.equal(isTagText(text), isTag);
      }),
    );
  });
});

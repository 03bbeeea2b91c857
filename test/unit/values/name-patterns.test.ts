import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { namePatterns, PatternError } from '#src/values/name-patterns.ts';

const alpine = 'docker.io/library/alpine:3.20';

describe('patterns of names', () => {
  it('match what one of them finds something in, and all names where there is none', () => {
    for (const [text, matches] of [
      ['', true],
      ['alpine', true],
      ['^alpine', false],
      ['busybox,alpine:3', true],
      ['busybox,,debian', false],
    ] as const)
      assert.equal(namePatterns(text)(alpine), matches, text);
  });

  it('are in the notation of Go', () => {
    for (const text of [
      '(?i)ALPINE',
      'alpine:[[:digit:]]',
      '3\\.20\\z',
      '(?P<version>3.20)$',
      '\\Qalpine:3.\\E',
    ])
      assert.equal(namePatterns(text)(alpine), true, text);
    for (const text of ['(?=alpine)', '(a)\\1', '(?<!x)y', 'a{1001}'])
      assert.throws(() => namePatterns(text), PatternError, text);
  });

  it('are refused by what they say, and bounded', () => {
    assert.throws(() => namePatterns('alpine,(a'), /"\(a" is no regular expression/);
    assert.throws(() => namePatterns(',,'), /",," has commas, and no regular expression between them/);
    assert.throws(() => namePatterns('a'.repeat(2001)), PatternError);
    assert.throws(() => namePatterns('((a{1000}){1000}){1000}'), PatternError);
    assert.throws(() => namePatterns(Array(190).fill(String.raw`\pL{1000}`).join(',')), PatternError);
    assert.equal(namePatterns(`${'b'.repeat(1900)},alpine`)(alpine), true);
  });

  it('end, whatever they are made of', () => {
    const name = `docker.io/${'a'.repeat(200)}!`;
    for (const text of ['(a+)+$', '(a|aa)+$', '(.*a){12}$', '(a?){30}a{30}$'])
      assert.equal(namePatterns(text)(name), false, text);
  });
});

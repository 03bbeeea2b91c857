import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nearest } from '#src/config/suggestion.ts';

const words = ['port', 'host', 'password', 'passwordFile', 'cache', 'alias'];

describe('nearest', () => {
  const pairs: [word: string, meant: string | undefined][] = [
    ['pasword', 'password'],
    ['passwrod', 'password'],
    ['PASSWORD', 'password'],
    ['passwordfile', 'passwordFile'],
    ['prot', 'port'],
    ['caches', 'cache'],
    ['freshness', undefined],
    ['x', undefined],
    ['', undefined],
    ['p'.repeat(10_000), undefined],
  ];
  for (const [word, meant] of pairs) {
    it(`takes ${word.slice(0, 20)} for ${meant}`, () => assert.equal(nearest(word, words), meant));
  }
});

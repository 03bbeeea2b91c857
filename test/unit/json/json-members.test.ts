import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type JsonMember, jsonMembers } from '#src/json/json-members.ts';

async function members(text: string, length = 3): Promise<JsonMember[]> {
  async function* pieces() {
    const all = Buffer.from(text);
    for (let at = 0; at < all.length; at += length) yield all.subarray(at, at + length);
  }
  return await Array.fromAsync(jsonMembers(pieces(), 'a list'));
}

describe('the members of an object', () => {
  const object = {
    a: 1,
    'b "]}': [{ x: [1, '}'] }, 'y\\"z', -2.5e3, null, [[]], {}],
    c: {},
    d: [],
    e: 'ü',
    f: true,
  };
  const wanted = [
    { key: 'a', value: 1, isEntry: false },
    ...object['b "]}'].map((value) => ({ key: 'b "]}', value, isEntry: true })),
    { key: 'c', value: {}, isEntry: false },
    { key: 'e', value: 'ü', isEntry: false },
    { key: 'f', value: true, isEntry: false },
  ];

  for (const length of [1, 2, 7, 1000])
    it(`come as they are, lists an entry at a time, in pieces of ${length}`, async () => {
      assert.deepEqual(await members(JSON.stringify(object), length), wanted);
      assert.deepEqual(await members(`\uFEFF${JSON.stringify(object, undefined, 2)}\n`, length), wanted);
    });

  const wrong: [what: string, text: string, message: RegExp][] = [
    ['nothing', '', /breaks off/],
    ['a list', '[1]', /is not JSON/],
    ['what breaks off in a list', '{"a":[1,', /breaks off/],
    ['what breaks off in a value', '{"a":[{"b":1', /breaks off/],
    ['a word', '{"a":[nothing]}', /is not JSON/],
    ['a key that is no text', '{1:2}', /is not JSON/],
    ['a member without a value', '{"a":}', /is not JSON/],
    ['one without a colon', '{"a" 1}', /is not JSON/],
    ['a bracket too many', '{"a":[}]}', /is not JSON/],
    ['bytes that are no text', '{"a":"\u0000"}', /is not JSON/],
  ];
  for (const [what, text, message] of wrong)
    it(`are not those of ${what}`, async () => {
      await assert.rejects(members(text), message);
    });

  it('have bounds', async () => {
    await assert.rejects(members(`{"a":["${'x'.repeat(2_000_000)}"]}`, 65_536), /more than 1048576 bytes/);
    await assert.rejects(members(`{"a":[${'['.repeat(200)}`), /nests too deep/);
    const many = await members(`{"a":[${'"x",'.repeat(300_000)}"x"]}`, 65_536);
    assert.equal(many.length, 300_001);
  });
});

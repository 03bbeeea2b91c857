import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '#src/oci/fault.ts';
import { parseCutJson, parseJson } from '#src/oci/json.ts';

const parsed = (text: string) => parseJson(Buffer.from(text), 'a thing');

describe('JSON of others', () => {
  it('is read as it is, whatever stands in its texts', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        assert.deepEqual(parsed(JSON.stringify(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
    assert.equal(parsed(JSON.stringify('['.repeat(1000))), '['.repeat(1000));
    assert.equal(
      parsed(JSON.stringify('"\\'.repeat(1000) + '{'.repeat(1000))),
      '"\\'.repeat(1000) + '{'.repeat(1000),
    );
    assert.ok(parsed(`${'[],'.repeat(0)}[${'[],'.repeat(1000)}[]]`));
  });

  it('is refused where it is none, and before it is parsed where it nests too deep', () => {
    for (const text of ['', '{', '"', '"\\', '\u0000']) {
      assert.throws(() => parsed(text), new Fault('a thing that is not JSON'));
    }
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const text = `${open.repeat(1000)}1${close.repeat(1000)}`;
      assert.throws(() => parsed(text), new Fault('a thing that nests too deep'));
    }
  });

  it('is refused before it is parsed where it holds more values than anybody needs', () => {
    for (const text of [
      `[${'{},'.repeat(250_000)}{}]`,
      `{"a":"${'x'.repeat(300_000)}","b":[${'0,'.repeat(250_000)}0]}`,
    ]) {
      assert.throws(() => parsed(text), new Fault('a thing of more than 250000 values'));
    }
    assert.ok(parsed(`{"a":"${',[{'.repeat(300_000)}"}`));
  });

  it('says nothing of the text, nor what the parser says, which quotes it', () => {
    assert.throws(
      () => parsed('{"token":"abc'),
      (error: Error) => error.cause === undefined && !error.message.includes('abc'),
    );
  });

  it('is read as far as a list has entries that are wanted, and what is behind them is not looked at', () => {
    const cut = (text: string, maxEntries: number) => parseCutJson(Buffer.from(text), 'a list', maxEntries);
    for (const [text, json, isCut] of [
      ['{"a":[1,2],"b":[3]}', { a: [1, 2], b: [3] }, false],
      ['{"a":[1,2,3],"b":0}', { a: [1, 2] }, true],
      ['{"b":{"c":1,"d":2,"e":3},"a":[1]}', { b: { c: 1, d: 2, e: 3 }, a: [1] }, false],
      ['{"a":[[1,2,3,4],{"x":[5,6,7]},8]}', { a: [[1, 2, 3, 4], { x: [5, 6, 7] }] }, true],
      ['{"a":[",",",",","]}', { a: [',', ','] }, true],
      ['{"a":[1,2,{{{', { a: [1, 2] }, true],
      ['[[1,2,3],4]', [[1, 2, 3], 4], false],
    ] as const) {
      assert.deepEqual(cut(text, 2), { json, isCut }, text);
    }
  });
});

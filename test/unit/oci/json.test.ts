import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '#src/oci/json.ts';

const parsed = (text: string) => parseJson(Buffer.from(text), 'a thing');

describe('JSON of upstream’s', () => {
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
      assert.throws(() => parsed(text), {
        code: 'UNAVAILABLE',
        message: 'upstream sent a thing that is not JSON',
      });
    }
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const text = `${open.repeat(1000)}1${close.repeat(1000)}`;
      assert.throws(() => parsed(text), { code: 'UNAVAILABLE', message: /nests too deep/ });
    }
  });
});

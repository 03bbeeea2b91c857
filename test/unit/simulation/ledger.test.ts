import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { repository as parsed } from '#test/fakes/cache-under-test.ts';
import { Ledger } from '#test/simulation/ledger.ts';

const layer = {
  ...{ repository: parsed('registry.one/a'), kind: 'blob' as const },
  reference: sha256(Buffer.from('a layer')),
};

describe('what a simulation promises its clients', () => {
  it('is not what went while they read it', () => {
    for (const go of [
      (ledger: Ledger) => ledger.forget(layer),
      (ledger: Ledger) => ledger.forgetDigest(layer.reference),
    ]) {
      let now = 0;
      const ledger = new Ledger(() => now);
      now = 100;
      go(ledger);
      now = 120;
      ledger.note({ ...layer, since: now }, { at: 90, remembering: undefined });
      assert.equal(ledger.known(layer), undefined, 'asked for before it went');
      ledger.note({ ...layer, since: now }, { at: 110, remembering: undefined });
      assert.equal(ledger.known(layer)?.since, 120, 'asked for again');
    }
  });

  it('is not what a server remembers that another has removed, until it has heard of that', () => {
    const promised = (at: number, remembering: string | undefined): boolean => {
      let now = 100;
      const ledger = new Ledger(() => now);
      ledger.forget(layer, 'two');
      now = 2000;
      ledger.note({ ...layer, since: now }, { at, remembering });
      return ledger.known(layer) !== undefined;
    };
    assert.equal(promised(150, 'one'), false, 'out of the other memory');
    assert.equal(promised(150, undefined), true, 'from upstream');
    assert.equal(promised(150, 'two'), true, 'by who removed it');
    assert.equal(promised(1101, 'one'), true, 'a second later');
  });
});

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
      ledger.note({ ...layer, since: now }, 90);
      assert.equal(ledger.known(layer), undefined, 'asked for before it went');
      ledger.note({ ...layer, since: now }, 110);
      assert.equal(ledger.known(layer)?.since, 120, 'asked for again');
    }
  });
});

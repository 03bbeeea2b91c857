import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { endLease, leaseContent } from '#src/storage/operation.ts';
import { Leases } from '#test/simulation/leases.ts';

const [leased, other] = [sha256(Buffer.from('leased')), sha256(Buffer.from('other'))];

describe('the leases of a simulation', () => {
  it('hold from when they are settled until they run out', () => {
    const leases = new Leases();
    leases.note([leaseContent([leased], 'import', 5000)], 100);
    assert.equal(leases.has(leased, 100, 4999), false, 'not settled before');
    assert.equal(leases.has(leased, 101, 4999), true);
    assert.equal(leases.has(leased, 101, 5000), false, 'run out');
    assert.equal(leases.has(other, 101, 4999), false);
  });

  it('are not shortened by another', () => {
    const leases = new Leases();
    leases.note([leaseContent([leased], 'import', 5000)], 100);
    leases.note([leaseContent([leased], 'load', 3000)], 200);
    assert.equal(leases.has(leased, 101, 4000), true);
  });

  it('are ended by their holder alone', () => {
    const leases = new Leases();
    leases.note([leaseContent([leased], 'import', 5000), leaseContent([leased], 'load', 5000)], 100);
    leases.note([endLease([leased], 'import')], 200);
    assert.equal(leases.has(leased, 300, 4000), true);
    leases.note([endLease([leased], 'load')], 200);
    assert.equal(leases.has(leased, 300, 4000), false);
  });
});

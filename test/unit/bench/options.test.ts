import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readOptions } from '../../bench/options.ts';

describe('the command line of the bench', () => {
  it('runs all that is usual where nothing is said', () => {
    const { rounds, only, scale, peers } = readOptions([]);
    assert.equal(rounds, 5);
    assert.ok(only.includes('images') && !only.includes('slow-readers'));
    assert.deepEqual([scale, peers], [undefined, []]);
  });

  it('takes any number of peers, and a part of the dimensions', () => {
    const { peers } = readOptions(['--peer', 'before=node b.js', '--peer', 'zot=zot serve {zot}']);
    assert.deepEqual(
      peers.map(({ name }) => name),
      ['before', 'zot'],
    );
    assert.deepEqual(readOptions(['--scale', 'images,clients']).scale, ['images', 'clients']);
    assert.ok(Number(readOptions(['--scale']).scale?.length) > 4);
  });

  it('refuses what it does not know, and names what there is', () => {
    assert.throws(() => readOptions(['--only', 'imagse']), /no imagse, but manifests, images/);
    assert.throws(() => readOptions(['--scale', 'imagse']), /no imagse, but images, clients/);
    assert.throws(() => readOptions(['--rounds', '0']), /--rounds/);
    assert.throws(() => readOptions(['images']), /images/);
    for (const name of ['ociregistry', 'docker-registry'])
      assert.throws(() => readOptions(['--peer', `${name}=x`]), /name/);
    assert.throws(() => readOptions(['--peer', 'a=x', '--peer', 'a=y']), /name/);
  });
});

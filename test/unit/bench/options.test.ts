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

  it('takes how much goes through how little, in how long', () => {
    const mebibyte = 1024 * 1024;
    assert.deepEqual(readOptions(['--day', '200,50']).day, {
      bytes: 200 * mebibyte,
      quotaBytes: 50 * mebibyte,
      minutes: 10,
    });
    assert.equal(readOptions(['--day', '200,50,3']).day?.minutes, 3);
    assert.equal(readOptions(['--life', '100000']).life, 100_000);
    for (const day of ['200', '200,50,3,1', '0,1', '1GB,1'])
      assert.throws(() => readOptions(['--day', day]), /--day/);
    assert.throws(() => readOptions(['--life', 'x']), /--life/);
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

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groupsIn, userIn } from '#src/door/tokens/token-claims.ts';

const payload = {
  sub: 'u',
  groups: ['a', 7, '', 'b', 'c\n'],
  scope: 'x y',
  'realm_access.roles': ['whole'],
  realm_access: { roles: ['member'], name: 'inner' },
  'kubernetes.io': { namespace: 'builds', 'a.b': { c: 'deep' } },
  kubernetes: { io: { pod: 'p' } },
};

describe('claims', () => {
  it('list groups as a list or as one text; what is no name is left out', () => {
    assert.deepEqual(groupsIn(payload, 'groups'), ['a', 'b']);
    assert.deepEqual(groupsIn(payload, 'scope'), ['x', 'y']);
    assert.deepEqual(groupsIn(payload, 'none'), []);
  });

  it('are found by their whole name before they are looked for inside', () => {
    assert.deepEqual(groupsIn(payload, 'realm_access.roles'), ['whole']);
    assert.equal(userIn(payload, 'realm_access.name'), 'inner');
  });

  it('are found inside members whose own names have dots', () => {
    assert.deepEqual(groupsIn(payload, 'kubernetes.io.namespace'), ['builds']);
    assert.equal(userIn(payload, 'kubernetes.io.a.b.c'), 'deep');
    assert.equal(userIn(payload, 'kubernetes.io.pod'), 'p');
    for (const claim of ['kubernetes.io.none', 'kubernetes.io.', '.', '..', 'kubernetes..io'])
      assert.equal(userIn(payload, claim), undefined);
  });

  it('are none of what every object has', () => {
    for (const claim of ['constructor', 'constructor.name', '__proto__', 'sub.length', 'toString'])
      assert.equal(userIn(payload, claim), undefined);
  });
});

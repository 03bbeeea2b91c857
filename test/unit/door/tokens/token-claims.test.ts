import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groupsIn, scopesIn, userIn, valuesIn } from '#src/door/tokens/token-claims.ts';

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

  it('are found inside by names that have dots themselves', () => {
    const token = {
      'kubernetes.io': { namespace: 'ci', 'pod.x': { name: 'p' } },
      a: { b: 1 },
      'a.b': { c: 2 },
    };
    assert.deepEqual(valuesIn(token, 'kubernetes.io.namespace'), ['ci']);
    assert.deepEqual(valuesIn(token, 'kubernetes.io.pod.x.name'), ['p']);
    assert.deepEqual(valuesIn(token, 'a.b.c'), ['2']);
    assert.deepEqual(valuesIn(token, 'a.c'), []);
  });

  it('are found inside members whose own names have dots', () => {
    assert.deepEqual(groupsIn(payload, 'kubernetes.io.namespace'), ['builds']);
    assert.equal(userIn(payload, 'kubernetes.io.a.b.c'), 'deep');
    assert.equal(userIn(payload, 'kubernetes.io.pod'), 'p');
    for (const claim of ['kubernetes.io.none', 'kubernetes.io.', '.', '..', 'kubernetes..io'])
      assert.equal(userIn(payload, claim), undefined);
  });

  it('have values as texts, one or many, and no others', () => {
    const token = { yes: true, n: 7, list: ['a', 1, null, { a: 1 }, false], no: null, map: { a: 1 } };
    assert.deepEqual(valuesIn(token, 'yes'), ['true']);
    assert.deepEqual(valuesIn(token, 'n'), ['7']);
    assert.deepEqual(valuesIn(token, 'list'), ['a', '1', 'false']);
    for (const claim of ['no', 'map', 'none', 'constructor']) assert.deepEqual(valuesIn(token, claim), []);
  });

  it('list every group that there is, for a rule may keep the last one out', () => {
    const groups = Array.from({ length: 4000 }, (_, at) => `g${at}`);
    assert.equal(groupsIn({ groups }, 'groups').at(-1), 'g3999');
  });

  it('say scopes as a text or as a list, by either name', () => {
    assert.deepEqual(scopesIn({ scope: ' a  b' }), ['a', 'b']);
    assert.deepEqual(scopesIn({ scope: ['a b', 'c'], scp: ['d', 7] }), ['a', 'b', 'c', 'd']);
    assert.deepEqual(scopesIn({ scope: 7 }), []);
  });

  it('are none of what every object has', () => {
    for (const claim of ['constructor', 'constructor.name', '__proto__', 'sub.length', 'toString'])
      assert.equal(userIn(payload, claim), undefined);
  });
});

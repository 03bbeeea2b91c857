import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Scope } from '#src/oci/scope.ts';

const word = fc.oneof(
  fc.constantFrom('*', 'aws', 'registry:catalog:*', 'a:b', 'repository:host:5000/a:pull', 'repository::pull'),
  fc
    .tuple(fc.constantFrom('a', 'b/c', 'd'), fc.subarray(['pull', 'push', 'delete'], { minLength: 1 }))
    .map(([name, actions]) => `repository:${name}:${actions.join(',')}`),
);
const scope = fc.oneof(
  fc.array(word, { maxLength: 5 }).map((words) => Scope.parse(words.join(' '))),
  fc.constant(Scope.unlimited),
);

describe('a scope', () => {
  it('keeps the text that it was parsed from', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        assert.equal(Scope.parse(words.join(' ')).toString(), words.join(' '));
      }),
    );
  });

  it('is written with its resources sorted, each once with all its actions', () => {
    const text = 'repository:b:push  repository:a:pull repository:b:pull,push aws registry:catalog:*';
    assert.equal(
      Scope.parse(text).canonical(),
      'aws registry:catalog:* repository:a:pull repository:b:pull,push',
    );
  });

  it('takes a word of another shape as it is', () => {
    const text = 'a:b repository:localhost:5000/x:pull repository:x: repository::pull';
    assert.equal(Scope.parse(text).size, 4);
    assert.ok(!Scope.parse(text).contains(Scope.pull('x')));
  });

  it('means the same when its canonical form is read again', () => {
    fc.assert(fc.property(scope, (one) => one.isUnlimited || Scope.parse(one.canonical()).equals(one)));
  });

  it('of nothing is in everything, and only the unlimited one holds the unlimited one', () => {
    fc.assert(
      fc.property(scope, (one) => {
        assert.ok(one.contains(Scope.none));
        assert.ok(Scope.unlimited.contains(one));
        assert.equal(one.contains(Scope.unlimited), one.isUnlimited);
      }),
    );
    assert.ok(Scope.parse('  ').isEmpty);
    assert.ok(!Scope.parse('*').isUnlimited);
  });

  it('is never changed by parsing whatever a server sends', () => {
    fc.assert(fc.property(fc.string(), (text) => Scope.parse(text).equals(Scope.parse(text.trim()))));
  });
});

describe('the union of two scopes', () => {
  it('holds both and nothing else, in either order', () => {
    fc.assert(
      fc.property(scope, scope, word, (one, other, text) => {
        const both = one.union(other);
        assert.ok(both.contains(one) && both.contains(other));
        assert.ok(both.equals(other.union(one)));
        const part = Scope.parse(text.split(',', 1)[0] ?? '');
        if (part.size === 1) assert.equal(both.contains(part), one.contains(part) || other.contains(part));
      }),
    );
  });

  it('is associative, idempotent, and nothing is its identity', () => {
    fc.assert(
      fc.property(scope, scope, scope, (a, b, c) => {
        assert.ok(
          a
            .union(b)
            .union(c)
            .equals(a.union(b.union(c))),
        );
        assert.ok(a.union(a).equals(a));
        assert.ok(a.union(Scope.none).equals(a) && Scope.none.union(a).equals(a));
      }),
    );
  });

  it('keeps the text of the one to which the other adds nothing', () => {
    const odd = Scope.parse('repository:x:push,pull');
    assert.equal(odd.union(Scope.pull('x')).toString(), 'repository:x:push,pull');
    assert.equal(Scope.pull('x').union(odd).toString(), 'repository:x:push,pull');
    assert.equal(Scope.none.union(odd).toString(), 'repository:x:push,pull');
    assert.equal(odd.union(Scope.pull('a')).toString(), 'repository:a:pull repository:x:pull,push');
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Look, Register } from '#test/simulation/register.ts';

const look = (from: number, to = from, lagMs = 0): Look => ({ from, to, lagMs: () => lagMs });
const by = '';

/** What somebody may find who looks then. */
function found(register: Register<string>, at: Look): unknown[] {
  return [...register.values(at)].toSorted();
}

describe('what several write at the same time', () => {
  it('is nothing before, one or the other meanwhile, and what was written last then', () => {
    const register = new Register<string>();
    const end = register.begin('one', { from: 10, by });
    assert.deepEqual(found(register, look(5)), [undefined]);
    assert.deepEqual(found(register, look(15)), ['one', undefined]);
    end('done', 20);
    assert.deepEqual(found(register, look(18)), ['one', undefined]);
    assert.deepEqual(found(register, look(21)), ['one']);
    register.begin('two', { from: 30, by })('done', 40);
    assert.deepEqual(found(register, look(35)), ['one', 'two']);
    assert.deepEqual(found(register, look(41)), ['two']);
  });

  it('is one of those that were written at the same time', () => {
    const register = new Register<string>();
    const [one, two] = [register.begin('one', { from: 10, by }), register.begin('two', { from: 15, by })];
    two('done', 20);
    one('done', 25);
    assert.deepEqual(found(register, look(30)), ['one', 'two']);
  });

  it('is as it was where a change was refused, and perhaps not where nobody knows', () => {
    const register = new Register<string>();
    register.begin('one', { from: 10, by })('done', 20);
    register.begin('two', { from: 30, by })('refused', 31);
    assert.deepEqual(found(register, look(40)), ['one']);
    register.begin('three', { from: 50, by })({ mayComeUntil: 60 }, 55);
    assert.deepEqual(found(register, look(70)), ['one', 'three']);
    register.begin('four', { from: 58, by })('done', 59);
    assert.deepEqual(found(register, look(70)), ['four', 'three'], 'it may still have come behind that');
    register.begin('five', { from: 61, by })('done', 62);
    assert.deepEqual(found(register, look(70)), ['five']);
  });

  it('is known a little later to who asks elsewhere', () => {
    const register = new Register<string>();
    register.begin('one', { from: 10, by })('done', 20);
    assert.deepEqual(found(register, look(1000, 1000, 1000)), ['one', undefined]);
    assert.deepEqual(found(register, look(1021, 1021, 1000)), ['one']);
  });
});

import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { KeyRing } from '#src/door/tokens/key-ring.ts';
import { newSigningKey } from '#src/door/tokens/signing-key.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

describe('the keys of two processes on one directory', () => {
  it('are found for all that come at a time with a token of the other, and looked for once a second', async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), 'keys-'));
    const path = join(directory.path, 'token-keys.json');
    const clock = new FakeClock();
    const settings = { path, longestMs: 60_000, clock };
    const one = await KeyRing.open({ ...settings, given: undefined });
    const others = newSigningKey();
    await KeyRing.open({ ...settings, given: others });
    const found = await Promise.all(Array.from({ length: 10 }, async () => await one.find(others.kid)));
    assert.deepEqual(
      found.map((key) => key?.kid),
      Array.from({ length: 10 }, () => others.kid),
    );
    const third = newSigningKey();
    await KeyRing.open({ ...settings, given: third });
    assert.equal(await one.find(third.kid), undefined);
    await clock.advance(1000);
    assert.equal((await one.find(third.kid))?.kid, third.kid);
  });
});

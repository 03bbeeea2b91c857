import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { Credential, CredentialProvider } from '#src/credentials/credentials.ts';
import { RegistryError } from '#src/oci/error.ts';
import type { FakeClock } from '#test/fakes/fake-clock.ts';
import type { LogLines } from '#test/fakes/log-lines.ts';

/** A provider and the source behind it, which the test holds in its hand. */
export interface ProviderUnderTest extends AsyncDisposable {
  readonly provider: CredentialProvider;
  readonly clock: FakeClock;
  readonly log: LogLines;
  /** What the source gives from now on. */
  give(secret: string): Promise<void>;
  /** From now on the source gives nothing, and may say the secret in its error. */
  fail(secret: string): Promise<void>;
  /** The credential that a secret makes. */
  expected(secret: string): Credential;
}

/** How long a provider may rest between two looks at its source. */
const restMs = 60_000;

/** What every source of credentials keeps, whatever it is behind it. */
export function credentialProviderContract(name: string, open: () => Promise<ProviderUnderTest>): void {
  describe(`${name} as a source of credentials`, () => contract(open));
}

function contract(open: () => Promise<ProviderUnderTest>): void {
  it('gives what the source has, and the same object again', async () => {
    await using test = await open();
    await test.give('s3cret-in-tests-1');
    const { credential } = await test.provider.get();
    assert.deepEqual(credential, test.expected('s3cret-in-tests-1'));
    assert.equal((await test.provider.get()).credential, credential);
  });

  it('looks for another when the registry refused the one that it gave', async () => {
    await using test = await open();
    await test.give('s3cret-in-tests-1');
    const { credential } = await test.provider.get();
    await test.give('s3cret-in-tests-2');
    assert.equal(await test.provider.renew?.(credential), true);
    assert.deepEqual((await test.provider.get()).credential, test.expected('s3cret-in-tests-2'));
  });

  it('has no other when the source gives the same, or nothing', async () => {
    await using test = await open();
    await test.give('s3cret-in-tests-1');
    const { credential } = await test.provider.get();
    assert.equal(await test.provider.renew?.(credential), false);
    await test.clock.advance(restMs);
    await test.fail('s3cret-in-tests-1');
    assert.equal(await test.provider.renew?.(credential), false);
    assert.equal((await test.provider.get()).credential, credential);
  });

  it('says what is wrong in an error for the client that holds no secret, and recovers', async () => {
    await using test = await open();
    await test.fail('s3cret-in-tests-1');
    const error = await test.provider.get().then(
      () => assert.fail('it should have failed'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof RegistryError, inspect(error));
    assert.ok(['DENIED', 'UNAVAILABLE'].includes(error.code));
    assert.ok(error.message.length > 20);
    assert.doesNotMatch(inspect(error, { depth: 10 }) + test.log.lines.join('\n'), /s3cret-in-tests-1/);
    await test.give('s3cret-in-tests-2');
    await test.clock.advance(restMs);
    assert.deepEqual((await test.provider.get()).credential, test.expected('s3cret-in-tests-2'));
  });

  it('writes no secret to the log', async () => {
    await using test = await open();
    await test.give('s3cret-in-tests-1');
    const { credential } = await test.provider.get();
    await test.fail('s3cret-in-tests-1');
    await test.provider.renew?.(credential);
    await test.clock.advance(24 * 3_600_000);
    await test.provider.get().catch(() => undefined);
    const lines = test.log.lines.join('\n');
    assert.doesNotMatch(lines, /s3cret-in-tests-1/);
    assert.doesNotMatch(lines, new RegExp(Buffer.from('s3cret-in-tests-1').toString('base64').slice(0, 8)));
  });

  it('leaves no timer behind', async () => {
    await using test = await open();
    await test.give('s3cret-in-tests-1');
    await test.provider.get();
    await test.provider[Symbol.asyncDispose]?.();
    assert.equal(test.clock.sleeping, 0);
  });
}

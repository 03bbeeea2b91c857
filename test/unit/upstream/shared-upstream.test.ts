import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { staticCredentials } from '#src/credentials/credentials.ts';
import { parseTag } from '#src/oci/reference.ts';
import { createSharedUpstream, type SharedUpstream } from '#src/upstream/upstream.ts';
import { type Guard, GuardedUpstream } from '#test/fakes/guarded-upstream.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { failing } from '#test/fakes/upstream-faults.ts';

const v1 = parseTag('v1');

/** A registry for many who ask, and how one of them does. */
async function open(guard: Guard = 'basic') {
  await using stack = new AsyncDisposableStack();
  const guarded = stack.use(await GuardedUpstream.start(guard));
  const { upstream } = guarded;
  const repository = upstream.repository('team/app');
  const image = putImage(upstream.content, repository, 'v1', [bytes(100_000)]);
  for (const user of ['alice', 'carol']) guarded.add(user, 'team/app');
  const shared: SharedUpstream = stack.use(
    createSharedUpstream({
      host: upstream.host,
      scheme: 'http',
      userAgent: 'ociregistry/test',
      pullTimeoutMs: 30_000,
      connectTimeoutMs: 5000,
      stallTimeoutMs: 30_000,
      maxConcurrent: 1,
      configured: true,
      unknownRegistries: 'public',
      random: () => 0,
    }),
  );
  const as = (username: string) => {
    const { password } = guarded.userOf(username);
    return stack.use(shared.as(staticCredentials({ kind: 'basic', username, password })));
  };
  const [alice, carol] = [as('alice'), as('carol')];
  const kept = stack.move();
  return {
    ...{ guarded, upstream, repository, image, alice, carol },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

describe('a registry that many ask, each by a credential of his own', () => {
  it('has one number of downloads for all of them', async () => {
    await using test = await open();
    const { alice, carol, repository, image } = test;
    const digest = image.layers[0]?.digest ?? image.config.digest;
    const hers = await alice.getBlob(repository, digest);
    let isHis = false;
    const his = carol.getBlob(repository, digest).then((reader) => {
      isHis = true;
      return reader;
    });
    // What needs no place among the downloads passes by.
    await carol.resolveManifest(repository, v1);
    assert.equal(isHis, false);
    assert.equal((await collect(hers.body)).length, 100_000);
    await hers[Symbol.asyncDispose]();
    await using reader = await his;
    assert.equal((await collect(reader.body)).length, 100_000);
  });

  it('rests for none of the others where it limits one, or has refused one', async () => {
    for (const status of [429, 401]) {
      await using test = await open();
      const { alice, carol, repository, guarded, upstream } = test;
      const { password } = guarded.userOf('alice');
      const header = `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`;
      upstream.faults.unshift(async (request, next) =>
        request.headers.authorization === header ? await failing(status)(request, next) : await next(),
      );
      for (let turn = 0; turn < 3; turn += 1) await assert.rejects(alice.resolveManifest(repository, v1));
      await carol.resolveManifest(repository, v1);
    }
  });

  it('is shown the credential anew, and not a token that was had with it, where that is wanted', async () => {
    await using test = await open('bearer');
    const { alice, repository, guarded } = test;
    const tokens = (): number => guarded.take().filter((line) => line === 'alice GET /token').length;
    await alice.resolveManifest(repository, v1);
    await alice.resolveManifest(repository, v1);
    assert.equal(tokens(), 1);
    alice.presentAnew(test.upstream.repository('team/other'));
    await alice.resolveManifest(repository, v1);
    assert.equal(tokens(), 0);
    for (const about of [repository, undefined]) {
      alice.presentAnew(about);
      await alice.resolveManifest(repository, v1);
      assert.equal(tokens(), 1);
    }
  });

  it('goes on for the others when one of them is done', async () => {
    await using test = await open();
    const { alice, carol, repository } = test;
    await alice.resolveManifest(repository, v1);
    await alice[Symbol.asyncDispose]();
    await carol.resolveManifest(repository, v1);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Administration } from '#src/admin/administration.ts';
import type { AdminSources } from '#src/admin/endpoint.ts';
import { adminEndpoints, servedBy } from '#src/admin/endpoints.ts';
import { Guard } from '#src/admin/guard.ts';
import { RecentFailures } from '#src/admin/recent-failures.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseDigest, parseTag } from '#src/oci/reference.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import type { Pruner, Removed, Selection } from '#src/retention/prune.ts';
import { linkBlob, putManifest, putTag, recordMisses } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';

const app = repository('ghcr.io/org/app');
const [manifest, layer] = ['manifest', 'layer'].map((text) => sha256(Buffer.from(text)));

/** Removes what it is told to, and remembers what that was. */
class FakePruner implements Pruner {
  readonly asked: { selection: Selection; dryRun: boolean }[] = [];
  readonly removed: Removed = {
    ...{ repository: app, digest: manifest ?? assert.fail(), tags: [parseTag('v1'), parseTag('v2')] },
    ...{ blobs: [layer ?? assert.fail()], isGone: true, freed: 13 },
  };

  async *prune(selection: Selection, { dryRun }: { dryRun: boolean }): AsyncGenerator<Removed> {
    this.asked.push({ selection, dryRun });
    yield this.removed;
  }
}

/** A server that has one of everything. */
async function serving() {
  await using stack = new AsyncDisposableStack();
  const clock = new FakeClock();
  const metadata = stack.use(SqliteMetadataStore.inMemory({ clock }));
  const failures = new RecentFailures(clock);
  const log = new LogLines();
  failures.watching(log).warn({ failure: 'away', upstream: 'ghcr.io' }, 'something has failed');
  const [digest, blob] = [manifest ?? assert.fail(), layer ?? assert.fail()];
  const descriptor = { mediaType: ociManifest, digest, size: 8 };
  const blobs = [{ mediaType: 'a/b', digest: blob, size: 5 }];
  await metadata.change([
    putManifest(app, { descriptor, blobs }),
    linkBlob(app, blob, 5),
    putTag(app, { tag: parseTag('v1'), descriptor, checkedAt: 1 }),
    recordMisses([{ repository: app, reference: parseTag('v9'), times: 2, firstAt: 1, lastAt: 2 }]),
  ]);
  const pruner = new FakePruner();
  const sources: AdminSources = {
    ...{ inventory: metadata.inventory, metadata, failures, pruner, stop() {}, clock },
    blobsOf: async () => blobs,
    refresh: async () => ({ was: digest, digest }),
    fills: () => [
      { repository: app, digest: blob, received: 1, expected: undefined, isWaitedFor: true, isQueued: false },
    ],
    imageNamed: () => ({ repository: app, reference: parseTag('v1') }),
  };
  const guard = new Guard({ credential: undefined, publicUrl: undefined, clock });
  const { answer } = new Administration({ guard, sources, clock, log });
  const server = stack.use(await serveRegistry(new MemoryRegistry(), { administer: answer, log }));
  const moved = stack.move();
  return { server, sources, pruner, clock, [Symbol.asyncDispose]: async () => await moved.disposeAsync() };
}

/** What has to be said for there to be something to answer. */
const queries: Readonly<Record<string, string>> = {
  '/cmd/prune': '?type=pattern&expr=app',
  '/cmd/image/pin': '?pattern=app',
  '/cmd/image/unpin': '?image=x',
  '/cmd/image/refresh': '?pattern=app',
};

describe('the description of the calls', () => {
  it('has every call with its parameters, and no other', async () => {
    await using made = await serving();
    const answer = await ask(made.server, '/cmd/openapi.json');
    const { openapi, paths } = JSON.parse(answer.body.toString()) as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string; parameters: { name: string }[] }>>;
    };
    assert.equal(openapi, '3.1.0');
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(
        ([method, { parameters }]) => `${method.toUpperCase()} ${path} ${parameters.map(({ name }) => name)}`,
      ),
    );
    const served = adminEndpoints.map(
      ({ method, path, parameters }) => `${method} ${path} ${Object.keys(parameters)}`,
    );
    assert.deepEqual(described, served);
    const ids = Object.values(paths).flatMap((operations) =>
      Object.values(operations).map(({ operationId }) => operationId),
    );
    assert.equal(new Set(ids).size, ids.length);
  });

  it('leaves out what this server has not, which is not there', async () => {
    await using made = await serving();
    const { sources } = made;
    const less = servedBy({ ...sources, pruner: undefined, refresh: undefined }).map(({ path }) => path);
    const all = adminEndpoints.map(({ path }) => path);
    assert.deepEqual(
      all.filter((path) => !less.includes(path)),
      ['/cmd/prune', '/cmd/image/refresh'],
    );
  });

  for (const { method, path, parameters, json, text, refusal } of adminEndpoints) {
    it(`says what is answered: ${method} ${path}`, async () => {
      await using made = await serving();
      const call = async (accept: string, query = queries[path] ?? '') =>
        await ask(made.server, `${path}${query}`, { method, headers: { accept } });
      const answer = await call('application/json');
      assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json']);
      const value: unknown = JSON.parse(answer.body.toString());
      json.parse(value);
      const [list] = Object.values(value as object).filter((member) => Array.isArray(member));
      if (list !== undefined) assert.ok(list.length > 0, 'nothing is in it to be compared');
      assert.equal(answer.headers['cache-control'], 'no-store');
      const plain = await call('*/*');
      const isPlain = plain.headers['content-type'] === 'text/plain; charset=utf-8';
      assert.equal(isPlain, text !== undefined);
      const wrong = await call('*/*', `${queries[path] ?? '?'}&none=1`);
      const [words, which] = wrong.body.toString().split('\n');
      assert.deepEqual([wrong.status, words], [400, refusal]);
      const names = Object.keys(parameters).join(', ');
      assert.equal(which, `there is no parameter "none", ${names === '' ? 'and no other' : `but ${names}`}`);
    });
  }
});

describe('removing images', () => {
  it('is a dry run unless it is said that it is none, in the lines of the original', async () => {
    await using made = await serving();
    const { server, pruner, clock } = made;
    const prune = async (query: string) => {
      const { status, body } = await ask(server, `/cmd/prune?${query}`, { method: 'DELETE' });
      return {
        status,
        lines: body
          .toString()
          .replaceAll(/time="\S+Z" level=info msg=/g, '')
          .split('\n'),
      };
    };
    const dry = await prune('type=accessed&dur=30d');
    const name = String.raw`\"ghcr.io/org/app:v`;
    assert.deepEqual(dry.lines, [
      '"begin prune - count of manifests to prune: 2"',
      `"doPrune - dry run specified, skipping prune of manifest ${name}1\\""`,
      `"doPrune - dry run specified, skipping prune of manifest ${name}2\\""`,
      '',
    ]);
    const ago = clock.now() - 30 * 86_400_000;
    const selection = { limit: 50, notUsedSince: ago };
    assert.deepEqual(pruner.asked.splice(0), [
      { selection, dryRun: true },
      { selection, dryRun: true },
    ]);
    for (const word of ['true', '1', 'T', '']) {
      await prune(`type=created&dur=1d12h&count=-1&dryRun=${word}`);
      assert.ok(pruner.asked.every(({ dryRun }) => dryRun));
      assert.deepEqual(pruner.asked.splice(0).at(-1)?.selection, {
        createdBefore: clock.now() - 36 * 3_600_000,
      });
    }
    const real = await prune('type=pattern&expr=a&count=3&dryRun=false');
    assert.deepEqual(real.lines.slice(1), [
      `"pruning manifest ${name}1\\""`,
      '"removed manifest: ghcr.io/org/app:v1"',
      `"pruning manifest ${name}2\\""`,
      '"removed manifest: ghcr.io/org/app:v2"',
      `"removed blob: ${parseDigest(layer ?? '').slice('sha256:'.length)}"`,
      '',
    ]);
    assert.deepEqual(
      pruner.asked.map(({ dryRun }) => dryRun),
      [true, false],
    );
    assert.deepEqual(
      [pruner.asked[1]?.selection.limit, pruner.asked[1]?.selection.matches?.('a')],
      [3, true],
    );
  });

  it('refuses what makes no sense in the words of the original, says what is wrong below them, and nothing is removed', async () => {
    await using made = await serving();
    const wrong = {
      'type=accessed': 'dur is missing, which the type accessed goes by: a duration such as 30d or 12h',
      'type=accessed&dur=x': 'dur: must be a duration such as 30d or 12h',
      'type=pattern': 'expr is missing, which the type pattern goes by',
      'type=pattern&expr=(': 'expr: "(" is no regular expression',
      'type=all': 'type: must be created or accessed or pattern',
      'type=pattern&expr=a&dryRun=no': 'dryRun: must be true or false',
      'type=pattern&expr=a&dryrun=false':
        'there is no parameter "dryrun", but type, dur, expr, count, dryRun',
      'type=pattern&expr=a&count=x': 'count: must be a whole number, or -1',
    };
    for (const [query, which] of Object.entries(wrong)) {
      const { status, body } = await ask(made.server, `/cmd/prune?${query}`, { method: 'DELETE' });
      assert.deepEqual([status, body.toString()], [400, `unable to parse prune params\n${which}\n`], query);
    }
    const { status, body } = await ask(made.server, '/cmd/prune', { method: 'DELETE' });
    assert.equal(status, 400);
    assert.deepEqual(JSON.parse(body.toString()), {
      message: 'parameter "type" in query has an error: value is required but missing',
    });
    assert.deepEqual(made.pruner.asked, []);
  });
});

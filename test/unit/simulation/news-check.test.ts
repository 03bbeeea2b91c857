import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import type { Outcome } from '#src/oci/outcome.ts';
import { parseTag, type Reference } from '#src/oci/reference.ts';
import { putManifest, removeManifest } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository as parsed } from '#test/fakes/cache-under-test.ts';
import { Findings } from '#test/simulation/findings.ts';
import { IndexHistory } from '#test/simulation/index-history.ts';
import type { Question } from '#test/simulation/judge.ts';
import { NewsCheck } from '#test/simulation/news-check.ts';

const repository = parsed('registry.one/b');
const v0 = parseTag('v0');
const digest = sha256(Buffer.from('a manifest'));

/** A server on a directory from whose index the manifest has gone at 1000. */
async function afterRemoval() {
  await using store = SqliteMetadataStore.inMemory();
  const indexHistory = new IndexHistory();
  const manifest = { descriptor: { digest, mediaType: ociManifest, size: 10 }, blobs: [] };
  for (const [operation, time] of [
    [putManifest(repository, manifest), 0],
    [removeManifest(repository, digest), 1000],
  ] as const) {
    await store.change([operation]);
    await indexHistory.note([operation], store, time);
  }
  let now = 0;
  const findings = new Findings([], () => now);
  const news = new NewsCheck({
    indexHistory,
    findings,
    get time() {
      return now;
    },
  });
  const answer = (time: number, reference: Reference, kind: Outcome['kind']) => {
    now = time;
    const outcome = { kind } as Outcome;
    const question: Question = {
      ...{ who: 'puller', what: 'GET', kind: 'manifest', from: time, outcome },
      ...{ repository, reference },
    };
    news.reported(question);
    news.check(question, digest);
    return findings.all.length;
  };
  return { answer };
}

describe('whether a server has heard what another has removed', () => {
  it('is asked of a manifest that it has had from nobody since', async () => {
    const { answer } = await afterRemoval();
    assert.equal(answer(1900, digest, 'hit'), 0, 'not yet');
    assert.equal(answer(2100, digest, 'hit'), 1);
  });

  it('is not asked where upstream gave it again, by its digest or by a tag', async () => {
    for (const reference of [digest, v0]) {
      const { answer } = await afterRemoval();
      answer(4000, reference, 'miss');
      assert.equal(answer(9000, digest, 'hit'), 0);
    }
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseDigest } from '#src/oci/reference.ts';
import {
  linkBlob,
  loseBlob,
  type Operation,
  putManifest,
  putTag,
  recordUses,
  removeManifest,
} from '#src/storage/operation.ts';
import { ChangeLog } from '#src/storage/sqlite/change-log.ts';
import { openInMemory } from '#src/storage/sqlite/open-database.ts';
import { UnknownDigests } from '#src/storage/sqlite/unknown-digests.ts';
import { OperationWriter } from '#src/storage/sqlite/write-operation.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

const count = 300_000;
const alpine = repository('docker.io/library/alpine');
const digestOf = (id: number) => parseDigest(`sha256:${id.toString(16).padStart(64, '0')}`);
const base = digestOf(1);

/** One repository, so many manifests, each of a layer of its own and of one that all have. */
const filling = `
  insert into repositories values (1, 'docker.io/library/alpine', 'docker.io');
  with recursive ids(id) as (select 1 union all select id + 1 from ids where id <= 2 * ${count})
    insert into contents (id, digest, size, stored_at) select id, 'sha256:' || printf('%064x', id), 10, 1 from ids;
  insert into manifests select 1, id, 'x/y', 10, null, null, null, 'upstream', id, id from contents where id between 2 and ${count + 1};
  insert into children select 1, content, content + ${count}, 0, 10 from manifests;
  insert into children select 1, content, 1, 0, 10 from manifests;
`;

describe(`an index of ${count} manifests that share a layer`, () => {
  const database = openInMemory();
  const writer = new OperationWriter({
    database,
    changes: new ChangeLog(database),
    unknown: new UnknownDigests(() => []),
    discarded: undefined,
    now: () => 1,
  });
  before(() => void database.exec(filling));
  after(() => void database.close());

  /** How many rows an operation writes, whatever it may read. */
  function written(operation: Operation): number {
    const changes = () => Number(database.prepare('select total_changes()').pluck().get());
    const earlier = changes();
    database.transaction(() => writer.write([operation], () => '[]'))();
    return changes() - earlier;
  }

  for (const [what, operation] of Object.entries({
    'its layer comes': linkBlob(alpine, base, 10),
    'its layer is lost': loseBlob(base),
    'its layer comes again': linkBlob(alpine, base, 10),
    'another repository has it, too': linkBlob(repository('quay.io/acme/tool'), base),
    'a manifest comes': putManifest(alpine, {
      descriptor: { mediaType: 'x/y', digest: digestOf(3 * count), size: 10 },
      blobs: [{ mediaType: 'x/y', digest: base, size: 10 }],
    }),
    'a tag moves': putTag(alpine, {
      tag: 'v1' as never,
      descriptor: { mediaType: 'x/y', digest: digestOf(2), size: 10 },
      checkedAt: 1,
    }),
    'a manifest was used': recordUses([{ repository: alpine, digest: digestOf(2), at: 1 }]),
    'a manifest is removed': removeManifest(alpine, digestOf(2)),
  })) {
    it(`changes a few rows when ${what}`, () => {
      const rows = written(operation);
      // Of one that is removed a row more is left: that it was.
      assert.ok(rows <= 13, `${rows} rows`);
    });
  }
});

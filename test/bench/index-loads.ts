import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { type Digest, parseDigest, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import {
  linkBlob,
  loseBlob,
  putManifest,
  putTag,
  recordUses,
  removeManifest,
} from '#src/storage/operation.ts';
import type { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';

const blobsEach = 9;
const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const alpine = 'docker.io/library/alpine' as RepositoryName;

/** As digests are: in no order. */
function digestOf(kind: string, at: number): Digest {
  const scattered = Math.imul(at + 1, 0x9e3779b1) >>> 0;
  const hex = `${scattered.toString(16).padStart(8, '0')}${kind}${at.toString(16).padStart(12, '0')}`;
  return parseDigest(`sha256:${hex.padEnd(64, '0')}`);
}

function descriptorOf(digest: Digest) {
  return { mediaType, digest, size: 1000 };
}

const scattered = (at: string): string =>
  `printf('%08x', ((${at}) * 2654435761) & 4294967295) || printf('%012x', ${at}) || printf('%044d', 0)`;

/** An index as release 0.1 left it (schema 1): so many manifests of nine blobs each, of which one is shared by a thousand. */
export async function makeOlder(directory: string, manifests: number): Promise<void> {
  await cp(join(import.meta.dirname, '../fixtures/schema-1/index.sqlite'), join(directory, 'index.sqlite'));
  const database = new SqliteDatabase(join(directory, 'index.sqlite'));
  const names = "'docker.io/library/app' || (m.at / 100)";
  const digest = `'sha256:' || ${scattered('m.at')}`;
  const blob = `'sha256:' || ${scattered(`iif(b.at = 0, 1000000000 + m.at / 1000, 100000000 + m.at * ${blobsEach} + b.at)`)}`;
  const ats = (name: string, count: number): string =>
    `${name}(at) as (select 0 union all select at + 1 from ${name} where at < ${count - 1})`;
  database.exec(`
    pragma synchronous = OFF; pragma cache_size = -200000;
    delete from manifests; delete from manifest_blobs; delete from tags; delete from blob_links;
    delete from tag_lists; delete from referrers_lists;
    with recursive ${ats('m', manifests)} insert into manifests
      select ${names}, ${digest}, '${mediaType}', 1000, null, null, null, 1, m.at, m.at from m;
    with recursive ${ats('m', manifests)}, ${ats('b', blobsEach)} insert into manifest_blobs
      select ${names}, ${digest}, ${blob}, 'application/octet-stream', 1000 from m cross join b;
    with recursive ${ats('m', manifests)} insert into tags select ${names}, 'v' || m.at, ${digest}, m.at from m;
    insert into blob_links select distinct blob, repository from manifest_blobs;`);
  database.close();
}

/** Each does something to the index that once held up everybody. */
export const loads: Readonly<Record<string, (index: SqliteMetadataStore) => Promise<void>>> = {
  '10,000 blobs come, in changes of 100': async (index) => {
    await changes(
      10_000,
      100,
      async (blobs) => await index.change(blobs.map((at) => linkBlob(alpine, digestOf('b', at), 10))),
    );
  },
  '10,000 blobs go, in changes of 100': async (index) => {
    await changes(
      10_000,
      100,
      async (blobs) => await index.change(blobs.map((at) => loseBlob(digestOf('b', at)))),
    );
  },
  '20 manifests of 1,000 new blobs': async (index) => {
    for (let at = 0; at < 20; at += 1) {
      const blobs = Array.from({ length: 1000 }, (_, blob) => descriptorOf(digestOf('c', at * 1000 + blob)));
      await index.change([putManifest(alpine, { descriptor: descriptorOf(digestOf('d', at)), blobs })]);
    }
  },
  '20 of these manifests go': async (index) => {
    for (let at = 0; at < 20; at += 1) await index.change([removeManifest(alpine, digestOf('d', at))]);
  },
  '5,000 images come, 50 at a time': async (index) => {
    await changes(5000, 1, async ([at = 0]) => {
      const blobs = Array.from({ length: blobsEach }, (_, blob) =>
        descriptorOf(digestOf('e', at * blobsEach + blob)),
      );
      const descriptor = descriptorOf(digestOf('f', at));
      await index.change([putManifest(alpine, { descriptor, blobs })]);
      await index.change([putTag(alpine, { tag: parseTag(`v${at}`), descriptor, checkedAt: 1 })]);
      await Promise.all(blobs.map(async ({ digest }) => await index.change([linkBlob(alpine, digest, 10)])));
    });
  },
  'a manifest gets 10,000 tags': async (index) => {
    const descriptor = descriptorOf(digestOf('d', 1000));
    await index.change([putManifest(alpine, { descriptor, blobs: [] })]);
    await changes(10_000, 100, async (tags) => {
      await index.change(
        tags.map((at) => putTag(alpine, { tag: parseTag(`many${at}`), descriptor, checkedAt: 1 })),
      );
    });
  },
  'it goes': async (index) => await index.change([removeManifest(alpine, digestOf('d', 1000))]),
  '5,000 manifests were used': async (index) => {
    await changes(5000, 100, async (some) => {
      const uses = some.map((at) => ({ repository: alpine, digest: digestOf('f', at), at }));
      await index.change([recordUses(uses)]);
    });
  },
};

/** So many things, some a change, as many at a time as clients make come. */
async function changes(
  count: number,
  each: number,
  change: (some: readonly number[]) => Promise<void>,
): Promise<void> {
  const all = Array.from({ length: count / each }, (_, at) =>
    Array.from({ length: each }, (__, more) => at * each + more),
  );
  const queue = all.values();
  const one = async (): Promise<void> => {
    for (const some of queue) await change(some);
  };
  await Promise.all(Array.from({ length: 50 }, one));
}

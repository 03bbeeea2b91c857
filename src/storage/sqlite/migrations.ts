import type { Database } from 'better-sqlite3';

/**
 * One entry a version; `PRAGMA user_version` counts those that were run. Never edit one that was released: add the next.
 * `complete` says that every blob which the manifest names is linked, so that what is missing is found without a scan.
 * `blob_sizes` holds how many bytes a digest was verified for; of what was stored before version 2 that is not known.
 */
const migrations: readonly string[] = [
  `
  create table manifests (
    repository text not null,
    digest text not null,
    media_type text not null,
    size integer not null,
    artifact_type text,
    annotations text,
    subject text,
    complete integer not null default 0,
    created_at integer not null,
    used_at integer not null,
    primary key (repository, digest)
  ) without rowid;
  create index manifests_subject on manifests (repository, subject) where subject is not null;
  create index manifests_incomplete on manifests (created_at) where complete = 0;

  create table manifest_blobs (
    repository text not null,
    manifest text not null,
    blob text not null,
    media_type text not null,
    size integer not null,
    primary key (repository, manifest, blob),
    foreign key (repository, manifest) references manifests (repository, digest) on delete cascade
  ) without rowid;
  create index manifest_blobs_blob on manifest_blobs (blob, repository);

  create table tags (
    repository text not null,
    tag text not null,
    digest text not null,
    checked_at integer not null,
    primary key (repository, tag),
    foreign key (repository, digest) references manifests (repository, digest) on delete cascade
  ) without rowid;
  create index tags_digest on tags (repository, digest);

  create table blob_links (
    digest text not null,
    repository text not null,
    primary key (digest, repository)
  ) without rowid;

  create table tag_lists (
    repository text not null primary key,
    items text not null,
    checked_at integer not null
  ) without rowid;

  create table referrers_lists (
    repository text not null,
    digest text not null,
    items text not null,
    checked_at integer not null,
    primary key (repository, digest)
  ) without rowid;
  `,
  `
  create table blob_sizes (
    digest text not null primary key,
    size integer not null
  ) without rowid;
  `,
];

/**
 * Brings the schema up to date; several processes may try at once. Writes nothing where there is nothing to do: the disk may
 * be full. Throws when the file is of a newer version.
 */
export function migrate(database: Database): void {
  if (versionOf(database) === migrations.length) return;
  database
    .transaction(() => {
      const version = versionOf(database);
      if (version > migrations.length) {
        throw new Error(
          `index.sqlite was written by a newer ociregistry (schema ${version}, this one knows ${migrations.length})`,
        );
      }
      for (const migration of migrations.slice(version)) database.exec(migration);
      database.pragma(`user_version = ${migrations.length}`);
    })
    .immediate();
}

function versionOf(database: Database): number {
  return Number(database.pragma('user_version', { simple: true }));
}

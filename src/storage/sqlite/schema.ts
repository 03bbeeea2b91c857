/** In the name of the file, so that an earlier version finds its own file as it left it. */
export const schemaVersion = 3;

/**
 * Names are numbers inside: an image of ten layers takes some hundred bytes, and one row by its key is found in two steps. What a manifest
 * says is known by repository, for a type that one registry claims is nobody else's matter.
 */
export const schema = `
  create table repositories (
    id integer primary key,
    name text not null unique,
    host text not null
  );

  -- Whatever has a digest: named, stored or both. A manifest's bytes are content, too.
  create table contents (
    id integer primary key,
    digest text not null unique,
    size integer,        -- verified with the digest; null: it never was, here
    stored_at integer,   -- null: its bytes are not here
    inode integer,       -- with the next two: the file whose bytes were verified
    modified_at integer,
    changed_at integer
  );

  create table manifests (
    repository integer not null,
    content integer not null,
    media_type text not null,
    size integer not null,
    artifact_type text,
    annotations text,
    subject integer,
    origin text not null,
    created_at integer not null,
    used_at integer not null,
    primary key (repository, content)
  ) without rowid;
  create index manifests_subject on manifests (repository, subject) where subject is not null;
  create index manifests_used on manifests (used_at);

  create table children (
    repository integer not null,
    manifest integer not null,
    child integer not null,
    is_manifest integer not null,
    size integer not null,   -- as the manifest claims it
    primary key (repository, manifest, child),
    foreign key (repository, manifest) references manifests (repository, content) on delete cascade
  ) without rowid;
  create index children_child on children (child, repository, size);

  create table tags (
    repository integer not null,
    tag text not null,
    manifest integer not null,
    checked_at integer not null,
    since integer not null,  -- when it was first seen there
    pinned integer not null default 0,
    gone_at integer,         -- when upstream said that it is gone
    primary key (repository, tag),
    foreign key (repository, manifest) references manifests (repository, content) on delete cascade
  ) without rowid;
  create index tags_manifest on tags (repository, manifest);

  create table tag_history (
    id integer primary key,
    repository integer not null,
    tag text not null,
    digest text not null,
    first_seen integer not null,
    last_seen integer not null,
    why text not null
  );
  create index tag_history_tag on tag_history (repository, tag, id);

  -- Upstream has shown that a repository owns a blob; whether its bytes are here is another matter.
  create table links (
    content integer not null,
    host text not null,
    repository integer not null,
    origin text not null,
    primary key (content, host, repository)
  ) without rowid;

  -- What manifests of a repository name and it lacks.
  create table wanted (
    content integer not null,
    repository integer not null,
    size integer not null,
    since integer not null,
    primary key (content, repository)
  ) without rowid;
  create index wanted_since on wanted (since, repository, content);

  create table tag_lists (
    repository integer not null primary key,
    items text not null,
    checked_at integer not null
  );

  create table referrers_lists (
    repository integer not null,
    subject integer not null,
    items text not null,
    checked_at integer not null,
    primary key (repository, subject)
  ) without rowid;

  -- By registry; '' is all, where what several have counts once.
  create table totals (
    host text not null primary key,
    manifests integer not null default 0,
    manifest_bytes integer not null default 0,
    blobs integer not null default 0,
    blob_bytes integer not null default 0
  ) without rowid;

  -- The latest only: what other processes have to look at again.
  create table changes (
    sequence integer primary key,   -- the greatest is never forgotten, and so none is given twice
    writer text not null,
    kind text not null,
    repository text,
    reference text not null
  );

  -- What a large cache looks like, by ANALYZE's own measure (rows, then rows for one value of the first column, of the first two, …): plans
  -- must be right before there is anything to count, and stay the same.
  analyze sqlite_schema;
  insert into sqlite_stat1 (tbl, idx, stat) values
    ('repositories', 'sqlite_autoindex_repositories_1', '1000 1'),
    ('contents', 'sqlite_autoindex_contents_1', '1000000 1'),
    ('manifests', 'manifests', '1000000 1000 1'),
    ('manifests', 'manifests_subject', '100000 100 2'),
    ('manifests', 'manifests_used', '1000000 2'),
    ('children', 'children', '10000000 10000 10 1'),
    ('children', 'children_child', '10000000 20 10 5'),
    ('tags', 'tags', '1000000 1000 1'),
    ('tags', 'tags_manifest', '1000000 1000 2'),
    ('tag_history', 'tag_history_tag', '100000 1000 10 1'),
    ('links', 'links', '10000000 4 3 1'),
    ('wanted', 'wanted', '100000 2 1'),
    ('wanted', 'wanted_since', '100000 5 2 1'),
    ('referrers_lists', 'referrers_lists', '100000 100 1');
  analyze sqlite_schema;
`;

import { withUrl } from './cross-checks.ts';
import { key } from './key.ts';
import { choice, flag, group, httpUrl, secretKeys, size, text } from './values.ts';

const blobs = group({
  kind: key('file or s3', choice(['file', 's3']).prefault('file')),
  bucket: key('Bucket (s3)', text().optional()),
  prefix: key('Prefix of its keys (s3)', text().optional()),
  region: key('Region (s3)', text().optional()),
  endpoint: key('Endpoint (s3)', httpUrl().optional()),
  redirect: key('Send clients to the bucket (s3)', flag().optional()),
  localTier: key('What is kept on this disk (s3)', size().optional()),
});

const metadata = group({
  kind: key('sqlite or postgres', choice(['sqlite', 'postgres']).prefault('sqlite')),
  ...secretKeys('url', 'URL of the database (postgres)'),
});

const coordination = withUrl(
  group({
    kind: key('process (each for itself) or redis', choice(['process', 'redis']).prefault('process')),
    ...secretKeys('url', 'URL of the server (redis)'),
  }),
);

/** Where things are kept. What is not the default of blobs and of metadata stops the start: data would go to the wrong place. */
export const storageSchema = group({
  blobs: key('Blobs and manifests', blobs.prefault({}), 'refused'),
  metadata: key('The index', metadata.prefault({}), 'refused'),
  coordination: key('Where several servers count together (rateLimit)', coordination.prefault({})),
});

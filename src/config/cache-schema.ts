import type * as z from 'zod';
import { key, keyMeta } from './key.ts';
import {
  choice,
  duration,
  flag,
  flagOr,
  freshness,
  group,
  list,
  pattern,
  proxyException,
  proxyUrl,
  size,
  sizeOrPercent,
  text,
  timeout,
  whole,
} from './values.ts';

const freshnessRule = group({
  pattern: key('Glob on the full repository name, with a tag part after the last colon', pattern()),
  freshness: key('As cache.freshness, for what the pattern matches', freshness()),
});

/** How registries are cached. */
export const cacheSchema = group({
  freshness: key(
    'How long a cached tag is served without asking upstream: immutable, always or a duration',
    freshness().prefault('immutable'),
  ),
  freshnessRules: key(
    'Exceptions to freshness; the first that matches wins',
    list(freshnessRule).prefault([]),
  ),
  staleIfError: key('Serve what is cached when upstream cannot be asked', flag().prefault(true)),
  staleDeadline: key(
    'How long upstream may take to answer when something stale could be served',
    timeout().prefault('2s'),
  ),
  onGone: key(
    'What to answer for a cached tag that upstream has deleted: serve or notFound',
    choice(['serve', 'notFound']).prefault('serve'),
  ),
  negativeTtl: key('How long a 404 of upstream is remembered; 0 is not at all', duration().prefault('10s')),
  complete: key(
    'Fetch the rest of a served image in the background; referrers: its signatures, attestations and SBOMs too',
    flagOr(['referrers']).prefault(true),
  ),
  maxSize: key(
    'The most that the cache may hold, or what it holds of one registry; 0 is no limit',
    size().prefault(0),
  ),
  minFree: key('What the cache leaves free on its file system', sizeOrPercent().prefault(0)),
  pinned: key(
    'Globs of what is never removed: on the full repository name, with a tag part after the last colon',
    list(pattern()).prefault([]),
  ),
  verifyOnRead: key(
    'When a stored blob is hashed again as it is served: changed (its file has) or always',
    choice(['changed', 'always']).prefault('changed'),
  ),
  scrub: key(
    'In which time all that is stored is hashed again in the background, over and over; 0 is off',
    duration().prefault(0),
  ),
});

/** How upstreams are talked to. */
export const upstreamSchema = group({
  connectTimeout: key('Until a connection with TLS stands', timeout().prefault('10s')),
  stallTimeout: key('How long a body may stand still', timeout().prefault('30s')),
  maxConcurrent: key(
    'Downloads of blobs at a time from one registry, and as many other requests',
    whole(1, 10_000).prefault(32),
  ),
  maxBandwidth: key('Bytes a second of all blobs from one registry; 0 is no limit', size().prefault(0)),
  blobsOverHttp: key(
    'Follow redirects of an https registry to http for blobs, whose digest is checked',
    flag().prefault(false),
  ),
  proxy: key('URL of an HTTP proxy; none is that of HTTPS_PROXY and HTTP_PROXY', proxyUrl().prefault('')),
  noProxy: key(
    'What is reached without a proxy; none is that of NO_PROXY',
    list(proxyException()).prefault([]),
  ),
  ca: key(
    "File of certificate authorities (PEM), besides Node's and the operating system's",
    text().prefault(''),
  ),
});

/** The same groups inside one registry: what is not set there is as above. A registry has no file system of its own. */
export const cacheOverrides = overrides(cacheSchema.omit({ scrub: true, minFree: true }));
export const upstreamOverrides = overrides(upstreamSchema);

type Overrides<Shape> = {
  [K in keyof Shape]: Shape[K] extends z.ZodPrefault<infer Inner extends z.ZodType>
    ? z.ZodOptional<Inner>
    : never;
};

function overrides<Shape extends Readonly<Record<string, z.ZodPrefault<z.ZodType>>>>(
  schema: z.ZodObject<Shape>,
) {
  const shape = Object.entries(schema.shape).map(([name, value]) => [name, override(value)]);
  return group(Object.fromEntries(shape) as Overrides<Shape>);
}

function override(schema: z.ZodPrefault<z.ZodType>): z.ZodType {
  const { about = '', state } = keyMeta(schema) ?? {};
  return key(about, schema.unwrap().optional(), state);
}

import * as z from 'zod';

/** What programs are answered, as the description has it and tests compare it. */

const digest = z.string().regex(/^sha(?:256|512):[0-9a-f]+$/);
const time = z.iso.datetime();
const bytes = z.int().min(0);

const named = {
  reference: z.string(),
  repository: z.string(),
  tag: z.string().nullable(),
  digest,
  mediaType: z.string(),
  upstream: z.string(),
  createdAt: time,
  usedAt: time,
  size: bytes,
  missingBlobs: z.int().min(0),
  origin: z.enum(['upstream', 'import', 'push']),
  pinned: z.boolean(),
};

export const manifestList = z.strictObject({ manifests: z.array(z.strictObject(named)) });

const blob = z.strictObject({ digest, mediaType: z.string(), size: bytes });
export const imageList = z.strictObject({
  images: z.array(z.strictObject({ ...named, blobs: z.array(blob) })),
});

export const blobList = z.strictObject({
  blobs: z.array(z.strictObject({ digest, size: bytes.nullable(), references: z.int().min(0) })),
});

export const pruned = z.strictObject({
  dryRun: z.boolean(),
  removed: z.array(
    z.strictObject({
      references: z.array(z.string()),
      repository: z.string(),
      digest,
      tags: z.array(z.string()),
      blobs: z.array(digest),
      freed: bytes,
    }),
  ),
});

export const pinned = z.strictObject({
  tags: z.array(z.strictObject({ reference: z.string(), pinned: z.boolean(), changed: z.boolean() })),
});

export const refreshed = z.strictObject({
  tags: z.array(
    z.strictObject({
      reference: z.string(),
      outcome: z.enum(['unchanged', 'moved', 'gone', 'failed']),
      digest,
      problem: z.string().nullable(),
    }),
  ),
});

const totals = { manifests: z.int(), manifestBytes: bytes, blobs: z.int(), blobBytes: bytes };
export const registryList = z.strictObject({
  registries: z.array(z.strictObject({ registry: z.string(), ...totals })),
});

export const fillList = z.strictObject({
  fills: z.array(
    z.strictObject({
      repository: z.string(),
      digest,
      received: bytes,
      expected: bytes.nullable(),
      wanted: z.boolean(),
      queued: z.boolean(),
    }),
  ),
});

export const failureList = z.strictObject({
  failures: z.array(
    z.strictObject({
      at: time,
      level: z.enum(['warn', 'error']),
      message: z.string(),
      cause: z.string().nullable(),
      about: z.record(z.string(), z.string()),
    }),
  ),
});

export const wantedList = z.strictObject({
  wanted: z.array(z.strictObject({ reference: z.string(), times: z.int(), first: time, last: time })),
});

export const stopped = z.strictObject({ stopping: z.literal(true) });

/** What is answered where nothing was done. */
export const refused = z.strictObject({ message: z.string() });

/** OpenAPI 3.1. */
export const description = z.looseObject({
  openapi: z.literal('3.1.0'),
  info: z.looseObject({ title: z.string(), version: z.string() }),
  paths: z.record(z.string(), z.looseObject({})),
});
